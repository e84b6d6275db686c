package mixed

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/go-zookeeper/zk"
)

// znodes is ZooKeeper's tree, seen by somebody who is no broker.
type znodes struct {
	c    *cluster
	conn *zk.Conn
}

type noLog struct{}

func (noLog) Printf(string, ...any) {}

func connectZooKeeper(c *cluster) *znodes {
	t := c.t
	t.Helper()
	conn, events, err := zk.Connect([]string{c.zooKeeper}, 30*time.Second, zk.WithLogger(noLog{}), zk.WithDialer(dialZooKeeper))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		for range events {
		}
	})
	return &znodes{c, conn}
}

// impatient is a connection that is given up when nothing has come for 20 s. The client would wait ten times as long for the first
// answer, which on a busy machine a ZooKeeper has once failed to give.
type impatient struct{ net.Conn }

func dialZooKeeper(network, address string, timeout time.Duration) (net.Conn, error) {
	conn, err := net.DialTimeout(network, address, timeout)
	if err != nil {
		return nil, err
	}
	return impatient{conn}, nil
}

func (c impatient) SetReadDeadline(t time.Time) error {
	if soon := time.Now().Add(20 * time.Second); t.After(soon) {
		t = soon
	}
	return c.Conn.SetReadDeadline(t)
}

func (z *znodes) exists(path string) bool {
	z.c.t.Helper()
	found, _, err := z.conn.Exists(path)
	if err != nil {
		z.c.t.Fatalf("%s: %v", path, err)
	}
	return found
}

func (z *znodes) get(path string) ([]byte, error) {
	data, _, err := z.conn.Get(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return data, nil
}

func (z *znodes) set(path, data string) {
	z.c.t.Helper()
	if _, err := z.conn.Set(path, []byte(data), -1); err != nil {
		z.c.t.Fatalf("%s: %v", path, err)
	}
}

// make creates a znode, unless it is there.
func (z *znodes) make(path, data string) {
	z.c.t.Helper()
	z.c.eventually(path+" is there", func() error {
		_, err := z.conn.Create(path, []byte(data), 0, zk.WorldACL(zk.PermAll))
		if errors.Is(err, zk.ErrNodeExists) {
			err = nil // or a connection was lost behind the first try
		}
		return err
	})
}

// delete removes a znode that may be gone already.
func (z *znodes) delete(path string) {
	z.c.t.Helper()
	if err := z.conn.Delete(path, -1); err != nil && !errors.Is(err, zk.ErrNoNode) {
		z.c.t.Fatalf("%s: %v", path, err)
	}
}

// controller is the id in /controller, or an error while there is none.
func (z *znodes) controller() (int32, error) {
	data, err := z.get("/controller")
	if err != nil {
		return 0, err
	}
	var claim struct {
		BrokerID int32 `json:"brokerid"`
	}
	return claim.BrokerID, json.Unmarshal(data, &claim)
}

// partitionState is a partition's state znode.
type partitionState struct {
	Leader      int32   `json:"leader"`
	LeaderEpoch int32   `json:"leader_epoch"`
	ISR         []int32 `json:"isr"`
}

func (z *znodes) state(topic string, partition int32) (s partitionState, err error) {
	data, err := z.get(fmt.Sprintf("/brokers/topics/%s/partitions/%d/state", topic, partition))
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(data, &s)
}

// moveController makes a broker the controller: the others are frozen for as long as its election takes,
// and wake up to find that another one has won.
func (c *cluster) moveController(to int32) {
	c.t.Helper()
	if now, err := c.znodes.controller(); err == nil && now == to {
		return
	}
	for _, b := range c.running() {
		if b.id != to {
			b.pause()
			defer b.resume()
		}
	}
	c.znodes.delete("/controller")
	c.eventually(fmt.Sprintf("broker %d is the controller", to), func() error {
		now, err := c.znodes.controller()
		if err == nil && now != to {
			err = fmt.Errorf("broker %d is", now)
		}
		return err
	})
}

// awaitController waits until every broker has been told who the controller is.
func (c *cluster) awaitController(id int32) {
	c.t.Helper()
	c.eventually(fmt.Sprintf("every broker knows that broker %d is the controller", id), func() error {
		for _, b := range c.running() {
			answer, err := b.metadata()
			if err != nil {
				return err
			}
			if answer.ControllerID != id {
				return fmt.Errorf("broker %d says it is %d", b.id, answer.ControllerID)
			}
		}
		return nil
	})
}
