package testcluster

import (
	"context"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/sirupsen/logrus"

	"ottla/server"
	"ottla/server/config"
	"ottla/zkcoord/zkserver"
)

// Cluster is running brokers and the ZooKeeper that coordinates them.
type Cluster struct {
	t         testing.TB
	zookeeper string
	dir       string
	owned     *zkserver.Server // nil when the ZooKeeper is somebody else's
	brokers   []*Broker
}

// Broker is one broker of a Cluster.
type Broker struct {
	cluster  *Cluster
	settings map[string]string
	running  *server.Broker // nil while it is stopped
}

type options struct {
	settings  map[string]string
	zookeeper string
	log       *logrus.Logger
}

// Option changes how a Cluster is started.
type Option func(*options)

// WithSetting gives every broker a setting of server.properties.
func WithSetting(key, value string) Option {
	return func(o *options) { o.settings[key] = value }
}

// WithZooKeeper coordinates the brokers through a ZooKeeper that is already there, host:port with or
// without a chroot. Without it the cluster has one of its own.
func WithZooKeeper(connect string) Option {
	return func(o *options) { o.zookeeper = connect }
}

// WithLogger sends what the brokers log somewhere else than to the test's log.
func WithLogger(log *logrus.Logger) Option {
	return func(o *options) { o.log = log }
}

// Start runs a cluster until the end of the test. It returns when every broker answers. Today a
// cluster has one broker: followers come with replication.
func Start(t testing.TB, brokers int, opts ...Option) *Cluster {
	t.Helper()
	if brokers != 1 {
		t.Fatalf("testcluster: %d brokers: only 1 can be run until replication is there", brokers)
	}
	o := options{settings: make(map[string]string), log: testLogger(t)}
	for _, opt := range opts {
		opt(&o)
	}
	// The directory comes before the cleanup that closes the brokers, so that it goes after it.
	c := &Cluster{t: t, zookeeper: o.zookeeper, dir: t.TempDir()}
	if c.zookeeper == "" {
		zk, err := zkserver.Start(zkserver.Options{Log: o.log})
		if err != nil {
			t.Fatalf("testcluster: start ZooKeeper: %v", err)
		}
		c.owned, c.zookeeper = zk, zk.Addr()
	}
	// Registered before the brokers start, so that a start that fails leaves nothing behind.
	t.Cleanup(c.close)
	for i := range brokers {
		settings := c.settings(i + 1)
		maps.Copy(settings, o.settings)
		b := &Broker{cluster: c, settings: settings}
		c.brokers = append(c.brokers, b)
		b.start(o.log)
	}
	return c
}

// settings are those of broker id, suited to a test: few threads, small internal topics, no waiting for
// group members who will not come.
func (c *Cluster) settings(id int) map[string]string {
	return map[string]string{
		"broker.id":                                strconv.Itoa(id),
		"listeners":                                "PLAINTEXT://127.0.0.1:0",
		"advertised.listeners":                     "PLAINTEXT://127.0.0.1:0",
		"log.dirs":                                 filepath.Join(c.dir, "broker-"+strconv.Itoa(id)),
		"zookeeper.connect":                        c.zookeeper,
		"offsets.topic.replication.factor":         "1",
		"offsets.topic.num.partitions":             "5",
		"transaction.state.log.replication.factor": "1",
		"transaction.state.log.min.isr":            "1",
		"group.initial.rebalance.delay.ms":         "0",
	}
}

func (b *Broker) start(log *logrus.Logger) {
	t := b.cluster.t
	t.Helper()
	settings, err := config.Parse(b.settings, log)
	if err != nil {
		t.Fatalf("testcluster: %v", err)
	}
	running := server.New(settings, server.WithLogger(log))
	if err := running.Start(context.Background()); err != nil {
		t.Fatalf("testcluster: start broker %s: %v", b.settings["broker.id"], err)
	}
	b.running = running
	// The ports stay the same over a restart, so that clients find the broker again.
	_, port, err := net.SplitHostPort(b.Addr())
	if err != nil {
		t.Fatalf("testcluster: %v", err)
	}
	b.settings["listeners"] = fmt.Sprintf("PLAINTEXT://127.0.0.1:%s", port)
	b.settings["advertised.listeners"] = b.settings["listeners"]
}

// Addr is where the broker is reached, host:port.
func (b *Broker) Addr() string { return b.running.Addr("PLAINTEXT") }

// LogDir is the broker's only entry of log.dirs.
func (b *Broker) LogDir() string { return b.settings["log.dirs"] }

// Stop closes the broker as SIGTERM would: leadership handed over, logs flushed and marked clean.
func (b *Broker) Stop() {
	b.cluster.t.Helper()
	if b.running == nil {
		return
	}
	if err := b.running.Close(); err != nil {
		b.cluster.t.Errorf("testcluster: stop broker %s: %v", b.settings["broker.id"], err)
	}
	b.running = nil
}

// Kill ends the broker as kill -9 would: nothing is flushed, no session is closed, no file is written.
func (b *Broker) Kill() {
	if b.running != nil {
		b.running.Kill()
		b.running = nil
	}
}

// Restart starts the broker again, on the same ports and directories, after Stop or Kill.
func (b *Broker) Restart() {
	b.cluster.t.Helper()
	b.Stop()
	b.start(testLogger(b.cluster.t))
}

// Addrs are the brokers' addresses, as a client's bootstrap wants them.
func (c *Cluster) Addrs() []string {
	var all []string
	for _, b := range c.brokers {
		if b.running != nil {
			all = append(all, b.Addr())
		}
	}
	return all
}

// Broker is the broker with this id, 1 for the first.
func (c *Cluster) Broker(id int) *Broker { return c.brokers[id-1] }

// ZooKeeper is the connect string of the cluster's ZooKeeper.
func (c *Cluster) ZooKeeper() string { return c.zookeeper }

func (c *Cluster) close() {
	for _, b := range c.brokers {
		b.Stop()
	}
	if c.owned != nil {
		if err := c.owned.Close(); err != nil {
			c.t.Errorf("testcluster: close ZooKeeper: %v", err)
		}
	}
}

// testLogger writes to the test's log.
func testLogger(t testing.TB) *logrus.Logger {
	log := logrus.New()
	log.SetOutput(t.Output())
	log.SetFormatter(&logrus.TextFormatter{DisableColors: true, DisableQuote: true, TimestampFormat: "15:04:05.000", FullTimestamp: true})
	return log
}
