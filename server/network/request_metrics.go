package network

import (
	"math/bits"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// requestMetrics counts requests and their time by API, as kafka.network:type=RequestMetrics does. Counting
// costs a few atomic additions; percentiles are worked out when somebody asks.
type requestMetrics struct {
	apis     [128]atomic.Pointer[apiMetrics] // by API key
	apiName  func(key int16) string
	requests *prometheus.Desc
	time     *prometheus.Desc
}

// apiMetrics is one API.
type apiMetrics struct {
	versions [32]atomic.Uint64 // requests by version
	count    atomic.Uint64
	sum      atomic.Uint64 // microseconds
	recent   histogram
}

func newRequestMetrics(apiName func(key int16) string) *requestMetrics {
	return &requestMetrics{
		apiName: apiName,
		requests: prometheus.NewDesc("kafka_network_requestmetrics_requests_total",
			"Requests answered, by API and version.", []string{"request", "version"}, nil),
		time: prometheus.NewDesc("kafka_network_requestmetrics_totaltimems",
			"Milliseconds from a request's last byte to its answer; quantiles of the last five to ten minutes.", []string{"request"}, nil),
	}
}

// observe counts one request that took so long.
func (m *requestMetrics) observe(key, version int16, took time.Duration) {
	if key < 0 || int(key) >= len(m.apis) {
		return
	}
	api := m.apis[key].Load()
	if api == nil {
		m.apis[key].CompareAndSwap(nil, &apiMetrics{})
		api = m.apis[key].Load()
	}
	micros := uint64(max(took, 0) / time.Microsecond)
	api.versions[min(max(int(version), 0), len(api.versions)-1)].Add(1)
	api.count.Add(1)
	api.sum.Add(micros)
	api.recent.observe(micros)
}

// Describe implements prometheus.Collector.
func (m *requestMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- m.requests
	to <- m.time
}

// Collect implements prometheus.Collector.
func (m *requestMetrics) Collect(to chan<- prometheus.Metric) {
	for key := range m.apis {
		api := m.apis[key].Load()
		if api == nil {
			continue
		}
		name := camelCase(m.apiName(int16(key)))
		for version := range api.versions {
			if n := api.versions[version].Load(); n > 0 {
				to <- prometheus.MustNewConstMetric(m.requests, prometheus.CounterValue, float64(n), name, strconv.Itoa(version))
			}
		}
		quantiles := api.recent.quantiles(time.Now(), 0.5, 0.75, 0.95, 0.98, 0.99, 0.999)
		to <- prometheus.MustNewConstSummary(m.time, api.count.Load(), float64(api.sum.Load())/1000, quantiles, name)
	}
}

// camelCase turns the name of an API key, as LIST_OFFSETS, into that of its requests, ListOffsets.
func camelCase(name string) string {
	words := strings.Split(name, "_")
	for i, w := range words {
		if w != "" {
			words[i] = w[:1] + strings.ToLower(w[1:])
		}
	}
	return strings.Join(words, "")
}

// histogramPeriod is how long a histogram's values count at least; they count twice as long at most.
const histogramPeriod = 5 * time.Minute

// histogram has eight buckets for each power of two, so that a quantile is off by an eighth at most. It is
// two in turn: one is being filled, the other has the period before.
type histogram struct {
	filled [2][64 * 8]atomic.Uint64
	turn   atomic.Uint32 // which one is being filled
	mu     struct {
		sync.Mutex
		turned time.Time
	}
}

func bucketOf(v uint64) int {
	if v < 8 {
		return int(v)
	}
	power := bits.Len64(v) - 1
	return (power-2)*8 + int(v>>(power-3))&7
}

// bucketStart is the least value of a bucket.
func bucketStart(i int) uint64 {
	if i < 8 {
		return uint64(i)
	}
	return uint64(8+i%8) << (i/8 - 1)
}

func (h *histogram) observe(v uint64) { h.filled[h.turn.Load()&1][bucketOf(v)].Add(1) }

// quantiles returns them in milliseconds, and begins a new period when it is time.
func (h *histogram) quantiles(now time.Time, qs ...float64) map[float64]float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	var sums [64 * 8]uint64
	total := uint64(0)
	for i := range sums {
		sums[i] = h.filled[0][i].Load() + h.filled[1][i].Load()
		total += sums[i]
	}
	if h.mu.turned.IsZero() {
		h.mu.turned = now
	} else if now.Sub(h.mu.turned) >= histogramPeriod {
		next := 1 - h.turn.Load()&1
		for i := range h.filled[next] {
			h.filled[next][i].Store(0)
		}
		h.turn.Store(next)
		h.mu.turned = now
	}
	found := map[float64]float64{}
	for _, q := range qs {
		found[q] = 0
		rank, seen := uint64(q*float64(total)), uint64(0)
		for i, n := range sums {
			if seen += n; n > 0 && seen > rank {
				found[q] = float64(bucketStart(i)) / 1000
				break
			}
		}
	}
	return found
}
