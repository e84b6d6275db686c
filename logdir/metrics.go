package logdir

import "github.com/prometheus/client_golang/prometheus"

// metrics are those of Apache Kafka's LogManager, as the usual JMX exporter prints their names.
type metrics struct {
	offlineDirs prometheus.Gauge
	recovered   prometheus.Counter
	quarantined prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		offlineDirs: prometheus.NewGauge(prometheus.GaugeOpts{Name: "kafka_log_logmanager_offlinelogdirectorycount",
			Help: "Log directories that have failed."}),
		recovered: prometheus.NewCounter(prometheus.CounterOpts{Name: "ottla_log_recovered_bytes_total",
			Help: "Bytes of segments checked at start after an unclean shutdown."}),
		quarantined: prometheus.NewGauge(prometheus.GaugeOpts{Name: "ottla_log_quarantined_partitions",
			Help: "Partitions that could not be loaded and are kept away from the others."}),
	}
	if reg != nil {
		reg.MustRegister(m.offlineDirs, m.recovered, m.quarantined)
	}
	return m
}
