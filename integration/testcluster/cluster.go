package testcluster

import (
	"sync"
	"testing"
	"time"

	"ottla/zkcoord/zkserver"
)

// Cluster is running brokers and the ZooKeeper that coordinates them. Its methods may be called from any
// goroutine, but for those that end the test when they fail: CreateTopic and those that begin with Await.
type Cluster struct {
	t         testing.TB
	options   *options
	zookeeper string
	owned     *zkserver.Server // nil when the ZooKeeper is somebody else's
	links     *links
	brokers   []*Broker
}

// Start runs a cluster of so many brokers until the end of the test. It returns when clients can use all of
// it: every broker knows every other and the controller, and the groups' topic has its leaders.
func Start(t testing.TB, brokers int, opts ...Option) *Cluster {
	t.Helper()
	if brokers < 1 {
		t.Fatalf("testcluster: %d brokers: at least 1", brokers)
	}
	// The directory comes before the cleanup that closes the brokers, so that it goes after it.
	dir := t.TempDir()
	c := &Cluster{t: t, options: newOptions(opts)}
	if err := c.startZooKeeper(); err != nil {
		t.Fatalf("testcluster: start ZooKeeper: %v", err)
	}
	// Registered before the brokers start, so that a start that fails leaves nothing behind.
	t.Cleanup(c.close)
	c.links = newLinks(c.zookeeper)
	for id := 1; id <= brokers; id++ {
		c.brokers = append(c.brokers, &Broker{
			cluster: c, id: id, disk: newFaultyDisk(),
			settings: c.options.settingsOf(id, brokers, dir, c.zookeeper),
		})
	}
	if err := c.each((*Broker).start); err != nil {
		t.Fatalf("testcluster: %v", err)
	}
	c.AwaitReady()
	c.makeGroupsTopic()
	return c
}

// Sessions of any length suit a test; ZooKeeper itself would grant four seconds at least.
const (
	minSession = 10 * time.Millisecond
	maxSession = time.Hour
)

func (c *Cluster) startZooKeeper() (err error) {
	if c.zookeeper = c.options.zookeeper; c.zookeeper != "" {
		return nil
	}
	c.owned, err = zkserver.Start(zkserver.Options{
		MinSession: minSession, MaxSession: maxSession, Log: c.options.logger(c.t, "ZooKeeper"),
	})
	if err == nil {
		c.zookeeper = c.owned.Addr()
	}
	return err
}

// each does something with all brokers at once and returns the first error.
func (c *Cluster) each(do func(*Broker) error) error {
	errs := make([]error, len(c.brokers))
	var all sync.WaitGroup
	for i, b := range c.brokers {
		all.Go(func() { errs[i] = do(b) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Addrs are the addresses of the brokers that run, as a client's bootstrap wants them.
func (c *Cluster) Addrs() []string {
	var all []string
	for _, b := range c.running() {
		all = append(all, b.Addr())
	}
	return all
}

// Broker is the broker with this id, 1 for the first.
func (c *Cluster) Broker(id int) *Broker { return c.brokers[id-1] }

// Brokers are all brokers, running or not, by their ids.
func (c *Cluster) Brokers() []*Broker { return append([]*Broker(nil), c.brokers...) }

func (c *Cluster) running() []*Broker {
	var all []*Broker
	for _, b := range c.brokers {
		if b.Running() {
			all = append(all, b)
		}
	}
	return all
}

// ZooKeeper is the connect string of the cluster's ZooKeeper.
func (c *Cluster) ZooKeeper() string { return c.zookeeper }

// close ends everything. With a ZooKeeper of our own nobody will miss the brokers, so they need not say
// goodbye; from somebody else's they sign off.
func (c *Cluster) close() {
	if c.links != nil {
		for _, b := range c.brokers {
			b.disk.heal()
			c.links.resume(b.node())
		}
		c.Heal()
	}
	if c.owned == nil {
		_ = c.each(func(b *Broker) error { b.Stop(); return nil })
		return
	}
	_ = c.each(func(b *Broker) error { b.Kill(); return nil })
	if err := c.owned.Close(); err != nil {
		c.t.Errorf("testcluster: close ZooKeeper: %v", err)
	}
}
