package logdir

import (
	"runtime"
	"testing"
	"time"

	"ottla/zkcoord/cluster"
)

// BenchmarkManyLogs reports what idle logs cost: memory, goroutines, and the time to open them.
func BenchmarkManyLogs(b *testing.B) {
	const logs = 5000
	dir := b.TempDir()
	o := testOptions(dir)
	for b.Loop() {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		goroutines := runtime.NumGoroutine()
		m := open(b, o)
		started := time.Now()
		for i := range logs {
			if _, err := m.LogOrCreate(cluster.TopicPartition{Topic: "many", Partition: int32(i)}, cluster.TopicID{1}, true); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(time.Since(started).Microseconds())/logs, "µs/create")
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/logs, "B/log")
		b.ReportMetric(float64(runtime.NumGoroutine()-goroutines), "goroutines")
		started = time.Now()
		if err := m.Close(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(started).Microseconds())/logs, "µs/close")
		started = time.Now()
		m = open(b, o)
		b.ReportMetric(float64(time.Since(started).Microseconds())/logs, "µs/open")
		if err := m.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
