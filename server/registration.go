package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"ottla/server/config"
	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// join registers the broker for the first time. The session may have expired while the logs were loaded; the
// next one serves as well.
func (b *Broker) join(ctx context.Context) error {
	for {
		if err := b.register(ctx); !errors.Is(err, zkcoord.ErrSessionExpired) {
			return err
		}
	}
}

// register creates /brokers/ids/N and remembers under which session, so that after a crash the broker knows
// its own leftover from a stranger. The controller has it done again in each new session, before the broker
// stands for election.
func (b *Broker) register(ctx context.Context) error {
	dir := b.live.Static().LogDirs[0]
	previous := readSession(dir)
	endpoints, err := b.endpoints()
	if err != nil {
		return err
	}
	epoch, err := b.zk.RegisterBroker(ctx, zkcoord.Registration{
		BrokerInfo: zkcoord.BrokerInfo{
			Broker:  cluster.Broker{ID: b.id, Endpoints: endpoints, Rack: b.live.Static().Rack},
			JMXPort: -1, Timestamp: time.Now().UnixMilli(), WithoutFeatures: b.live.Static().Protocol < config.Protocol27IV0,
		},
		PreviousSession: previous,
	})
	if err != nil {
		return err
	}
	b.epoch.Store(epoch)
	b.fence.register() // after the epoch, which the controller is to have heard of first
	if err := writeSession(dir, b.zk.SessionID()); err != nil {
		b.log.Warnf("Remember the ZooKeeper session in %s: %v; after a crash the old registration will have to expire", dir, err)
	}
	b.log.Infof("Broker %d registered with epoch %d; clients are told %v", b.id, epoch, b.advertised())
	return nil
}

// endpoints are what clients and brokers are told, with the ports that the listeners got.
func (b *Broker) endpoints() ([]cluster.Endpoint, error) {
	var all []cluster.Endpoint
	for _, l := range b.live.Static().AdvertisedListeners {
		host, port := l.Host, l.Port
		if host == "" {
			name, err := os.Hostname()
			if err != nil {
				return nil, fmt.Errorf("advertised.listeners=%s: the machine's name: %w", l, err)
			}
			host = name
		}
		if port == 0 {
			bound, err := b.port(l.Name)
			if err != nil {
				return nil, err
			}
			port = bound
		}
		all = append(all, cluster.Endpoint{Listener: l.Name, Protocol: l.Protocol, Host: host, Port: int32(port)})
	}
	return all, nil
}

// port is the one that a listener was bound to.
func (b *Broker) port(listener string) (int, error) {
	_, port, err := net.SplitHostPort(b.Addr(listener))
	if err != nil {
		return 0, fmt.Errorf("advertised.listeners: no listener %s: %w", listener, err)
	}
	return strconv.Atoi(port)
}

// advertised is what clients are told, for people.
func (b *Broker) advertised() []string {
	endpoints, err := b.endpoints()
	if err != nil {
		return nil
	}
	var all []string
	for _, e := range endpoints {
		all = append(all, config.Listener{Name: e.Listener, Host: e.Host, Port: int(e.Port)}.String())
	}
	return all
}
