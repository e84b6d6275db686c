package logdir

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"ottla/zkcoord/cluster"
)

// BenchmarkManyLogs reports what idle logs cost, as many as a large broker has: memory, goroutines, descriptors, mappings, and
// the time to open them, after a clean stop and after a crash.
func BenchmarkManyLogs(b *testing.B) {
	const logs = 20_000
	per := func(since time.Time) float64 { return float64(time.Since(since).Microseconds()) / logs }
	for b.Loop() {
		dir := b.TempDir()
		o := testOptions(dir)
		before, goroutines := heap(), runtime.NumGoroutine()
		m := open(b, o)
		started := time.Now()
		for i := range logs {
			if _, err := m.LogOrCreate(cluster.TopicPartition{Topic: "many", Partition: int32(i)}, cluster.TopicID{1}, true); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(per(started), "µs/create")
		b.ReportMetric(float64(heap()-before)/logs, "B/log")
		b.ReportMetric(float64(runtime.NumGoroutine()-goroutines), "goroutines")
		b.ReportMetric(float64(descriptors(b)), "descriptors")
		b.ReportMetric(float64(mappings(b, dir)), "mappings")
		started = time.Now()
		if err := m.Close(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(per(started), "µs/close")
		started = time.Now()
		m = open(b, o)
		b.ReportMetric(per(started), "µs/open")
		m.Abandon()
		started = time.Now()
		m = open(b, o)
		b.ReportMetric(per(started), "µs/open-after-crash")
		b.ReportMetric(float64(descriptors(b)), "descriptors-after-start")
		m.Abandon()
	}
}

func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// descriptors is how many this process has open, 0 where the system does not tell.
func descriptors(b *testing.B) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil && !os.IsNotExist(err) {
		b.Fatal(err)
	}
	return len(entries)
}

// mappings is how many files under a directory are mapped, 0 where the system does not tell.
func mappings(b *testing.B, dir string) int {
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil && !os.IsNotExist(err) {
		b.Fatal(err)
	}
	return strings.Count(string(text), dir)
}
