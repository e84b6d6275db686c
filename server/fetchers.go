package server

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/fetcher"
	"ottla/server/peer"
	"ottla/server/replica"
	"ottla/zkcoord/cluster"
)

// fetchers join what this broker follows to those who copy it.
type fetchers struct {
	*fetcher.Manager
	broker *Broker
}

func (b *Broker) newFetchers() *fetchers {
	return &fetchers{broker: b, Manager: fetcher.New(fetcher.Options{
		ID: b.id, BrokerEpoch: b.epoch.Load, Connect: b.connectLeader, Versions: fetcherVersions(b.live.Static().Protocol), Throttle: b.throttles.follower,
		Config: func() fetcher.Config {
			c := b.live.Current()
			return fetcher.Config{
				Fetchers: int(c.ReplicaFetchers), MinBytes: c.ReplicaFetchMinBytes, MaxWait: c.ReplicaFetchWaitMax,
				MaxBytes: c.ReplicaFetchMaxBytes, ResponseMaxBytes: c.ReplicaFetchResponseMaxBytes, Backoff: c.ReplicaFetchBackoff,
			}
		},
		Log: b.loggers.Named("fetcher"), Metrics: b.metrics,
	})}
}

// AddPartitions begins to copy. What is no replica here any more when it is looked up needs no copying.
func (f *fetchers) AddPartitions(parts []replica.Following) {
	follow := make([]fetcher.Following, 0, len(parts))
	for _, p := range parts {
		if own, err := f.broker.replicas.Partition(p.TopicPartition); err == nil {
			follow = append(follow, fetcher.Following{TopicPartition: p.TopicPartition, TopicID: p.TopicID,
				Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, Replica: followed{own}})
		}
	}
	f.Manager.AddPartitions(follow)
}

// followed is a partition as a fetcher sees it.
type followed struct{ *replica.Partition }

// LogStartOffset is the first offset of the log, -1 without one.
func (p followed) LogStartOffset() int64 {
	if l, ok := p.Log(); ok {
		return l.LogStartOffset()
	}
	return -1
}

// EpochEnd is where an epoch ended in the log, or the largest below it that the log knows.
func (p followed) EpochEnd(epoch int32) (found int32, end int64) {
	if l, ok := p.Log(); ok {
		return l.EndOffsetForEpoch(epoch)
	}
	return -1, -1
}

func (p followed) AppendAsFollower(leaderEpoch int32, batches []byte, leaderHW, leaderLogStart int64) error {
	return reignOver(p.Partition.AppendAsFollower(leaderEpoch, batches, leaderHW, leaderLogStart))
}

func (p followed) TruncateTo(leaderEpoch int32, offset int64) error {
	return reignOver(p.Partition.TruncateTo(leaderEpoch, offset))
}

func (p followed) TruncateFullyAndStartAt(leaderEpoch int32, offset int64) error {
	return reignOver(p.Partition.TruncateFullyAndStartAt(leaderEpoch, offset))
}

// reignOver tells a fetcher that its reign has ended, in its own words.
func reignOver(err error) error {
	for _, over := range []error{replica.ErrNotLeader, replica.ErrFencedLeaderEpoch, replica.ErrUnknownLeaderEpoch} {
		if errors.Is(err, over) {
			return fmt.Errorf("%w: %w", fetcher.ErrReignOver, err)
		}
	}
	return err
}

// leaderLink is a fetcher's connection to a broker. It asks for the address each time: a leader may come back
// under another one.
type leaderLink struct {
	broker *Broker
	leader cluster.BrokerID
	client *peer.Client
	at     cluster.Endpoint
}

func (b *Broker) connectLeader(leader cluster.BrokerID, number int) fetcher.Leader {
	c := b.live.Static()
	o := b.peerOptions(fmt.Sprintf("broker-%d-fetcher-%d", b.id, number), c.ReplicaSocketTimeout, nil)
	o.Dial = withReceiveBuffer(b.dial, int(c.ReplicaSocketReceiveBuffer))
	return &leaderLink{broker: b, leader: leader, client: peer.New(o)}
}

// RoundTrip sends the request to where the leader is now.
func (l *leaderLink) RoundTrip(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	to, ok := l.broker.metadata.Snapshot().Endpoint(l.leader, l.broker.live.Static().InterBrokerListener)
	if !ok {
		return nil, fmt.Errorf("broker %d is not alive", l.leader)
	}
	if to != l.at {
		l.client.Forget(l.at)
		l.at = to
	}
	return l.client.RoundTrip(ctx, to, req)
}

// Close closes the connection.
func (l *leaderLink) Close() { l.client.Close() }

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// withReceiveBuffer gives each connection a receive buffer of so many bytes; -1 leaves it to the system.
func withReceiveBuffer(dial dialer, bytes int) dialer {
	if bytes <= 0 {
		return dial
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if tcp, ok := conn.(*net.TCPConn); ok && err == nil {
			_ = tcp.SetReadBuffer(bytes) // a wish: the system may give less
		}
		return conn, err
	}
}
