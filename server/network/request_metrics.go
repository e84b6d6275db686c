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
	// Of Produce and Fetch only.
	converting *prometheus.Desc
	temporary  *prometheus.Desc
}

// apiMetrics is one API.
type apiMetrics struct {
	versions [32]atomic.Uint64 // requests by version
	count    atomic.Uint64
	sum      atomic.Uint64 // microseconds
	recent   histogram
	convert  *conversionMetrics // of Produce and Fetch
}

// conversionMetrics is what it takes to convert records, of all requests of an API, those without any included.
type conversionMetrics struct {
	micros, bytes           atomic.Uint64
	recentTime, recentBytes histogram
}

// fetchKey is the API key of Fetch.
const fetchKey = 1

func newRequestMetrics(apiName func(key int16) string) *requestMetrics {
	return &requestMetrics{
		apiName: apiName,
		requests: prometheus.NewDesc("kafka_network_requestmetrics_requests_total",
			"Requests answered, by API and version.", []string{"request", "version"}, nil),
		time: prometheus.NewDesc("kafka_network_requestmetrics_totaltimems",
			"Milliseconds from a request's last byte to its answer; quantiles of the last five to ten minutes.", []string{"request"}, nil),
		converting: prometheus.NewDesc("kafka_network_requestmetrics_messageconversionstimems",
			"Milliseconds that converting a request's records took; quantiles of the last five to ten minutes.", []string{"request"}, nil),
		temporary: prometheus.NewDesc("kafka_network_requestmetrics_temporarymemorybytes",
			"Bytes of memory for decompressing and converting a request's records; quantiles of the last five to ten minutes.", []string{"request"}, nil),
	}
}

// observe counts one request that took so long.
func (m *requestMetrics) observe(key, version int16, took time.Duration) {
	if key < 0 || int(key) >= len(m.apis) {
		return
	}
	api := m.apis[key].Load()
	if api == nil {
		m.apis[key].CompareAndSwap(nil, newAPIMetrics(key))
		api = m.apis[key].Load()
	}
	micros := uint64(max(took, 0) / time.Microsecond)
	api.versions[min(max(int(version), 0), len(api.versions)-1)].Add(1)
	api.count.Add(1)
	api.sum.Add(micros)
	api.recent.observe(micros)
}

func newAPIMetrics(key int16) *apiMetrics {
	if key != produceKey && key != fetchKey {
		return &apiMetrics{}
	}
	return &apiMetrics{convert: &conversionMetrics{}}
}

// observeConversion counts what a request took that observe has counted.
func (m *requestMetrics) observeConversion(key int16, took time.Duration, temporary int) {
	if key != produceKey && key != fetchKey {
		return
	}
	c := m.apis[key].Load().convert
	if temporary > 0 {
		c.micros.Add(uint64(max(took, 0) / time.Microsecond))
		c.bytes.Add(uint64(temporary))
	}
	c.recentTime.observe(uint64(max(took, 0) / time.Microsecond))
	c.recentBytes.observe(uint64(max(temporary, 0)))
}

// Describe implements prometheus.Collector.
func (m *requestMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- m.requests
	to <- m.time
	to <- m.converting
	to <- m.temporary
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
		now, count := time.Now(), api.count.Load()
		summary := func(d *prometheus.Desc, sum uint64, recent *histogram, unit float64) {
			to <- prometheus.MustNewConstSummary(d, count, float64(sum)/unit, recent.quantiles(now, unit, 0.5, 0.75, 0.95, 0.98, 0.99, 0.999), name)
		}
		summary(m.time, api.sum.Load(), &api.recent, microsPerMilli)
		if c := api.convert; c != nil {
			summary(m.converting, c.micros.Load(), &c.recentTime, microsPerMilli)
			summary(m.temporary, c.bytes.Load(), &c.recentBytes, 1)
		}
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

const microsPerMilli = 1000

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

// quantiles returns them, divided by unit, and begins a new period when it is time.
func (h *histogram) quantiles(now time.Time, unit float64, qs ...float64) map[float64]float64 {
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
				found[q] = float64(bucketStart(i)) / unit
				break
			}
		}
	}
	return found
}
