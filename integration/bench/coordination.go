package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
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

// makeController removes the controller's znode, upon which the brokers race for it, until a broker wins, and gives
// that one two seconds to take over.
func (z *coordination) makeController(ctx context.Context, s *server) error {
	for range 100 {
		data, _, err := z.Get(z.chroot + "/controller")
		if errors.Is(err, zk.ErrNoNode) {
			if err := sleep(ctx, 20*time.Millisecond); err != nil {
				return err
			}
			continue
		}
		var elected struct{ BrokerID int }
		if err == nil {
			err = json.Unmarshal(data, &elected)
		}
		if err != nil {
			return err
		}
		if elected.BrokerID == s.place.id {
			return sleep(ctx, 2*time.Second)
		}
		if err := z.Delete(z.chroot+"/controller", -1); err != nil && !errors.Is(err, zk.ErrNoNode) {
			return err
		}
	}
	return fmt.Errorf("broker %d has not become the controller in a hundred elections", s.place.id)
}
