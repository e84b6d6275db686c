package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/go-zookeeper/zk"
)

// coordination is the bench's own session with the ZooKeeper of a cluster.
type coordination struct {
	*zk.Conn
	chroot string
}

// quiet keeps the log of go-zookeeper off the bench's output.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

func connectZooKeeper(c *cluster) (*coordination, error) {
	addr, chroot, _ := strings.Cut(c.servers[0].place.zooKeeper, "/")
	conn, _, err := zk.Connect([]string{addr}, 30*time.Second, zk.WithLogger(quiet{}))
	if err != nil {
		return nil, err
	}
	return &coordination{conn, "/" + chroot}, nil
}

// watchGone returns what tells that a broker is not registered any more: its session has ended.
func (z *coordination) watchGone(s *server) (<-chan zk.Event, error) {
	exists, _, gone, err := z.ExistsW(fmt.Sprintf("%s/brokers/ids/%d", z.chroot, s.place.id))
	if err == nil && !exists {
		err = fmt.Errorf("broker %d is not registered", s.place.id)
	}
	return gone, err
}

// awaitGone waits until a broker is not registered any more.
func (z *coordination) awaitGone(ctx context.Context, s *server) error {
	path := fmt.Sprintf("%s/brokers/ids/%d", z.chroot, s.place.id)
	for {
		exists, _, err := z.Exists(path)
		if err != nil || !exists {
			return err
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// makeController removes the controller's znode while all brokers but one are stopped, for less than their sessions
// last, so that this one takes it.
func (z *coordination) makeController(ctx context.Context, c *cluster, s *server) error {
	elected, err := z.controller()
	if err != nil || elected == s.place.id {
		return err
	}
	for _, other := range c.servers {
		if other == s {
			continue
		}
		if err := syscall.Kill(other.Pid(), syscall.SIGSTOP); err != nil {
			return err
		}
		defer syscall.Kill(other.Pid(), syscall.SIGCONT)
	}
	if err := z.Delete(z.chroot+"/controller", -1); err != nil && !errors.Is(err, zk.ErrNoNode) {
		return err
	}
	for range 150 {
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
		if elected, err = z.controller(); err != nil || elected == s.place.id {
			return err
		}
	}
	return fmt.Errorf("broker %d has not become the controller in three seconds without another one", s.place.id)
}

// controller returns the broker that is the controller, or -1.
func (z *coordination) controller() (int, error) {
	data, _, err := z.Get(z.chroot + "/controller")
	if errors.Is(err, zk.ErrNoNode) {
		return -1, nil
	}
	var elected struct{ BrokerID int }
	if err == nil {
		err = json.Unmarshal(data, &elected)
	}
	return elected.BrokerID, err
}
