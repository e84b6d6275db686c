package network

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are named as the usual rules of the JMX exporter print kafka.server:type=socket-server-metrics.
type metrics struct {
	connections *prometheus.GaugeVec
	created     *prometheus.CounterVec
	closed      *prometheus.CounterVec
	expired     *prometheus.CounterVec
	bytesIn     *prometheus.CounterVec
	bytesOut    *prometheus.CounterVec
	requests    *prometheus.CounterVec
	responses   *prometheus.CounterVec
	queuedBytes prometheus.GaugeFunc
	apis        *requestMetrics
}

// listenerMetrics are the metrics of one listener.
type listenerMetrics struct {
	connections         prometheus.Gauge
	created, ended      prometheus.Counter
	expired             prometheus.Counter
	bytesIn, bytesOut   prometheus.Counter
	requests, responses prometheus.Counter
	apis                *requestMetrics // of all listeners together
}

func newMetrics(s *Server) *metrics {
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "kafka_server_socket_server_metrics_" + name, Help: help}, []string{"listener"})
	}
	return &metrics{
		connections: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "kafka_server_socket_server_metrics_connection_count", Help: "Connections open now.",
		}, []string{"listener"}),
		created:   counter("connection_creation_total", "Connections accepted."),
		closed:    counter("connection_close_total", "Connections ended."),
		expired:   counter("expired_connections_killed_count", "Connections closed because nothing moved on them."),
		bytesIn:   counter("incoming_byte_total", "Bytes of requests."),
		bytesOut:  counter("outgoing_byte_total", "Bytes of answers."),
		requests:  counter("request_total", "Requests received."),
		responses: counter("response_total", "Answers sent."),
		queuedBytes: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "kafka_network_socketserver_memorypoolused", Help: "Bytes of requests in work, if queued.max.request.bytes is set.",
		}, func() float64 { return float64(s.budget.used.Load()) }),
		apis: newRequestMetrics(s.options.APIName),
	}
}

func (m *metrics) listener(name string) *listenerMetrics {
	return &listenerMetrics{
		connections: m.connections.WithLabelValues(name),
		created:     m.created.WithLabelValues(name),
		ended:       m.closed.WithLabelValues(name),
		expired:     m.expired.WithLabelValues(name),
		bytesIn:     m.bytesIn.WithLabelValues(name),
		bytesOut:    m.bytesOut.WithLabelValues(name),
		requests:    m.requests.WithLabelValues(name),
		responses:   m.responses.WithLabelValues(name),
		apis:        m.apis,
	}
}

func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.connections, m.created, m.closed, m.expired, m.bytesIn, m.bytesOut, m.requests, m.responses, m.queuedBytes, m.apis}
}

func (m *metrics) register(reg prometheus.Registerer) error {
	if reg == nil {
		return nil
	}
	var errs []error
	for _, c := range m.all() {
		errs = append(errs, reg.Register(c))
	}
	return errors.Join(errs...)
}

func (m *metrics) unregister(reg prometheus.Registerer) {
	if reg == nil {
		return
	}
	for _, c := range m.all() {
		reg.Unregister(c)
	}
}

func (l *listenerMetrics) opened() {
	l.connections.Inc()
	l.created.Inc()
}

func (l *listenerMetrics) closed() {
	l.connections.Dec()
	l.ended.Inc()
}

func (l *listenerMetrics) received(n int) {
	l.requests.Inc()
	l.bytesIn.Add(float64(n))
}

func (l *listenerMetrics) answered(r *Request) {
	l.responses.Inc()
	l.apis.observe(r.APIKey, r.APIVersion, time.Since(r.Received))
	l.apis.observeConversion(r.APIKey, r.converting, r.temporary)
}
