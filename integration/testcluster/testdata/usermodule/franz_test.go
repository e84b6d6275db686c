package orders

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/integration/testcluster"
)

// A consumer group goes on while each broker in turn stands still.
func TestAGroupOutlivesPausesWithFranz(t *testing.T) {
	cluster := testcluster.Start(t, 3, testcluster.WithSessionTimeout(time.Second), testcluster.WithRacks("a", "b", "c"))
	cluster.CreateTopic("orders", 3, 3, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()

	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addrs()...), kgo.DefaultProduceTopic("orders"),
		kgo.ConsumeTopics("orders"), kgo.ConsumerGroup("kitchen"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.MetadataMinAge(50*time.Millisecond), kgo.RequestTimeoutOverhead(2*time.Second), kgo.ProduceRequestTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	missing := map[string]bool{}
	for n, broker := range cluster.Brokers() {
		broker.Pause()
		order := fmt.Sprint("order ", n)
		missing[order] = true
		if err := client.ProduceSync(ctx, kgo.StringRecord(order)).FirstErr(); err != nil {
			t.Fatalf("while %s stood still: %v", broker, err)
		}
		broker.Resume()
		cluster.AwaitReady()
		for p := range 3 {
			cluster.AwaitISR("orders", p)
		}
	}
	for len(missing) > 0 {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("not consumed: %v", missing)
		}
		fetches.EachRecord(func(r *kgo.Record) { delete(missing, string(r.Value)) })
	}
}
