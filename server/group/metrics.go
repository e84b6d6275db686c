package group

import (
	"github.com/prometheus/client_golang/prometheus"

	"ottla/server/statetopic"
)

// metrics are those of Kafka's GroupMetadataManager and group-coordinator-metrics.
type metrics struct {
	registry   prometheus.Registerer
	collectors []prometheus.Collector

	commits, expirations, deletions, rebalances prometheus.Counter
	loads                                       *statetopic.LoadTimes
}

const (
	managerMetrics     = "kafka_coordinator_group_groupmetadatamanager_"
	coordinatorMetrics = "kafka_server_group_coordinator_metrics_"
)

func newMetrics(c *Coordinator, registry prometheus.Registerer) *metrics {
	m := &metrics{registry: registry,
		commits:     counter("offset_commit_count", "Offsets written to __consumer_offsets."),
		expirations: counter("offset_expiration_count", "Offsets removed because their time was over."),
		deletions:   counter("offset_deletion_count", "Offsets removed by OffsetDelete."),
		rebalances:  counter("group_completed_rebalance_count", "Assignments handed in by leaders."),
		loads:       statetopic.NewLoadTimes(coordinatorMetrics),
	}
	m.collectors = []prometheus.Collector{m.commits, m.expirations, m.deletions, m.rebalances, m.loads, &census{c}}
	if registry != nil {
		for _, collector := range m.collectors {
			// A second coordinator on one registry, as tests may have, goes without metrics.
			_ = registry.Register(collector)
		}
	}
	return m
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: coordinatorMetrics + name, Help: help})
}

func sendGauge(ch chan<- prometheus.Metric, name, help string, value float64) {
	ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, nil), prometheus.GaugeValue, value)
}

func (m *metrics) unregister() {
	if m.registry == nil {
		return
	}
	for _, collector := range m.collectors {
		m.registry.Unregister(collector)
	}
}

// census counts groups by state when it is asked: one walk over the groups for all of its numbers.
type census struct{ c *Coordinator }

// Describe is part of prometheus.Collector.
func (k *census) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(k, ch) }

// Collect is part of prometheus.Collector.
func (k *census) Collect(ch chan<- prometheus.Metric) {
	groups, _ := k.c.owned.All()
	var byState [states]int
	offsets := 0
	for _, g := range groups {
		g.mu.Lock()
		byState[g.mu.state]++
		offsets += len(g.mu.offsets.committed)
		g.mu.Unlock()
	}
	gauge := func(name, help string, value int) { sendGauge(ch, managerMetrics+name, help, float64(value)) }
	gauge("numgroups", "Groups this broker coordinates.", len(groups))
	gauge("numoffsets", "Committed offsets of these groups.", offsets)
	gauge("numgroupsempty", "Groups in state Empty.", byState[empty])
	gauge("numgroupspreparingrebalance", "Groups in state PreparingRebalance.", byState[preparingRebalance])
	gauge("numgroupscompletingrebalance", "Groups in state CompletingRebalance.", byState[completingRebalance])
	gauge("numgroupsstable", "Groups in state Stable.", byState[stable])
	gauge("numgroupsdead", "Groups in state Dead.", byState[dead])
}
