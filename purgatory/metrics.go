package purgatory

import "github.com/prometheus/client_golang/prometheus"

// metrics are the two gauges of kafka.server:type=DelayedOperationPurgatory.
type metrics struct {
	registry prometheus.Registerer
	gauges   []prometheus.Collector
}

func (m *metrics) register(name string, registry prometheus.Registerer, watched, pending func() int) {
	if registry == nil {
		return
	}
	m.registry = registry
	for metric, value := range map[string]func() int{"purgatorysize": watched, "numdelayedoperations": pending} {
		gauge := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "kafka_server_delayedoperationpurgatory_" + metric,
			Help:        "Waiting operations: the size counts each key, the number each operation once.",
			ConstLabels: prometheus.Labels{"delayedOperation": name},
		}, func() float64 { return float64(value()) })
		if registry.Register(gauge) == nil {
			m.gauges = append(m.gauges, gauge)
		}
	}
}

func (m *metrics) unregister() {
	for _, gauge := range m.gauges {
		m.registry.Unregister(gauge)
	}
}
