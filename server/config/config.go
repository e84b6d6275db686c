package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
)

// EmbeddedZooKeeper is the value of zookeeper.connect that runs a ZooKeeper in this process.
const EmbeddedZooKeeper = "embedded"

// Config is what the parts of a broker are built from: every setting that Ottla obeys. It never
// changes; Live hands out a new one when a dynamic setting does.
//
// A tag names the setting that fills the field. A Duration takes its unit from the setting's name
// (.ms, .seconds, .secs, .minutes, .hours) and is Forever where the number is too large for it; a
// negative number stays negative.
type Config struct {
	// BrokerID is -1 until one is made through /brokers/seqid.
	BrokerID         int32  `key:"broker.id"`
	GenerateBrokerID bool   `key:"broker.id.generation.enable"`
	ReservedMaxID    int32  `key:"reserved.broker.max.id"`
	Rack             string `key:"broker.rack"`

	// Protocol is what brokers speak among themselves (inter.broker.protocol.version).
	Protocol Protocol

	// LeaderThrottledRate and FollowerThrottledRate bound replication, in bytes per second; they are set while the broker
	// runs only. ReplicationQuotaSamples samples of ReplicationQuotaWindow measure it.
	LeaderThrottledRate, FollowerThrottledRate int64
	// MoveRate bounds, likewise, the copying between log directories.
	MoveRate                int64
	ReplicationQuotaSamples int32         `key:"replication.quota.window.num"`
	ReplicationQuotaWindow  time.Duration `key:"replication.quota.window.size.seconds"`

	// Listeners is where to listen; port 0 has the system choose.
	Listeners []Listener
	// AdvertisedListeners is what clients are told. An empty host stands for this machine's name, port
	// 0 for the port that the listener of the same name got.
	AdvertisedListeners []Listener
	// InterBrokerListener names the advertised listener that brokers use among themselves.
	InterBrokerListener string
	// ControlPlaneListener names the advertised listener for what the controller and the brokers ask of each other, "" where that is
	// InterBrokerListener as well (KIP-291).
	ControlPlaneListener string

	SocketSendBufferBytes    int32            `key:"socket.send.buffer.bytes"`
	SocketReceiveBufferBytes int32            `key:"socket.receive.buffer.bytes"`
	ListenBacklog            int32            `key:"socket.listen.backlog.size"`
	MaxRequestBytes          int32            `key:"socket.request.max.bytes"`
	QueuedMaxRequestBytes    int64            `key:"queued.max.request.bytes"` // -1: no limit
	ConnectionsMaxIdle       time.Duration    `key:"connections.max.idle.ms"`  // negative: for ever
	MaxConnections           int32            `key:"max.connections"`
	MaxConnectionsPerIP      int32            `key:"max.connections.per.ip"`
	MaxConnectionsOfIP       map[string]int32 // max.connections.per.ip.overrides
	// RequestTimeout bounds this broker's own requests to others.
	RequestTimeout time.Duration `key:"request.timeout.ms"`
	// ConnectionSetupTimeout bounds the making of connections to others; it doubles up to its maximum while they fail.
	ConnectionSetupTimeout    time.Duration `key:"socket.connection.setup.timeout.ms"`
	ConnectionSetupTimeoutMax time.Duration `key:"socket.connection.setup.timeout.max.ms"`

	// ZooKeeperConnect is host:port,host:port/chroot, or EmbeddedZooKeeper.
	ZooKeeperConnect           string        `key:"zookeeper.connect"`
	ZooKeeperSessionTimeout    time.Duration `key:"zookeeper.session.timeout.ms"`
	ZooKeeperConnectionTimeout time.Duration // zookeeper.connection.timeout.ms, or the session timeout
	ZooKeeperMaxInFlight       int32         `key:"zookeeper.max.in.flight.requests"`
	// EmbeddedZooKeeperAddress and EmbeddedZooKeeperDataDir count only for EmbeddedZooKeeper.
	EmbeddedZooKeeperAddress string `key:"embedded.zookeeper.address"`
	EmbeddedZooKeeperDataDir string
	// WebListener is host:port, or "" for none.
	WebListener string `key:"web.listener"`

	// The cleaners, which compact; the settings of topics among log.cleaner.* are in Topic.
	CleanerEnable         bool          `key:"log.cleaner.enable"`
	CleanerThreads        int32         `key:"log.cleaner.threads"`
	CleanerDedupeBuffer   int64         `key:"log.cleaner.dedupe.buffer.size"`
	CleanerLoadFactor     float64       `key:"log.cleaner.io.buffer.load.factor"`
	CleanerBuffer         int32         `key:"log.cleaner.io.buffer.size"`
	CleanerBytesPerSecond float64       `key:"log.cleaner.io.max.bytes.per.second"`
	CleanerBackoff        time.Duration `key:"log.cleaner.backoff.ms"`

	// LogDirs is at least one directory, each once.
	LogDirs                   []string
	RecoveryThreadsPerDataDir int32 `key:"num.recovery.threads.per.data.dir"`
	// MoveThreads is how many logs are copied between directories at a time.
	MoveThreads                    int32         // num.replica.alter.log.dirs.threads, or as many as there are directories
	InitialLogTaskDelay            time.Duration `key:"log.initial.task.delay.ms"`
	RetentionCheckInterval         time.Duration `key:"log.retention.check.interval.ms"`
	RecoveryPointCheckpoint        time.Duration `key:"log.flush.offset.checkpoint.interval.ms"`
	LogStartCheckpoint             time.Duration `key:"log.flush.start.offset.checkpoint.interval.ms"`
	ProducerIDExpiration           time.Duration `key:"producer.id.expiration.ms"`
	ProducerExpiryCheckInterval    time.Duration `key:"producer.id.expiration.check.interval.ms"`
	HighWatermarkCheckpoint        time.Duration `key:"replica.high.watermark.checkpoint.interval.ms"`
	MinFreeBytes                   int64         `key:"storage.min.free.bytes"`
	FenceOnSessionLoss             bool          `key:"leader.fence.on.session.loss"`
	ReplicaLagTimeMax              time.Duration `key:"replica.lag.time.max.ms"`
	ReplicaSelector                string        `key:"replica.selector.class"` // RackAwareSelector, or another name for the leader
	ReplicaFetchers                int32         `key:"num.replica.fetchers"`
	ReplicaFetchBackoff            time.Duration `key:"replica.fetch.backoff.ms"`
	ReplicaFetchMaxBytes           int32         `key:"replica.fetch.max.bytes"`
	ReplicaFetchMinBytes           int32         `key:"replica.fetch.min.bytes"`
	ReplicaFetchResponseMaxBytes   int32         `key:"replica.fetch.response.max.bytes"`
	ReplicaFetchWaitMax            time.Duration `key:"replica.fetch.wait.max.ms"`
	ReplicaSocketReceiveBuffer     int32         `key:"replica.socket.receive.buffer.bytes"`
	ReplicaSocketTimeout           time.Duration `key:"replica.socket.timeout.ms"`
	FetchMaxBytes                  int32         `key:"fetch.max.bytes"`
	FetchSessionCacheSlots         int32         `key:"max.incremental.fetch.session.cache.slots"`
	AutoCreateTopics               bool          `key:"auto.create.topics.enable"`
	DeleteTopics                   bool          `key:"delete.topic.enable"`
	NumPartitions                  int32         `key:"num.partitions"`
	DefaultReplicationFactor       int32         `key:"default.replication.factor"`
	ControllerSocketTimeout        time.Duration `key:"controller.socket.timeout.ms"`
	AutoLeaderRebalance            bool          `key:"auto.leader.rebalance.enable"`
	LeaderImbalanceCheckInterval   time.Duration `key:"leader.imbalance.check.interval.seconds"`
	LeaderImbalancePercentage      int32         `key:"leader.imbalance.per.broker.percentage"`
	ControlledShutdown             bool          `key:"controlled.shutdown.enable"`
	ControlledShutdownMaxRetries   int32         `key:"controlled.shutdown.max.retries"`
	ControlledShutdownRetryBackoff time.Duration `key:"controlled.shutdown.retry.backoff.ms"`

	GroupInitialRebalanceDelay    time.Duration `key:"group.initial.rebalance.delay.ms"`
	GroupMinSessionTimeout        time.Duration `key:"group.min.session.timeout.ms"`
	GroupMaxSessionTimeout        time.Duration `key:"group.max.session.timeout.ms"`
	GroupMaxSize                  int32         `key:"group.max.size"`
	OffsetMetadataMaxBytes        int32         `key:"offset.metadata.max.bytes"`
	OffsetsCommitRequiredAcks     int16         `key:"offsets.commit.required.acks"`
	OffsetsCommitTimeout          time.Duration `key:"offsets.commit.timeout.ms"`
	OffsetsLoadBufferBytes        int32         `key:"offsets.load.buffer.size"`
	OffsetsRetention              time.Duration `key:"offsets.retention.minutes"`
	OffsetsRetentionCheckInterval time.Duration `key:"offsets.retention.check.interval.ms"`
	OffsetsTopicCompression       int32         `key:"offsets.topic.compression.codec"` // the codec's number
	OffsetsTopicPartitions        int32         `key:"offsets.topic.num.partitions"`
	OffsetsTopicReplicationFactor int16         `key:"offsets.topic.replication.factor"`
	OffsetsTopicSegmentBytes      int32         `key:"offsets.topic.segment.bytes"`

	TransactionTopicPartitions         int32         `key:"transaction.state.log.num.partitions"`
	TransactionTopicReplicationFactor  int16         `key:"transaction.state.log.replication.factor"`
	TransactionTopicSegmentBytes       int32         `key:"transaction.state.log.segment.bytes"`
	TransactionTopicMinISR             int32         `key:"transaction.state.log.min.isr"`
	TransactionLoadBufferBytes         int32         `key:"transaction.state.log.load.buffer.size"`
	TransactionMaxTimeout              time.Duration `key:"transaction.max.timeout.ms"`
	TransactionTimeoutCheckInterval    time.Duration `key:"transaction.abort.timed.out.transaction.cleanup.interval.ms"`
	TransactionalIDExpiration          time.Duration `key:"transactional.id.expiration.ms"`
	TransactionalIDExpiryCheckInterval time.Duration `key:"transaction.remove.expired.transaction.cleanup.interval.ms"`
	TransactionVerification            bool          `key:"transaction.partition.verification.enable"`

	settings      *settings
	topicDefaults map[string]string // what each topic setting is without an override
}

// Load reads a properties file, lays the overrides (key=value) over it and checks everything. The
// error tells all that is wrong, one line each. Warnings go to log, one for each setting that is
// unknown or that does nothing.
func Load(file string, overrides []string, log logrus.FieldLogger) (*Config, error) {
	fromFile, err := readProperties(file)
	if err != nil {
		return nil, err
	}
	over, err := parseOverrides(overrides)
	if err != nil {
		return nil, err
	}
	c, err := build(fromFile, over)
	if err != nil {
		return nil, err
	}
	c.warn(log)
	return c, nil
}

// Parse is Load for settings that are at hand.
func Parse(properties map[string]string, log logrus.FieldLogger) (*Config, error) {
	c, err := build(properties)
	if err != nil {
		return nil, err
	}
	c.warn(log)
	return c, nil
}

// build makes a Config of layers of settings, the later over the earlier.
func build(layers ...map[string]string) (*Config, error) {
	s, err := newSettings(layers...)
	if err != nil {
		return nil, err
	}
	c := &Config{settings: s, LeaderThrottledRate: NoThrottle, FollowerThrottledRate: NoThrottle, MoveRate: NoThrottle}
	fill(c, s.values)
	err = errors.Join(
		s.refused(),
		c.setProtocol(),
		c.setIdentity(),
		c.setListeners(),
		c.setZooKeeper(),
		c.setLogDirs(),
		c.setConnectionLimits(),
		s.crossChecks(),
	)
	if err != nil {
		return nil, err
	}
	c.setTopicDefaults()
	return c, nil
}

func (c *Config) setIdentity() error {
	s := c.settings
	if broker, node := s.raw["broker.id"], s.raw["node.id"]; s.isSet("node.id") && s.values["broker.id"] != s.values["node.id"] {
		return fmt.Errorf("broker.id=%s and node.id=%s: You must set `node.id` to the same value as `broker.id`", broker, node)
	}
	switch id := c.BrokerID; {
	case c.GenerateBrokerID && (id < -1 || id > c.ReservedMaxID):
		return fmt.Errorf("broker.id=%d: broker.id must be greater than or equal to -1 and not greater than reserved.broker.max.id (%d)", id, c.ReservedMaxID)
	case !c.GenerateBrokerID && id < 0:
		return fmt.Errorf("broker.id=%d: broker.id must be greater than or equal to 0, since broker.id.generation.enable is false", id)
	}
	return nil
}

func (c *Config) setListeners() (err error) {
	c.Listeners, c.AdvertisedListeners, c.InterBrokerListener, err = listenersOf(c.settings)
	if err == nil {
		c.ControlPlaneListener, err = controlPlaneListener(c.settings, c.AdvertisedListeners, c.InterBrokerListener)
	}
	return err
}

// ControllerListener names the listener on which the controller reaches brokers, and they it.
func (c *Config) ControllerListener() string {
	if c.ControlPlaneListener != "" {
		return c.ControlPlaneListener
	}
	return c.InterBrokerListener
}

func (c *Config) setZooKeeper() error {
	if !c.settings.isSet("zookeeper.connect") || c.ZooKeeperConnect == "" {
		// Never guess: a forgotten line would start a second cluster.
		return errors.New("zookeeper.connect: Missing required configuration `zookeeper.connect` which has no default value; " +
			"name the ZooKeeper servers as host:port, or embedded to run one in this process")
	}
	c.ZooKeeperConnectionTimeout = c.ZooKeeperSessionTimeout
	if ms, ok := c.settings.number("zookeeper.connection.timeout.ms"); ok {
		c.ZooKeeperConnectionTimeout = duration("zookeeper.connection.timeout.ms", ms)
	}
	return nil
}

// ZooKeeperEmbedded reports whether the broker runs its own ZooKeeper.
func (c *Config) ZooKeeperEmbedded() bool { return c.ZooKeeperConnect == EmbeddedZooKeeper }

func (c *Config) setLogDirs() error {
	name, text := "log.dirs", c.settings.text("log.dirs")
	if c.settings.values["log.dirs"] == nil {
		name, text = "log.dir", c.settings.text("log.dir")
	}
	for _, dir := range strings.Split(text, ",") {
		if dir = strings.TrimSpace(dir); dir == "" {
			continue
		}
		if slices.ContainsFunc(c.LogDirs, func(d string) bool { return filepath.Clean(d) == filepath.Clean(dir) }) {
			return fmt.Errorf("%s=%s: Duplicate log directory found: %s; name each once", name, text, dir)
		}
		c.LogDirs = append(c.LogDirs, dir)
	}
	if len(c.LogDirs) == 0 {
		return fmt.Errorf("%s=%s: At least one log directory must be defined via log.dirs or log.dir", name, text)
	}
	c.MoveThreads = int32(len(c.LogDirs))
	if n, ok := c.settings.values["num.replica.alter.log.dirs.threads"].(int32); ok {
		c.MoveThreads = n
	}
	c.EmbeddedZooKeeperDataDir = c.settings.text("embedded.zookeeper.data.dir")
	if c.EmbeddedZooKeeperDataDir == "" {
		c.EmbeddedZooKeeperDataDir = filepath.Join(filepath.Dir(filepath.Clean(c.LogDirs[0])), "zookeeper")
	}
	return nil
}

func (c *Config) setConnectionLimits() error {
	const key = "max.connections.per.ip.overrides"
	c.MaxConnectionsOfIP = map[string]int32{}
	text := c.settings.text(key)
	for _, pair := range splitList(text) {
		host, number, ok := cutLast(pair, ":")
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 32)
		if !ok || err != nil {
			return fmt.Errorf("%s=%s: %q is no host:number", key, text, pair)
		}
		c.MaxConnectionsOfIP[strings.TrimSpace(host)] = int32(n)
	}
	if c.MaxConnectionsPerIP == 0 && len(c.MaxConnectionsOfIP) == 0 {
		return fmt.Errorf("max.connections.per.ip=0: max.connections.per.ip can be set to zero only if %s property is set", key)
	}
	return nil
}

// Get is a setting's value as Kafka shows it, default or not; ok is false where it has none.
func (c *Config) Get(name string) (value string, ok bool) {
	if s := format(c.settings.values[name]); s != nil {
		return *s, true
	}
	return "", false
}
