package logdir

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"ottla/logdir/disk"
	"ottla/zkcoord/cluster"
)

// Options of a Manager. Names in comments are Kafka's broker settings. Periods that are not positive
// mean never.
type Options struct {
	Dirs      []string // log.dirs
	FS        disk.FS  // nil is the real one
	BrokerID  cluster.BrokerID
	ClusterID string
	// Defaults are the settings of topics that Open's topicConfig, or nil, has nothing for.
	Defaults Config
	// RecoveryThreads is how many logs are loaded at once; zero means one for each core.
	RecoveryThreads int
	// InitialTaskDelay is when retention and the checkpoints are first seen to (log.initial.task.delay.ms); zero is after their period.
	InitialTaskDelay                time.Duration
	RetentionCheckInterval          time.Duration // log.retention.check.interval.ms
	RecoveryPointCheckpointInterval time.Duration // log.flush.offset.checkpoint.interval.ms
	LogStartCheckpointInterval      time.Duration // log.flush.start.offset.checkpoint.interval.ms
	ProducerIDExpiration            time.Duration // producer.id.expiration.ms, see SetProducerIDExpiration; zero is a day
	ProducerExpiryCheckInterval     time.Duration // producer.id.expiration.check.interval.ms; zero is ten minutes
	Cleaner                         CleanerOptions
	// MinFreeBytes is how much of each directory's file system is kept from clients' records
	// (storage.min.free.bytes); zero is nothing.
	MinFreeBytes int64
	// MaxOpenFiles is how many files of segments are kept open at once; zero is 4096, or half of what the process may have open
	// if that is less: connections need the others.
	MaxOpenFiles int
	Log          logrus.FieldLogger
	Metrics      prometheus.Registerer // may be nil
	// OnDirFailure hears, once for each, of directories that have failed. It is called on a goroutine
	// of its own, with no lock held. Close waits for it, so it may not itself call Close.
	OnDirFailure func(dir string, err error)
	// OnReturn hears that partitions which had been kept offline, since their disk was full, are there again. It is called as
	// OnDirFailure is.
	OnReturn func()
}

func (o *Options) fill() {
	if o.FS == nil {
		o.FS = disk.OS()
	}
	if o.RecoveryThreads <= 0 {
		o.RecoveryThreads = runtime.NumCPU()
	}
	if o.ProducerIDExpiration <= 0 {
		o.ProducerIDExpiration = 24 * time.Hour
	}
	if o.ProducerExpiryCheckInterval <= 0 {
		o.ProducerExpiryCheckInterval = 10 * time.Minute
	}
	if o.MaxOpenFiles <= 0 {
		o.MaxOpenFiles = min(4096, max(disk.OpenFileLimit()/2, 1))
	}
	if o.Defaults == (Config{}) {
		o.Defaults = DefaultConfig()
	}
}
