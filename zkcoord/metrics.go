package zkcoord

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics bear the names that the usual JMX exporter rules give Kafka's.
type metrics struct {
	registerer prometheus.Registerer

	connects, disconnects, expires, authFailures prometheus.Counter
	latency                                      prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "kafka", Subsystem: "server_sessionexpirelistener", Name: name, Help: help,
		})
	}
	m := &metrics{
		registerer:   reg,
		connects:     counter("zookeepersyncconnects_total", "Connections to ZooKeeper that carried a session."),
		disconnects:  counter("zookeeperdisconnects_total", "Connections to ZooKeeper that were lost."),
		expires:      counter("zookeeperexpires_total", "ZooKeeper sessions that expired."),
		authFailures: counter("zookeeperauthfailures_total", "Times that ZooKeeper refused our credentials."),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "kafka", Subsystem: "server_zookeeperclientmetrics", Name: "zookeeperrequestlatencyms",
			Help:    "Milliseconds until ZooKeeper answered a request.",
			Buckets: []float64{0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384},
		}),
	}
	if reg != nil {
		for _, c := range m.collectors() {
			reg.MustRegister(c)
		}
	}
	return m
}

func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.connects, m.disconnects, m.expires, m.authFailures, m.latency}
}

func (m *metrics) unregister() {
	if m.registerer == nil {
		return
	}
	for _, c := range m.collectors() {
		m.registerer.Unregister(c)
	}
}

func (m *metrics) observe(d time.Duration) { m.latency.Observe(float64(d) / float64(time.Millisecond)) }
