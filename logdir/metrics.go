package logdir

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of Apache Kafka's LogManager and LogCleaner, as the usual JMX exporter prints their names.
type metrics struct {
	offlineDirs prometheus.Gauge
	recovered   prometheus.Counter
	quarantined prometheus.Gauge
	fullDirs    prometheus.Gauge
	lowDirs     prometheus.Gauge
	offline     *prometheus.GaugeVec
	moved       prometheus.Counter

	recopied         prometheus.Gauge
	bufferUse        prometheus.Gauge
	cleanSeconds     prometheus.Gauge
	compactionDelay  prometheus.Gauge
	deadThreads      prometheus.Gauge
	maxDirty         prometheus.Gauge
	lastRun          prometheus.Gauge
	uncleanable      *prometheus.GaugeVec
	uncleanableBytes *prometheus.GaugeVec
	cleanedBytes     prometheus.Counter
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
}

func byDir(name, help string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"logDirectory"})
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		offlineDirs: gauge("kafka_log_logmanager_offlinelogdirectorycount", "Log directories that have failed."),
		recovered: prometheus.NewCounter(prometheus.CounterOpts{Name: "ottla_log_recovered_bytes_total",
			Help: "Bytes of segments checked at start after an unclean shutdown."}),
		quarantined: gauge("ottla_log_quarantined_partitions", "Partitions that could not be loaded and are kept away from the others."),
		fullDirs:    gauge("ottla_log_full_directories", "Log directories in which a write has found no space."),
		lowDirs:     gauge("ottla_log_low_space_directories", "Log directories with less space than storage.min.free.bytes, which take no records of clients."),
		offline:     byDir("kafka_log_logmanager_logdirectoryoffline", "1 for a log directory that has failed, else 0."),
		moved: prometheus.NewCounter(prometheus.CounterOpts{Name: "ottla_log_moved_bytes_total",
			Help: "Bytes of records copied from one log directory to another, where their log moves."}),

		recopied:         gauge("kafka_log_logcleaner_cleaner_recopy_percent", "How much of what the last cleaning read it wrote again."),
		bufferUse:        gauge("kafka_log_logcleaner_max_buffer_utilization_percent", "How full the last cleaning's map of keys was."),
		cleanSeconds:     gauge("kafka_log_logcleaner_max_clean_time_secs", "How long the last cleaning took."),
		compactionDelay:  gauge("kafka_log_logcleaner_max_compaction_delay_secs", "For how long a record has waited beyond max.compaction.lag.ms."),
		deadThreads:      gauge("kafka_log_logcleaner_deadthreadcount", "Cleaners that have died. They do not."),
		maxDirty:         gauge("kafka_log_logcleanermanager_max_dirty_percent", "The largest share of a log that was not cleaned yet."),
		lastRun:          gauge("ottla_log_cleaner_last_run_timestamp_seconds", "When the cleaners last looked for something to clean."),
		uncleanable:      byDir("kafka_log_logcleanermanager_uncleanable_partitions_count", "Partitions that are not compacted any more."),
		uncleanableBytes: byDir("kafka_log_logcleanermanager_uncleanable_bytes", "Bytes of the partitions that are not compacted any more."),
		cleanedBytes: prometheus.NewCounter(prometheus.CounterOpts{Name: "ottla_log_cleaner_read_bytes_total",
			Help: "Bytes that cleaners have read."}),
	}
	if reg != nil {
		reg.MustRegister(m.offlineDirs, m.recovered, m.quarantined, m.fullDirs, m.lowDirs, m.offline, m.moved, m.recopied, m.bufferUse, m.cleanSeconds, m.compactionDelay,
			m.deadThreads, m.maxDirty, m.lastRun, m.uncleanable, m.uncleanableBytes, m.cleanedBytes)
	}
	return m
}

func (m *metrics) cleanerRan(now int64) { m.lastRun.Set(float64(now) / 1000) }

func (m *metrics) dirtiest(ratio float64, overdueMillis int64) {
	m.maxDirty.Set(100 * ratio)
	m.compactionDelay.Set(float64(overdueMillis) / 1000)
}

func (m *metrics) cleaned(k *cleaning, took time.Duration) {
	m.recopied.Set(100 * float64(k.written) / float64(max(k.read, 1)))
	m.bufferUse.Set(k.keys.utilization())
	m.cleanSeconds.Set(took.Seconds())
	m.cleanedBytes.Add(float64(k.read))
}

// countUncleanable tells the metrics of the partitions that are not compacted any more.
func (m *Manager) countUncleanable() {
	count, bytes := map[*logDir]int{}, map[*logDir]int64{}
	for _, l := range m.Logs() {
		if l.uncleanable.Load() != nil {
			count[l.dir]++
			bytes[l.dir] += l.Size()
		}
	}
	for _, d := range m.dirs {
		m.metrics.uncleanable.WithLabelValues(d.path).Set(float64(count[d]))
		m.metrics.uncleanableBytes.WithLabelValues(d.path).Set(float64(bytes[d]))
	}
}
