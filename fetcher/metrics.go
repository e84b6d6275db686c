package fetcher

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics tell what Apache Kafka's ReplicaFetcherManager and FetcherStats tell. They are made when somebody scrapes.
type metrics struct {
	m        *Manager
	registry prometheus.Registerer
	// bytes and requests are those of fetchers that have ended: the sums must not fall.
	bytes, requests atomic.Int64
}

var (
	maxLagDesc   = managerDesc("maxlag", "Committed records that a follower here lacks, at most.")
	failedDesc   = managerDesc("failedpartitionscount", "Partitions set aside until the controller decides anew.")
	troubledDesc = managerDesc("troubledpartitionscount", "Partitions that are not copied at present, those set aside included.")
	deadDesc     = managerDesc("deadthreadcount", "Fetchers that ended by a fault of their own: always 0.")
	bytesDesc    = statsDesc("bytes_total", "Bytes of records copied from leaders.")
	requestsDesc = statsDesc("requests_total", "Fetches answered by leaders.")
)

func managerDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("kafka_server_replicafetchermanager_"+name, help, nil, prometheus.Labels{"clientid": "Replica"})
}

func statsDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("kafka_server_fetcherstats_"+name, help, nil, nil)
}

func newMetrics(m *Manager, registry prometheus.Registerer) *metrics {
	s := &metrics{m: m, registry: registry}
	if registry != nil {
		if err := registry.Register(s); err != nil {
			m.options.Log.Warnf("metrics of the fetchers: %v", err)
		}
	}
	return s
}

func (s *metrics) unregister() {
	if s.registry != nil {
		s.registry.Unregister(s)
	}
}

func (s *metrics) ended(f *fetcher) {
	s.bytes.Add(f.stats.bytes.Load())
	s.requests.Add(f.stats.requests.Load())
}

// Describe names every series that Collect gives.
func (s *metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{maxLagDesc, failedDesc, troubledDesc, deadDesc, bytesDesc, requestsDesc} {
		out <- d
	}
}

// Collect looks at every partition once.
func (s *metrics) Collect(out chan<- prometheus.Metric) {
	var maxLag int64
	failed, troubled := 0, 0
	s.m.mu.Lock()
	bytes, requests := s.bytes.Load(), s.requests.Load()
	for _, f := range s.m.mu.fetchers {
		bytes += f.stats.bytes.Load()
		requests += f.stats.requests.Load()
		one := f.snapshot()
		maxLag = max(maxLag, one.MaxLag)
		troubled += len(one.Troubled)
		for _, t := range one.Troubled {
			if t.Aside {
				failed++
			}
		}
	}
	s.m.mu.Unlock()
	gauge := func(d *prometheus.Desc, v float64) { out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	gauge(maxLagDesc, float64(maxLag))
	gauge(failedDesc, float64(failed))
	gauge(troubledDesc, float64(troubled))
	gauge(deadDesc, 0)
	out <- prometheus.MustNewConstMetric(bytesDesc, prometheus.CounterValue, float64(bytes))
	out <- prometheus.MustNewConstMetric(requestsDesc, prometheus.CounterValue, float64(requests))
}
