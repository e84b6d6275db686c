package mixed

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"ottla/integration/apache"
)

// patience bounds what has to happen on a machine that is busy with other things. It asserts nothing.
const patience = 60 * time.Second

// sessionTimeout is how long a killed broker stays in ZooKeeper: as short as ZooKeeper grants.
const sessionTimeout = 4 * time.Second

// cluster is a ZooKeeper and the brokers beside it.
type cluster struct {
	t         *testing.T
	kafka     *apache.Installation
	zooKeeper string // its address
	znodes    *znodes
	brokers   []*broker
	client    *kgo.Client
	admin     *kadm.Client
}

// start runs a cluster until the end of the test: a broker of each kind named, with the ids 1, 2 ... It
// returns when every broker knows every other. settings are added to all brokers' server.properties.
func start(t *testing.T, settings map[string]string, kinds ...kind) *cluster {
	t.Helper()
	c := prepare(t, settings, kinds...)
	c.begin()
	return c
}

// prepare is start without starting the brokers, for whoever has more to set first.
func prepare(t *testing.T, settings map[string]string, kinds ...kind) *cluster {
	t.Helper()
	// No power fails here, and a session should not end because other tests keep the disk busy.
	zoo, err := apache.Require(t).StartZooKeeper(apache.ZooKeeperOptions{Dir: t.TempDir(), Properties: map[string]string{"forceSync": "no"}})
	if err != nil {
		t.Fatalf("Apache ZooKeeper: %v", err)
	}
	t.Cleanup(zoo.Kill)
	return prepareBeside(t, zoo.Addr, settings, kinds...)
}

// prepareBeside is prepare beside a ZooKeeper that is there already.
func prepareBeside(t *testing.T, zooKeeper string, settings map[string]string, kinds ...kind) *cluster {
	t.Helper()
	c := &cluster{t: t, kafka: apache.Require(t), zooKeeper: zooKeeper}
	dir := t.TempDir() // before the cleanup of the brokers, so that it is removed after it
	t.Cleanup(c.end)
	c.znodes = connectZooKeeper(c)
	for i, k := range kinds {
		id := int32(i + 1)
		b := &broker{c: c, id: id, kind: k, dir: filepath.Join(dir, fmt.Sprint("broker-", id)), addr: apache.FreeAddress(t)}
		if err := os.MkdirAll(b.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		b.settings = clusterSettings(len(kinds))
		maps.Copy(b.settings, settings)
		c.brokers = append(c.brokers, b)
	}
	return c
}

// begin starts all brokers.
func (c *cluster) begin() {
	c.t.Helper()
	c.startAll(c.brokers...)
	var err error
	if c.client, err = kgo.NewClient(kgo.SeedBrokers(c.addrs()...), kgo.MetadataMinAge(50*time.Millisecond)); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(c.client.Close)
	c.admin = kadm.NewClient(c.client)
}

// clusterSettings suit a test, and both kinds of broker understand them.
func clusterSettings(brokers int) map[string]string {
	return map[string]string{
		"offsets.topic.replication.factor":         fmt.Sprint(brokers),
		"offsets.topic.num.partitions":             "3",
		"group.initial.rebalance.delay.ms":         "0",
		"transaction.state.log.replication.factor": fmt.Sprint(brokers),
		"transaction.state.log.num.partitions":     "3",
		"transaction.state.log.min.isr":            fmt.Sprint(min(2, brokers)),
		"min.insync.replicas":                      "1",
		"default.replication.factor":               fmt.Sprint(brokers),
		"zookeeper.session.timeout.ms":             fmt.Sprint(sessionTimeout.Milliseconds()),
		// Its default is the session timeout, in which a ZooKeeper that has just started may not get to answer.
		"zookeeper.connection.timeout.ms": fmt.Sprint(patience.Milliseconds()),
		// Leaders and the controller move when a test says so, not by themselves.
		"auto.leader.rebalance.enable": "false",
		// A short backoff: followers whose leader has just been killed try the next one soon.
		"replica.fetch.backoff.ms":             "100",
		"controlled.shutdown.retry.backoff.ms": "500",
		// Each replica compacts on its own, and the offsets' topic is compared as well.
		"log.cleaner.enable": "false",
	}
}

// startAll starts brokers at the same time and waits until every broker that runs knows all that do.
func (c *cluster) startAll(brokers ...*broker) {
	c.t.Helper()
	var starts errgroup.Group
	for _, b := range brokers {
		starts.Go(b.launch)
	}
	if err := starts.Wait(); err != nil {
		c.t.Fatal(err)
	}
	for _, b := range brokers {
		if err := b.process.WaitReady(b.knowsItself); err != nil {
			c.t.Fatal(err)
		}
	}
	c.eventually("every broker knows every other", func() error {
		for _, b := range c.running() {
			if err := b.knows(c.runningIDs()); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *cluster) broker(id int32) *broker { return c.brokers[id-1] }

// running are the brokers that can answer.
func (c *cluster) running() []*broker {
	return slices.DeleteFunc(slices.Clone(c.brokers), func(b *broker) bool { return b.process == nil || b.frozen })
}

func (c *cluster) runningIDs() (ids []int32) {
	for _, b := range c.running() {
		ids = append(ids, b.id)
	}
	return ids
}

// addrs are those of all brokers, whether they run or not: they do not change.
func (c *cluster) addrs() (addrs []string) {
	for _, b := range c.brokers {
		addrs = append(addrs, b.addr)
	}
	return addrs
}

// run is t.Run for a part of the cluster's test.
func (c *cluster) run(name string, part func(t *testing.T)) {
	whole := c.t
	defer func() { c.t = whole }()
	whole.Run(name, func(t *testing.T) {
		c.t = t
		part(t)
	})
}

func (c *cluster) end() {
	for _, b := range c.brokers {
		b.kill()
		if c.t.Failed() {
			c.t.Logf("broker %d printed:\n%s", b.id, b.output())
		}
		b.keepOutputs() // for -artifacts
	}
}

// eventually tries until there is no error.
func (c *cluster) eventually(what string, try func() error) {
	c.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("not after %v: %s: %v", patience, what, err)
		}
		time.Sleep(25 * time.Millisecond) // between two looks
	}
}

// patient is a context for what has to happen.
func (c *cluster) patient() context.Context {
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	c.t.Cleanup(cancel)
	return ctx
}
