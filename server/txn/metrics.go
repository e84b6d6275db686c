package txn

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the coordinator's numbers, with the names that the usual JMX exporter gives Kafka's.
type metrics struct {
	registry prometheus.Registerer
	all      []prometheus.Collector
	loads    loadTimes
	ends     *prometheus.CounterVec
}

type loadTimes struct{ prometheus.Histogram }

func (l loadTimes) add(took time.Duration) { l.Observe(took.Seconds()) }

func newMetrics(c *Coordinator, registry prometheus.Registerer) *metrics {
	m := &metrics{registry: registry}
	m.loads = loadTimes{prometheus.NewHistogram(prometheus.HistogramOpts{Name: "kafka_server_transaction_coordinator_partition_load_time_seconds",
		Help: "How long the transactional ids of a partition took to load.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8)})}
	m.ends = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "kafka_coordinator_transaction_ended_total",
		Help: "Transactions whose markers are all written."}, []string{"result"})
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "kafka_coordinator_transaction_transactionmarkerchannelmanager_unknowndestinationqueuesize",
		Help: "Writes of markers that are to be tried again."}, func() float64 {
		c.markers.mu.Lock()
		defer c.markers.mu.Unlock()
		return float64(len(c.markers.mu.again))
	})
	m.all = []prometheus.Collector{m.loads, m.ends, waiting}
	if registry != nil {
		registry.MustRegister(m.all...)
	}
	return m
}

func (m *metrics) ended(commit bool) {
	result := "abort"
	if commit {
		result = "commit"
	}
	m.ends.WithLabelValues(result).Inc()
}

func (m *metrics) unregister() {
	if m.registry == nil {
		return
	}
	for _, c := range m.all {
		m.registry.Unregister(c)
	}
}
