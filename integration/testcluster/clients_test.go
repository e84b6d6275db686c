package testcluster_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"ottla/integration/testcluster"
)

// No test of this package leaves a goroutine behind, but for the one that sarama's metrics keep for ever.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m, saramasMetrics) }

var saramasMetrics = goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick")

// patience bounds what has to happen; it asserts nothing.
const patience = 60 * time.Second

func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// quick are the settings of a cluster whose faults show soon.
func quick(more ...testcluster.Option) []testcluster.Option {
	return append([]testcluster.Option{
		testcluster.WithSessionTimeout(time.Second),
		testcluster.WithSetting("replica.lag.time.max.ms", "1500"),
	}, more...)
}

// franz is a client that learns of a new leader within milliseconds.
func franz(t *testing.T, addrs []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(addrs...), kgo.MetadataMinAge(20 * time.Millisecond), kgo.RequestTimeoutOverhead(2 * time.Second),
		kgo.ProduceRequestTimeout(time.Second), kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// writer writes numbered records with acks=all to partition 0 of a topic, one after another.
type writer struct {
	t      *testing.T
	client *kgo.Client
	next   int
}

func newWriter(t *testing.T, c *testcluster.Cluster, topic string) *writer {
	return &writer{t: t, client: franz(t, c.Addrs(), kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))}
}

// write has n more records acknowledged, however often the client has to try.
func (w *writer) write(n int) {
	w.t.Helper()
	for range n {
		if err := w.client.ProduceSync(patient(w.t), &kgo.Record{Value: fmt.Append(nil, w.next)}).FirstErr(); err != nil {
			w.t.Fatalf("record %d: %v", w.next, err)
		}
		w.next++
	}
}

// verify reads what was acknowledged: all of it, in order, once.
func (w *writer) verify(c *testcluster.Cluster, topic string) {
	w.t.Helper()
	client := franz(w.t, c.Addrs(), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	defer client.Close()
	ctx := patient(w.t)
	for seen := 0; seen < w.next; {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			w.t.Fatalf("%d of %d records", seen, w.next)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if string(r.Value) != fmt.Sprint(seen) {
				w.t.Fatalf("offset %d holds record %s, want %d", r.Offset, r.Value, seen)
			}
			seen++
		})
	}
}

// unacknowledged sends a record that must not be acknowledged within this time, and returns what it met, or nil if
// that was silence. A record that met silence stays on its way until the client is closed.
func unacknowledged(t *testing.T, client *kgo.Client, within time.Duration) error {
	t.Helper()
	met := make(chan error, 1)
	client.Produce(t.Context(), &kgo.Record{Value: []byte("unacknowledged")}, func(_ *kgo.Record, err error) { met <- err })
	select {
	case err := <-met:
		if err == nil {
			t.Fatal("the record was acknowledged")
		}
		return err
	case <-time.After(within):
		return nil
	}
}
