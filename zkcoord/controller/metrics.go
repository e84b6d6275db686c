package controller

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics bear the names that the usual JMX exporter rules give Kafka's.
type metrics struct {
	registerer prometheus.Registerer
	collectors []prometheus.Collector

	elections, uncleanElections prometheus.Counter
	events                      *prometheus.HistogramVec

	topics, partitions, offline, imbalance, deleting, brokers prometheus.Gauge
}

func newMetrics(c *Controller, reg prometheus.Registerer) *metrics {
	m := &metrics{registerer: reg}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "kafka", Subsystem: "controller_kafkacontroller", Name: name, Help: help})
		m.collectors = append(m.collectors, g)
		return g
	}
	counter := func(name, help string) prometheus.Counter {
		n := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "kafka", Subsystem: "controller_controllerstats", Name: name, Help: help})
		m.collectors = append(m.collectors, n)
		return n
	}
	m.topics = gauge("globaltopiccount", "Topics, as the active controller knows them.")
	m.partitions = gauge("globalpartitioncount", "Partitions, as the active controller knows them.")
	m.offline = gauge("offlinepartitionscount", "Partitions that nobody leads.")
	m.imbalance = gauge("preferredreplicaimbalancecount", "Partitions that another than the preferred replica leads.")
	m.deleting = gauge("topicstodeletecount", "Topics that wait for their deletion.")
	m.brokers = gauge("activebrokercount", "Live brokers, as the active controller knows them.")
	m.elections = counter("leaderelections_total", "Leaders that were elected.")
	m.uncleanElections = counter("uncleanleaderelections_total", "Leaders that were elected without being in sync.")
	m.events = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "kafka", Subsystem: "controller_controllerstats", Name: "eventtimems",
		Help:    "Milliseconds that the controller spent on an event.",
		Buckets: []float64{1, 4, 16, 64, 256, 1024, 4096, 16384},
	}, []string{"event"})
	m.collectors = append(m.collectors, m.events,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "kafka", Subsystem: "controller_kafkacontroller", Name: "activecontrollercount", Help: "1 on the controller, 0 elsewhere.",
		}, func() float64 {
			if c.Active() {
				return 1
			}
			return 0
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "kafka", Subsystem: "controller_controllereventmanager", Name: "eventqueuesize", Help: "Events that wait for the controller.",
		}, func() float64 { return float64(c.queue.len()) }))
	if reg != nil {
		for _, col := range m.collectors {
			reg.MustRegister(col)
		}
	}
	return m
}

func (m *metrics) observe(event string, d time.Duration) {
	m.events.WithLabelValues(event).Observe(float64(d) / float64(time.Millisecond))
}

// note counts what the controller knows; it costs a walk over all partitions.
func (m *metrics) note(s *state) {
	partitions, offline, imbalance := 0, 0, 0
	for _, t := range s.topics {
		for _, p := range t.partitions {
			partitions++
			switch {
			case s.isDeleting(t.name):
			case !p.led || !s.online(p, p.state.Leader):
				offline++
			case !prefersItsLeader(p):
				imbalance++
			}
		}
	}
	m.topics.Set(float64(len(s.topics)))
	m.partitions.Set(float64(partitions))
	m.offline.Set(float64(offline))
	m.imbalance.Set(float64(imbalance))
	m.deleting.Set(float64(len(s.deleting)))
	m.brokers.Set(float64(len(s.brokers)))
}

// forget sets to zero what only the controller knows.
func (m *metrics) forget() { m.note(newState()) }

func (m *metrics) unregister() {
	if m.registerer == nil {
		return
	}
	for _, col := range m.collectors {
		m.registerer.Unregister(col)
	}
}
