package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/sirupsen/logrus"

	"ottla/logdir"
	"ottla/logdir/batch"
	"ottla/logdir/disk"
	"ottla/purgatory"
	"ottla/server/api"
	"ottla/server/config"
	"ottla/server/group"
	"ottla/server/metadata"
	"ottla/server/network"
	"ottla/server/peer"
	"ottla/server/replica"
	"ottla/server/txn"
	"ottla/server/web"
	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
	"ottla/zkcoord/controller"
	"ottla/zkcoord/zkserver"
)

// Broker is one broker. Start it once; Close or Kill ends it for good.
type Broker struct {
	live    *config.Live
	log     *logrus.Logger
	loggers *api.Loggers // of the parts, each with a level that may be changed
	version string
	disk    disk.FS
	listen  func(network, address string) (net.Listener, error)
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	metrics *prometheus.Registry

	id        cluster.BrokerID
	clusterID string
	started   time.Time
	epoch     atomic.Int64 // czxid of our registration, -1 without one

	zookeeper    *zkserver.Server // nil unless embedded
	zk           *zkcoord.Client
	logs         *logdir.Manager
	topics       *topicSettings
	timer        *purgatory.Timer
	metadata     *metadata.Cache
	peers        *peer.Client   // to the controller
	work         sync.WaitGroup // requests to it that are in flight
	changes      isrChanger
	fence        *sessionFence // nil unless leader.fence.on.session.loss
	throttles    throttles
	replicas     *replica.Manager
	hosting      atomic.Bool // replicas is there
	fetchers     *fetchers
	offsets      *offsetsTopic
	groups       *group.Coordinator
	transactions *txn.Coordinator
	verifier     *txnVerifier
	controller   *controller.Controller
	answers      *answers
	features     features
	api          *api.API
	network      *network.Server
	settings     *zkcoord.ConfigChanges
	warned       map[string]bool // settings in ZooKeeper that do nothing
	web          *web.Server

	topicMaker *api.TopicCreator

	// begun are the parts that run, in the order in which they were started.
	begun   []part
	endOnce sync.Once
	ended   error
}

// part is one entry of the start list: what Close and what Kill do to undo it. A nil kill is as close, for a
// part that leaves nothing behind either way.
type part struct {
	name        string
	close, kill func() error
}

func (p part) closed() error { return p.close() }

func (p part) killed() error {
	if p.kill != nil {
		return p.kill()
	}
	return p.close()
}

// New returns a broker that has touched nothing yet.
func New(c *config.Config, opts ...Option) *Broker {
	b := &Broker{
		live: config.NewLive(c), log: logrus.New(), version: "ottla", disk: disk.OS(),
		dial: (&net.Dialer{}).DialContext, metrics: prometheus.NewRegistry(), warned: make(map[string]bool),
	}
	b.epoch.Store(-1)
	for _, opt := range opts {
		opt(b)
	}
	b.loggers = api.NewLoggers(b.log)
	return b
}

// Run starts the broker, waits for the end of ctx and closes it. If ctx ends before the start is complete,
// what was started is closed and the error is ctx's.
func (b *Broker) Run(ctx context.Context) error {
	if err := b.Start(ctx); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-b.zooKeeperEnded():
		return errors.Join(fmt.Errorf("embedded ZooKeeper: %w", b.zookeeper.Err()), b.Close())
	}
	return b.Close()
}

// zooKeeperEnded is closed when the embedded ZooKeeper gives up, as when its disk fails. Without one it
// never is.
func (b *Broker) zooKeeperEnded() <-chan struct{} {
	if b.zookeeper == nil {
		return nil
	}
	return b.zookeeper.Done()
}

// Start brings the broker up: when it returns, clients are served and ZooKeeper shows it as live. If it
// fails, all that it had started is closed. ctx ends the start only.
func (b *Broker) Start(ctx context.Context) error {
	b.started = time.Now()
	// The order is the design: each part finds what it needs running, and nothing is promised to anybody
	// (a registration, an open port that answers) before it can be kept.
	for _, step := range []struct {
		name  string
		start func(context.Context) error
	}{
		// Where the cluster's truth lies. The embedded one is started first, so that all else is as with any other.
		{"embedded ZooKeeper", b.startZooKeeper},
		{"ZooKeeper session", b.connect},
		// Who we are: the id and the cluster that the directories, the settings and ZooKeeper must agree on.
		{"identity", b.identify},
		{"settings from ZooKeeper", b.loadSettings},
		// Every log is loaded and recovered before the broker registers: the controller elects whoever is live.
		{"logs", b.openLogs},
		{"timer", b.startTimer},
		{"replicas", b.startReplicas},
		{"groups", b.startGroups},
		{"transactions", b.startTransactions},
		// Bound before the registration, which names the ports; served after it, when we know our epoch.
		{"listeners", b.bind},
		{"registration", b.join},
		// The controller's first requests may be for this very broker: until it serves, they wait in the accept queue.
		{"controller", b.startController},
		{"serving", b.serve},
		{"settings' changes", b.watchSettings},
		// Who calls Start wants to use the broker: that needs a controller that has told us of the cluster.
		{"cluster metadata", b.awaitMetadata},
		{"features", b.watchFeatures},
		{"web page", b.startWeb},
	} {
		if err := step.start(ctx); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", step.name, err), b.end(part.closed))
		}
	}
	b.log.Infof("Broker %d of cluster %s is up after %v: %s", b.id, b.clusterID, time.Since(b.started).Round(time.Millisecond), b.version)
	return nil
}

// running notes a part that was started.
func (b *Broker) running(name string, close, kill func() error) {
	b.begun = append(b.begun, part{name, close, kill})
}

// Close shuts the broker down: leadership is handed over, requests in work are answered, logs are flushed and
// marked clean. It returns what went wrong; a second call does nothing and returns the same.
func (b *Broker) Close() error {
	return b.end(part.closed)
}

// Kill ends the broker as kill -9 would, for tests: nothing is flushed or handed over, files stay as they are,
// the ZooKeeper session lives on until it expires.
func (b *Broker) Kill() {
	_ = b.end(part.killed)
}

// end undoes the start list, last part first.
func (b *Broker) end(how func(part) error) error {
	b.endOnce.Do(func() {
		var errs []error
		for i := len(b.begun) - 1; i >= 0; i-- {
			p := b.begun[i]
			if err := how(p); err != nil {
				errs = append(errs, fmt.Errorf("close %s: %w", p.name, err))
			}
		}
		b.ended = errors.Join(errs...)
	})
	return b.ended
}

func (b *Broker) startZooKeeper(context.Context) error {
	c := b.live.Static()
	if !c.ZooKeeperEmbedded() {
		return nil
	}
	zk, err := zkserver.Start(zkserver.Options{Address: c.EmbeddedZooKeeperAddress, DataDir: c.EmbeddedZooKeeperDataDir, Log: b.loggers.Named("zookeeper")})
	if err != nil {
		return fmt.Errorf("%w (embedded.zookeeper.address=%s, embedded.zookeeper.data.dir=%s)", err, c.EmbeddedZooKeeperAddress, c.EmbeddedZooKeeperDataDir)
	}
	b.zookeeper = zk
	b.running("embedded ZooKeeper", zk.Close, zk.Kill)
	return nil
}

func (b *Broker) connect(ctx context.Context) error {
	c := b.live.Static()
	address := c.ZooKeeperConnect
	if b.zookeeper != nil {
		address = b.zookeeper.Addr()
	}
	zk, err := zkcoord.Connect(ctx, zkcoord.Options{
		Connect: address, SessionTimeout: c.ZooKeeperSessionTimeout, ConnectionTimeout: c.ZooKeeperConnectionTimeout,
		MaxInFlight: int(c.ZooKeeperMaxInFlight), Log: b.loggers.Named("zkcoord"), Metrics: b.metrics, Dial: b.dial,
	})
	if err != nil {
		return err
	}
	b.zk = zk
	b.running("ZooKeeper session", func() error { zk.Close(); return nil }, func() error { zk.Abandon(); return nil })
	return zk.EnsurePaths(ctx)
}

func (b *Broker) identify(ctx context.Context) (err error) {
	c := b.live.Static()
	known, err := readIdentity(b.disk, c.LogDirs)
	if err != nil {
		return err
	}
	if b.clusterID, err = b.zk.ClusterID(ctx); err != nil {
		return err
	}
	if err := checkCluster(known, b.clusterID, c); err != nil {
		return err
	}
	b.id, err = brokerID(ctx, c, known, b.zk)
	return err
}

func (b *Broker) openLogs(ctx context.Context) error {
	c := b.live.Static()
	notifying, stop := context.WithCancel(context.Background())
	logs, err := logdir.Open(ctx, logdir.Options{
		Dirs: c.LogDirs, FS: b.disk, BrokerID: b.id, ClusterID: b.clusterID,
		Defaults: logConfig(b.live.Current().Topic(nil)), RecoveryThreads: recoveryThreads(b.live.Current()),
		InitialTaskDelay: max(c.InitialLogTaskDelay, time.Millisecond), RetentionCheckInterval: c.RetentionCheckInterval, RecoveryPointCheckpointInterval: c.RecoveryPointCheckpoint,
		LogStartCheckpointInterval: c.LogStartCheckpoint, ProducerIDExpiration: b.live.Current().ProducerIDExpiration,
		ProducerExpiryCheckInterval: c.ProducerExpiryCheckInterval, MinFreeBytes: c.MinFreeBytes,
		Cleaner: cleanerOptions(b.live.Current()), Log: b.loggers.Named("logdir"), Metrics: b.metrics,
		OnDirFailure: func(dir string, err error) { b.dirFailed(notifying, dir, err) },
		OnReturn:     func() { b.partitionsReturned(notifying) },
	}, b.topics.log)
	if err != nil {
		stop()
		return err
	}
	b.logs = logs
	b.running("logs", func() error { stop(); return logs.Close() }, func() error { stop(); logs.Abandon(); return nil })
	return nil
}

// recoveryThreads is how many logs are loaded at once. Kafka's default of one for each directory stands for
// nobody having chosen: then it is one for each core, since a start should take no longer than it must.
func recoveryThreads(c *config.Config) int {
	if n := int(c.RecoveryThreadsPerDataDir); n > 1 {
		return n * len(c.LogDirs)
	}
	return 0
}

func (b *Broker) startTimer(context.Context) error {
	b.timer = purgatory.NewTimer()
	b.running("timer", func() error { b.timer.Close(); return nil }, nil)
	return nil
}

func (b *Broker) startReplicas(context.Context) error {
	c := b.live.Static()
	b.metadata = metadata.New()
	b.peers = b.newPeers(b.id.String(), c.ControllerSocketTimeout, b.loggers.Named("peer"))
	b.running("connections to brokers", func() error { b.peers.Close(); b.work.Wait(); return nil }, nil)
	b.changes = b.startISRChanger()
	b.running("ISR changes", func() error { b.changes.Close(); return nil }, nil)
	b.throttles = b.newThrottles()
	b.throttles.boundBy(b)
	for _, topic := range b.topics.named() {
		b.throttles.topic(b, topic)
	}
	b.fetchers = b.newFetchers()
	if c.FenceOnSessionLoss {
		b.fence = &sessionFence{session: b.zk, epoch: b.epoch.Load, obeyed: func() int64 { return b.replicas.ObeyedUnder() }, log: b.log}
	}
	b.replicas = replica.New(replica.Options{
		ID: b.id, Logs: b.logs, Metadata: b.metadata, Timer: b.timer, BrokerEpoch: b.epoch.Load,
		Config: func() replica.Config {
			c := b.live.Current()
			return replica.Config{
				ReplicaLagTimeMax: c.ReplicaLagTimeMax, HighWatermarkCheckpoint: c.HighWatermarkCheckpoint,
				RackAware: c.ReplicaSelector == config.RackAwareSelector, LongestTransaction: c.TransactionMaxTimeout,
			}
		},
		TopicConfig: b.topics.replication, ISRChanger: b.changes, Fetchers: b.fetchers, Deleted: b.topicsDeleted, MoveThreads: int(c.MoveThreads), Throttle: b.throttles.leader, Fenced: b.fence.check(),
		Log: b.loggers.Named("replica"), Metrics: b.metrics,
	})
	b.hosting.Store(true)
	b.replicas.Start()
	// Killed, it must find no log to write its high watermarks for.
	b.running("replicas", b.replicas.Close, func() error { b.logs.Abandon(); _ = b.replicas.Close(); return nil })
	b.running("fetchers", func() error { b.fetchers.Close(); return nil }, nil)
	return nil
}

// isrChanger brings leaders' wishes for another ISR to where they are granted.
type isrChanger interface {
	replica.ISRChanger
	Close()
}

// startISRChanger chooses who grants them: the controller, or, in clusters of before 2.7, the partition's state itself.
func (b *Broker) startISRChanger() isrChanger {
	c, log := b.live.Static(), b.loggers.Named("isr")
	if c.Protocol < config.Protocol27IV2 {
		return startISRWrites(b.zk, c.ZooKeeperSessionTimeout, log)
	}
	version := func(allHaveIDs bool) int16 { return alterPartitionVersion(c.Protocol, allHaveIDs) }
	return startISRChanges(b.id, b.epoch.Load, b.peers, b.controllerEndpoint, version, log)
}

// controllerEndpoint is where the controller takes requests of brokers.
func (b *Broker) controllerEndpoint() (cluster.Endpoint, bool) {
	s := b.metadata.Snapshot()
	return s.Endpoint(s.ControllerID, b.live.Static().ControllerListener())
}

func (b *Broker) startGroups(context.Context) error {
	c := b.live.Static()
	b.offsets = &offsetsTopic{config: c,
		topicStore: &topicStore{topic: groupsTopic, replicas: b.replicas, metadata: b.metadata, planned: c.OffsetsTopicPartitions}}
	conf := group.DefaultConfig()
	conf.MinSessionTimeout, conf.MaxSessionTimeout = c.GroupMinSessionTimeout, c.GroupMaxSessionTimeout
	conf.InitialRebalanceDelay, conf.MaxSize = c.GroupInitialRebalanceDelay, int(c.GroupMaxSize)
	conf.OffsetMetadataMax, conf.LoadBufferBytes = int(c.OffsetMetadataMaxBytes), int(c.OffsetsLoadBufferBytes)
	conf.OffsetsRetention, conf.RetentionCheckInterval = c.OffsetsRetention, c.OffsetsRetentionCheckInterval
	conf.Compression = batch.Codec(c.OffsetsTopicCompression)
	b.groups = group.New(group.Options{
		Storage: b.offsets, Timer: b.timer, Config: conf, Partitions: b.offsets.partitions,
		Log: b.loggers.Named("group"), Metrics: b.metrics,
	})
	b.running("groups", func() error { b.groups.Close(); return nil }, nil)
	return nil
}

// topicsDeleted forgets what was kept for topics that are being deleted: their groups' offsets, their settings.
func (b *Broker) topicsDeleted(tps []cluster.TopicPartition) {
	b.groups.TopicsDeleted(tps)
	for _, tp := range tps {
		b.topics.forget(tp.Topic)
		b.throttles.forget(tp.Topic)
	}
}

// dirFailed takes the partitions of a failed log directory offline and tells the controller, which moves their
// leaders: as soon as ZooKeeper can be reached, however long that takes, since nobody else would.
func (b *Broker) dirFailed(ctx context.Context, dir string, err error) {
	b.log.Errorf("Log directory %s goes offline: %v", dir, err)
	if !b.hosting.Load() {
		return // the controller will hear of it in the answer to its first LeaderAndIsr
	}
	b.replicas.DirFailed(dir)
	if err := b.zk.NotifyLogDirFailure(ctx, b.id); err != nil {
		b.log.Errorf("Log directory %s: tell the controller: %v", dir, err)
	}
}

// partitionsReturned has the controller ask again for partitions that it was told are offline: by the only word there is, that
// something has happened to this broker's directories.
func (b *Broker) partitionsReturned(ctx context.Context) {
	if !b.hosting.Load() {
		return
	}
	if err := b.zk.NotifyLogDirFailure(ctx, b.id); err != nil {
		b.log.Errorf("Partitions are back: tell the controller: %v", err)
	}
}

func (b *Broker) startWeb(context.Context) error {
	c := b.live.Static()
	if c.WebListener == "" {
		return nil
	}
	b.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	page, err := web.Start(web.Options{
		Address: c.WebListener, Title: fmt.Sprintf("broker %d", b.id), Metrics: b.metrics, Log: b.loggers.Named("web"),
		Listen: b.listen, Health: b.health,
		Parts: []web.Part{
			{Name: "broker", Snapshot: func() any { return b.Snapshot() }},
			{Name: "controller", Snapshot: b.controllerSnapshot},
			{Name: "partitions", Snapshot: func() any { return b.replicas.Snapshot() }},
			{Name: "following", Snapshot: func() any { return b.fetchers.Snapshot() }},
			{Name: "transactions", Snapshot: func() any { return b.transactions.Snapshot() }},
			{Name: "connections", Snapshot: func() any { return b.network.Snapshot() }},
		},
	})
	if err != nil {
		return fmt.Errorf("web.listener=%s: %w", c.WebListener, err)
	}
	b.web = page
	b.running("web page", page.Close, nil)
	b.log.Infof("The broker shows itself at http://%s/", page.Addr())
	return nil
}

// controllerSnapshot is what the controller does and what it waits for, nothing where another broker is it.
func (b *Broker) controllerSnapshot() any {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s, active := b.controller.Snapshot(ctx); active {
		return s
	}
	return nil
}

// Snapshot is the broker as its page shows it.
type Snapshot struct {
	ID         cluster.BrokerID `json:"id"`
	Cluster    string           `json:"cluster"`
	Version    string           `json:"version"`
	Epoch      int64            `json:"epoch,string"` // beyond what a page's numbers hold exactly
	Up         string           `json:"up"`
	Listeners  string           `json:"listeners"`
	Controller cluster.BrokerID `json:"controller"`
	Topics     int              `json:"topics"`
	LogDirs    string           `json:"log_dirs"`
	Process    int              `json:"process,string"`
}

// Snapshot tells what the broker is and how it stands.
func (b *Broker) Snapshot() Snapshot {
	s := b.metadata.Snapshot()
	return Snapshot{
		ID: b.id, Cluster: b.clusterID, Version: b.version, Epoch: b.epoch.Load(), Up: time.Since(b.started).Round(time.Second).String(),
		Listeners: strings.Join(b.advertised(), ", "), Controller: s.ControllerID, Topics: len(s.TopicNames()),
		LogDirs: strings.Join(b.logs.LiveDirs(), ", "), Process: os.Getpid(),
	}
}

// Metadata is the cluster as the controller has told this broker of it. It is there once the broker has
// started.
func (b *Broker) Metadata() *metadata.Snapshot { return b.metadata.Snapshot() }

// Addr is where the named listener is bound, host:port.
func (b *Broker) Addr(listener string) string {
	if addr, ok := b.network.Addrs()[listener]; ok {
		return addr.String()
	}
	return ""
}

// ID is broker.id, or the one that was made for it. It is known once the broker has started.
func (b *Broker) ID() cluster.BrokerID { return b.id }
