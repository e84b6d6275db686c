package integration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/integration/testcluster"
)

func franzClient(t *testing.T, cluster *testcluster.Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	return franzAt(t, cluster.Addrs()[0], opts...)
}

// patient is a context for what has to happen; it bounds a broken test, and asserts nothing.
func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// franz-go is idempotent by default, keeps five produce requests in flight and uses the newest versions.
func TestFranzProducesAndConsumesEveryCodec(t *testing.T) {
	cluster := testcluster.Start(t, 1, testcluster.WithSetting("num.partitions", "3"))
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		t.Run(name, func(t *testing.T) {
			topic := "franz-" + name
			producer := franzClient(t, cluster, kgo.DefaultProduceTopic(topic), kgo.AllowAutoTopicCreation(), kgo.ProducerBatchCompression(codec))
			const records = 2000
			var failed sync.Once
			for i := range records {
				producer.Produce(patient(t), &kgo.Record{Key: fmt.Append(nil, i%17), Value: fmt.Append(nil, i, strings.Repeat(".", i%300))}, func(_ *kgo.Record, err error) {
					if err != nil {
						failed.Do(func() { t.Errorf("produce: %v", err) })
					}
				})
			}
			if err := producer.Flush(patient(t)); err != nil {
				t.Fatal(err)
			}
			consumer := franzClient(t, cluster, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
			next := map[int32]int64{}
			for seen := 0; seen < records; {
				fetches := consumer.PollFetches(patient(t))
				if err := fetches.Err(); err != nil {
					t.Fatalf("after %d records: %v", seen, err)
				}
				fetches.EachRecord(func(r *kgo.Record) {
					if r.Offset != next[r.Partition] {
						t.Fatalf("%s-%d: offset %d follows %d", topic, r.Partition, r.Offset, next[r.Partition]-1)
					}
					next[r.Partition]++
					seen++
				})
			}
		})
	}
}

func TestFranzCooperativeGroupTakesOverFromAMemberThatLeaves(t *testing.T) {
	cluster := testcluster.Start(t, 1)
	admin := kadm.NewClient(franzClient(t, cluster))
	if _, err := admin.CreateTopic(patient(t), 4, 1, nil, "work"); err != nil {
		t.Fatal(err)
	}
	member := func(instance string) *kgo.Client {
		opts := []kgo.Opt{kgo.ConsumerGroup("workers"), kgo.ConsumeTopics("work"), kgo.Balancers(kgo.CooperativeStickyBalancer())}
		if instance != "" {
			opts = append(opts, kgo.InstanceID(instance))
		}
		return franzClient(t, cluster, opts...)
	}
	owned := func() map[string]int {
		groups, err := admin.DescribeGroups(patient(t), "workers")
		if err != nil {
			t.Fatal(err)
		}
		of := map[string]int{}
		for _, m := range groups["workers"].Members {
			if assignment, ok := m.Assigned.AsConsumer(); ok {
				for _, topic := range assignment.Topics {
					of[m.MemberID] += len(topic.Partitions)
				}
			}
		}
		return of
	}
	split := func(want ...int) func() bool {
		return func() bool {
			var got []int
			for _, n := range owned() {
				got = append(got, n)
			}
			slices.Sort(got)
			return slices.Equal(got, want)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var polls sync.WaitGroup
	t.Cleanup(func() { stop(); polls.Wait() })
	poll := func(c *kgo.Client) {
		polls.Go(func() {
			for ctx.Err() == nil {
				if c.PollFetches(ctx).IsClientClosed() {
					return
				}
			}
		})
	}
	first, static := member(""), member("instance-1")
	poll(first)
	poll(static)
	eventually(t, "two members have two partitions each", split(2, 2))
	first.LeaveGroup()
	eventually(t, "the static member has all", split(4))
}

func TestKadmSeesOffsetsAndTopics(t *testing.T) {
	cluster := testcluster.Start(t, 1)
	client := franzClient(t, cluster)
	admin := kadm.NewClient(client)
	ctx := patient(t)
	if _, err := admin.CreateTopic(ctx, 1, 1, map[string]*string{"segment.bytes": kadm.StringPtr("1048576")}, "orders"); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := client.ProduceSync(ctx, &kgo.Record{Topic: "orders", Value: fmt.Append(nil, i)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	ends, err := admin.ListEndOffsets(ctx, "orders")
	if err != nil || ends["orders"][0].Offset != 3 {
		t.Errorf("end offsets %v, %v", ends, err)
	}
	if err := admin.CommitAllOffsets(ctx, "readers", kadm.OffsetsFromRecords(kgo.Record{Topic: "orders", Partition: 0, Offset: 1, LeaderEpoch: 0})); err != nil {
		t.Fatal(err)
	}
	lag, err := admin.Lag(ctx, "readers")
	if err != nil || lag["readers"].Lag["orders"][0].Lag != 1 {
		t.Errorf("lag %v, %v", lag, err)
	}
	settings, err := admin.DescribeTopicConfigs(ctx, "orders")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range settings[0].Configs {
		if c.Key == "segment.bytes" && c.MaybeValue() != "1048576" {
			t.Errorf("segment.bytes is %s", c.MaybeValue())
		}
	}
}
