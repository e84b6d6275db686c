package txn

import (
	"github.com/prometheus/client_golang/prometheus"

	"ottla/server/statetopic"
)

// metrics are those of Kafka's transaction-coordinator-metrics and TransactionMarkerChannelManager, and what Kafka does not
// tell: the transactional ids by state, and how many transactions have ended.
type metrics struct {
	registry   prometheus.Registerer
	collectors []prometheus.Collector
	loads      *statetopic.LoadTimes
	ends       *prometheus.CounterVec
}

const (
	coordinatorMetrics = "kafka_server_transaction_coordinator_metrics_"
	markerMetrics      = "kafka_coordinator_transaction_transactionmarkerchannelmanager_"
)

func newMetrics(c *Coordinator, registry prometheus.Registerer) *metrics {
	m := &metrics{registry: registry, loads: statetopic.NewLoadTimes(coordinatorMetrics)}
	m.ends = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ottla_transactions_ended_total",
		Help: "Transactions whose markers are all written."}, []string{"result"})
	m.collectors = []prometheus.Collector{m.loads, m.ends, &census{c}}
	if registry != nil {
		registry.MustRegister(m.collectors...)
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
	for _, c := range m.collectors {
		m.registry.Unregister(c)
	}
}

func sendGauge(ch chan<- prometheus.Metric, name, help string, value float64) {
	ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, nil), prometheus.GaugeValue, value)
}

// census counts when it is asked: the transactional ids by state, and what waits to be tried again.
type census struct{ c *Coordinator }

// Describe is part of prometheus.Collector.
func (k *census) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(k, ch) }

// Collect is part of prometheus.Collector.
func (k *census) Collect(ch chan<- prometheus.Metric) {
	all, _ := k.c.owned.All()
	var byState [PrepareEpochFence]int
	for _, t := range all {
		t.mu.Lock()
		byState[t.mu.state]++
		t.mu.Unlock()
	}
	states := prometheus.NewDesc("ottla_transactional_ids", "Transactional ids that this broker coordinates.", []string{"state"}, nil)
	for s, n := range byState {
		ch <- prometheus.MustNewConstMetric(states, prometheus.GaugeValue, float64(n), State(s).String())
	}
	leaderless, unwritten := k.c.markers.waiting()
	sendGauge(ch, markerMetrics+"unknowndestinationqueuesize", "Writes of markers that are to be tried again.", float64(leaderless))
	sendGauge(ch, markerMetrics+"logappendretryqueuesize", "Transactions whose markers are written, and their end is to be tried again.", float64(unwritten))
}
