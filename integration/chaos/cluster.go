package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"ottla/integration/apache"
)

// cluster is three brokers and a ZooKeeper, as processes, with a proxy in front of each.
type cluster struct {
	apache         *apache.Installation
	ottla          string // the binary
	dir            string
	links          *links
	brokers        []*broker
	zooKeeper      *apache.ZooKeeper
	zooKeeperPort  int
	zooKeeperProxy *proxy
	state          *clusterState
}

// startCluster starts a broker of each kind that is named, with ids from 1 on, and waits until all have
// registered.
func startCluster(ctx context.Context, i *apache.Installation, binary, dir string, kinds []kind) (c *cluster, err error) {
	c = &cluster{apache: i, ottla: binary, dir: dir, links: newLinks()}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	c.links.own(os.Getpid(), clients)
	ports, err := apache.FreePorts(1 + len(kinds))
	if err != nil {
		return c, err
	}
	c.zooKeeperPort = ports[0]
	if err := c.startZooKeeper(); err != nil {
		return c, err
	}
	if c.zooKeeperProxy, err = startProxy(c.links, zooKeeper, "127.0.0.1:0", c.zooKeeper.Addr); err != nil {
		return c, err
	}
	if c.state, err = watchState(c.zooKeeper.Addr); err != nil {
		return c, err
	}
	for n, kind := range kinds {
		b := &broker{id: node(n + 1), kind: kind, dir: brokerDir(dir, node(n+1)), port: ports[n+1]}
		if err := os.MkdirAll(b.dir, 0o755); err != nil {
			return c, err
		}
		if b.proxy, err = startProxy(c.links, b.id, "127.0.0.1:0", apache.Loopback(b.port)); err != nil {
			return c, err
		}
		c.brokers = append(c.brokers, b)
		if err := b.start(c); err != nil {
			return c, err
		}
	}
	return c, c.await(ctx, 2*time.Minute, "all brokers to register", func() error { return c.state.registered(len(kinds)) })
}

func (c *cluster) startZooKeeper() (err error) {
	c.zooKeeper, err = c.apache.StartZooKeeper(apache.ZooKeeperOptions{
		Dir: filepath.Join(c.dir, "zookeeper"), Port: c.zooKeeperPort,
		// The shortest session it grants is two ticks.
		Properties: map[string]string{"tickTime": fmt.Sprint((sessionTimeout / 4).Milliseconds())},
	})
	return err
}

func brokerDir(dir string, id node) string {
	return filepath.Join(dir, fmt.Sprintf("broker-%d", int(id)))
}

// addrs are where clients begin to ask.
func (c *cluster) addrs() []string {
	var all []string
	for _, b := range c.brokers {
		all = append(all, b.proxy.addr())
	}
	return all
}

func (c *cluster) broker(id node) *broker { return c.brokers[id-1] }

// others are the brokers but one.
func (c *cluster) others(id node) []node {
	var all []node
	for _, b := range c.brokers {
		if b.id != id {
			all = append(all, b.id)
		}
	}
	return all
}

// start runs a broker again. A Kafka broker that finds the registration of its last life ends at once, so it has
// to wait for ZooKeeper; Ottla is expected to wait by itself.
func (c *cluster) start(ctx context.Context, b *broker) error {
	if b.kind == kafka {
		err := c.await(ctx, 3*sessionTimeout, fmt.Sprintf("the registration of %v to end", b.id), func() error { return c.state.gone(b.id) })
		if err != nil {
			return err
		}
	}
	return b.start(c)
}

// await asks until there is no error, for at most so long; what for is told when it fails.
func (c *cluster) await(ctx context.Context, most time.Duration, what string, ask func() error) error {
	began := time.Now()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := ask()
		var final *finalError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &final):
			return fmt.Errorf("waiting for %s: %w", what, err)
		case time.Since(began) > most:
			return fmt.Errorf("waited %v for %s: %w", most, what, err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// finalError says that asking again is of no use.
type finalError struct{ error }

// close ends everything, however it is.
func (c *cluster) close() {
	c.links.close()
	for _, b := range c.brokers {
		if b.process != nil {
			b.kill()
		}
		b.proxy.Close()
	}
	if c.zooKeeperProxy != nil {
		c.zooKeeperProxy.Close()
	}
	if c.state != nil {
		c.state.close()
	}
	if c.zooKeeper != nil {
		c.zooKeeper.Kill()
	}
}
