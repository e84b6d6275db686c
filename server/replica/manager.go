package replica

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"ottla/logdir"
	"ottla/purgatory"
	"ottla/server/metadata"
	"ottla/zkcoord/cluster"
)

// Config is what may change while the broker runs. Zero values stand for Kafka's defaults.
type Config struct {
	// ReplicaLagTimeMax is how long a follower may go without having reached the log's end before it
	// leaves the ISR (replica.lag.time.max.ms, 30 s).
	ReplicaLagTimeMax time.Duration
	// HighWatermarkCheckpoint is how often the high watermarks are written down
	// (replica.high.watermark.checkpoint.interval.ms, 5 s).
	HighWatermarkCheckpoint time.Duration
	// RackAware sends consumers that name their rack to a follower there (replica.selector.class is Kafka's
	// RackAwareReplicaSelector).
	RackAware bool
	// LongestTransaction is how long a transaction may be open (transaction.max.timeout.ms, 15 min).
	LongestTransaction time.Duration
}

func (c Config) withDefaults() Config {
	if c.ReplicaLagTimeMax <= 0 {
		c.ReplicaLagTimeMax = 30 * time.Second
	}
	if c.HighWatermarkCheckpoint <= 0 {
		c.HighWatermarkCheckpoint = 5 * time.Second
	}
	if c.LongestTransaction <= 0 {
		c.LongestTransaction = 15 * time.Minute
	}
	return c
}

// TopicConfig is what the replication of a topic obeys; its logs have their own settings in package logdir.
type TopicConfig struct {
	// MinInsyncReplicas is min.insync.replicas. Less than 1 counts as 1.
	MinInsyncReplicas int
}

// ISRChanger brings a leader's wish for another ISR before the controller (AlterPartition).
type ISRChanger interface {
	// AlterPartition asks for the ISR of want, which also names the leader's epoch and the partition epoch that it
	// knows. The answer is the state that the controller wrote, or an error code of the protocol; -1 for a
	// request that found no controller. It is given once, from any goroutine; AlterPartition itself does not block.
	AlterPartition(tp cluster.TopicPartition, id cluster.TopicID, want cluster.LeaderAndISR,
		answer func(granted cluster.LeaderAndISR, code int16))
}

// Throttle is the quota of replication for leaders.
type Throttle interface {
	// Throttled reports whether a partition's replicas are throttled here, Delay how long they have to wait, 0 if they need not.
	Throttled(tp cluster.TopicPartition) bool
	Delay() time.Duration
	// Record counts bytes of throttled replicas that were sent.
	Record(bytes int)
}

// Following is what a fetcher must know to copy a leader's records.
type Following struct {
	cluster.TopicPartition
	TopicID cluster.TopicID
	// Leader is cluster.NoBroker while nobody leads: then there is nothing to copy, and what was copied before
	// ends.
	Leader      cluster.BrokerID
	LeaderEpoch int32
	// Offset is where to fetch from, LastEpoch the epoch of the record before it or -1: the leader answers with
	// the diverging epoch if it disagrees.
	Offset    int64
	LastEpoch int32
}

// Fetchers copy the records of the partitions that this broker follows.
type Fetchers interface {
	// AddPartitions starts copying. A partition that is copied already goes on under its new leader and epoch.
	AddPartitions(parts []Following)
	// RemovePartitions returns when nothing is copied into these partitions any more.
	RemovePartitions(tps []cluster.TopicPartition)
}

// Options are the parts that a Manager works with.
type Options struct {
	ID       cluster.BrokerID
	Logs     *logdir.Manager
	Metadata *metadata.Cache
	Timer    *purgatory.Timer
	// BrokerEpoch is the epoch of this broker's registration; requests meant for an earlier one are refused. Nil
	// refuses none.
	BrokerEpoch func() int64
	// Config and TopicConfig may be nil for the defaults. TopicConfig is asked when a partition comes;
	// later changes come through Reconfigure.
	Config      func() Config
	TopicConfig func(topic string) TopicConfig
	ISRChanger  ISRChanger
	// Fetchers may be nil: then nobody copies what this broker follows.
	Fetchers Fetchers
	// Fenced, if not nil, tells whether this broker may have been replaced as a leader without knowing, so that it has to take no records
	// (leader.fence.on.session.loss).
	Fenced func() bool
	// Throttle bounds what followers are sent that are not in sync. Nil bounds nothing.
	Throttle Throttle
	// MoveThreads is how many logs are copied between directories at a time; less than one counts as one.
	MoveThreads int
	// Deleted, if not nil, is told of partitions whose topic is being deleted, after each UpdateMetadata.
	Deleted func([]cluster.TopicPartition)
	Log     logrus.FieldLogger
	Metrics prometheus.Registerer
}

// Manager is all partitions of this broker, and the requests that wait for them.
type Manager struct {
	options Options
	id      cluster.BrokerID
	logs    *logdir.Manager
	cache   *metadata.Cache
	log     logrus.FieldLogger
	isrNews isrNews
	metrics *metrics

	produces  *purgatory.Purgatory[cluster.TopicPartition]
	fetches   *purgatory.Purgatory[cluster.TopicPartition]
	deletions *purgatory.Purgatory[cluster.TopicPartition]
	copying   chan struct{} // holds one for each move that is copying a slice

	// controller is held through each of the controller's requests, which are worked off one after another.
	controller struct {
		sync.Mutex
		epoch int32 // the newest controller's; requests of older ones are refused
		// written has the high watermarks that were written down before this start, of partitions of which no LeaderAndIsr has
		// come since: see lostTail.
		written map[cluster.TopicPartition]int64
	}
	obeyed atomic.Int64 // see ObeyedUnder

	mu struct {
		sync.RWMutex
		partitions map[cluster.TopicPartition]*Partition
	}

	ctx       context.Context // ends with Close
	stop      context.CancelFunc
	wg        sync.WaitGroup
	closeOnce sync.Once
	closeErr  error
	started   atomic.Bool
	// named is closed by nameOnce when the controller has told for the first time what to host.
	named    chan struct{}
	nameOnce sync.Once
}

// New returns a Manager that hosts nothing until a LeaderAndIsr comes.
func New(o Options) *Manager {
	if o.BrokerEpoch == nil {
		o.BrokerEpoch = func() int64 { return -1 }
	}
	if o.Config == nil {
		o.Config = func() Config { return Config{} }
	}
	if o.TopicConfig == nil {
		o.TopicConfig = func(string) TopicConfig { return TopicConfig{} }
	}
	if o.Log == nil {
		o.Log = logrus.StandardLogger()
	}
	m := &Manager{
		options: o, id: o.ID, logs: o.Logs, cache: o.Metadata, log: o.Log,
		produces:  purgatory.New[cluster.TopicPartition]("Produce", o.Timer, o.Metrics),
		fetches:   purgatory.New[cluster.TopicPartition]("Fetch", o.Timer, o.Metrics),
		deletions: purgatory.New[cluster.TopicPartition]("DeleteRecords", o.Timer, o.Metrics),
	}
	m.isrNews.log = m.log
	m.named = make(chan struct{})
	m.copying = make(chan struct{}, max(1, o.MoveThreads))
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.mu.partitions = make(map[cluster.TopicPartition]*Partition)
	m.controller.epoch, m.controller.written = -1, o.Logs.HighWatermarks()
	m.obeyed.Store(-1)
	m.metrics = newMetrics(m, o.Metrics)
	return m
}

// Start begins what runs by the clock: the ISRs are checked, the high watermarks written down. Moves between log
// directories that were interrupted go on.
func (m *Manager) Start() {
	if m.started.Swap(true) {
		return
	}
	m.wg.Go(m.checkISRs)
	m.wg.Go(m.checkpointHighWatermarks)
	m.wg.Go(m.reportStrays)
	for _, mv := range m.logs.Moves() { // those that the last run has left
		m.startMover(mv)
	}
}

// Close ends what Start began and writes the high watermarks down once more. Requests that wait are
// left to their time-outs. It must come before the logs are closed.
func (m *Manager) Close() error {
	m.closeOnce.Do(func() {
		m.stop()
		m.wg.Wait()
		m.isrNews.close()
		m.produces.Close()
		m.fetches.Close()
		m.deletions.Close()
		m.metrics.unregister()
		if err := m.logs.CheckpointHighWatermarks(); err != nil {
			m.closeErr = fmt.Errorf("write the high watermarks: %w", err)
		}
	})
	return m.closeErr
}

// Partition finds a partition that this broker hosts. ErrNotLeader sends a client for fresh metadata where the
// cluster has the partition elsewhere; ErrUnknownPartition says that it is nowhere.
func (m *Manager) Partition(tp cluster.TopicPartition) (*Partition, error) {
	p, ok := m.hosted(tp)
	if !ok {
		if _, known := m.cache.Snapshot().Partition(tp); known {
			return nil, ErrNotLeader
		}
		return nil, ErrUnknownPartition
	}
	if p.mu.reign.Load().offline() {
		return nil, ErrStorage
	}
	return p, nil
}

func (m *Manager) hosted(tp cluster.TopicPartition) (*Partition, bool) {
	m.mu.RLock()
	p, ok := m.mu.partitions[tp]
	m.mu.RUnlock()
	return p, ok
}

// Partitions are all that this broker hosts, in no order, those on failed disks included.
func (m *Manager) Partitions() []*Partition {
	m.mu.RLock()
	defer m.mu.RUnlock()
	all := make([]*Partition, 0, len(m.mu.partitions))
	for _, p := range m.mu.partitions {
		all = append(all, p)
	}
	return all
}

// Reconfigure puts a topic's changed settings in force.
func (m *Manager) Reconfigure(topic string, c TopicConfig) {
	for _, p := range m.Partitions() {
		if p.tp.Topic == topic {
			p.setMinISR(c.MinInsyncReplicas)
		}
	}
}

// DirFailed takes the partitions of a log directory out of service. They answer ErrStorage until the controller
// asks for them again and their log is back.
func (m *Manager) DirFailed(dir string) {
	m.controller.Lock()
	defer m.controller.Unlock()
	m.abandonMoves(dir)
	var gone []cluster.TopicPartition
	for _, p := range m.Partitions() {
		if p.goOfflineIf(func(l *logdir.Log) bool { return l.Dir() == dir }) {
			gone = append(gone, p.tp)
		}
	}
	m.removeFetchers(gone)
	for _, tp := range gone {
		m.checkAll(tp)
	}
	if len(gone) > 0 {
		m.log.Errorf("%s failed: %d partitions are offline", dir, len(gone))
	}
}

// checkAll lets everything that waits for a partition look again. Call it with no lock held but
// Manager.controller, which no operation takes.
func (m *Manager) checkAll(tp cluster.TopicPartition) {
	check(m.produces, tp)
	check(m.fetches, tp)
	check(m.deletions, tp)
}

// check spares the look-up when nobody waits for anything. That loses no wake-up: an operation is counted before it
// tries for the second time, so one that is not counted yet will see what we have changed.
func check(p *purgatory.Purgatory[cluster.TopicPartition], tp cluster.TopicPartition) {
	if p.Watched() > 0 {
		p.Check(tp)
	}
}

func (m *Manager) addFetchers(parts []Following) {
	if len(parts) > 0 && m.options.Fetchers != nil {
		m.options.Fetchers.AddPartitions(parts)
	}
}

func (m *Manager) removeFetchers(tps []cluster.TopicPartition) {
	if len(tps) > 0 && m.options.Fetchers != nil {
		m.options.Fetchers.RemovePartitions(tps)
	}
}
