package statetopic

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// LoadTimes are the average and the longest time it took to load a partition, as metrics.
type LoadTimes struct {
	average, longest *prometheus.Desc

	mu struct {
		sync.Mutex
		count        int
		sum, longest time.Duration
	}
}

// NewLoadTimes returns one whose metrics' names begin so.
func NewLoadTimes(prefix string) *LoadTimes {
	return &LoadTimes{
		average: prometheus.NewDesc(prefix+"partition_load_time_avg", "How long it takes to load a partition, in milliseconds.", nil, nil),
		longest: prometheus.NewDesc(prefix+"partition_load_time_max", "The longest load of a partition, in milliseconds.", nil, nil),
	}
}

// Add counts one.
func (l *LoadTimes) Add(took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.count++
	l.mu.sum += took
	l.mu.longest = max(l.mu.longest, took)
}

// Describe is part of prometheus.Collector.
func (l *LoadTimes) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(l, ch) }

// Collect is part of prometheus.Collector.
func (l *LoadTimes) Collect(ch chan<- prometheus.Metric) {
	l.mu.Lock()
	defer l.mu.Unlock()
	average := float64(l.mu.sum.Milliseconds()) / float64(max(1, l.mu.count))
	ch <- prometheus.MustNewConstMetric(l.average, prometheus.GaugeValue, average)
	ch <- prometheus.MustNewConstMetric(l.longest, prometheus.GaugeValue, float64(l.mu.longest.Milliseconds()))
}
