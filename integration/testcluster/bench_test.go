package testcluster

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// How long a test waits for its cluster of three, and for the first record that all three have.
func BenchmarkStart(b *testing.B) {
	var ready, first time.Duration
	for b.Loop() {
		begin := time.Now()
		c := Start(b, 3)
		ready += time.Since(begin)
		c.CreateTopic("orders", 1, 3, nil)
		client, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.DefaultProduceTopic("orders"))
		if err != nil {
			b.Fatal(err)
		}
		if err := client.ProduceSync(b.Context(), kgo.StringRecord("first")).FirstErr(); err != nil {
			b.Fatal(err)
		}
		first += time.Since(begin)
		client.Close()
		b.StopTimer()
		c.close()
		b.StartTimer()
	}
	b.ReportMetric(float64(ready.Milliseconds())/float64(b.N), "ms-to-ready")
	b.ReportMetric(float64(first.Milliseconds())/float64(b.N), "ms-to-first-record")
}
