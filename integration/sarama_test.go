package integration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"ottla/integration/testcluster"
)

// patience is how long a test waits for what has to happen. It bounds a broken test, and asserts nothing.
const patience = 60 * time.Second

func saramaConfig() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion
	c.Producer.Return.Successes = true
	c.Consumer.Return.Errors = true
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	return c
}

func saramaAdmin(t *testing.T, cluster *testcluster.Cluster) sarama.ClusterAdmin {
	t.Helper()
	admin, err := sarama.NewClusterAdmin(cluster.Addrs(), saramaConfig())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() })
	return admin
}

func createTopic(t *testing.T, admin sarama.ClusterAdmin, topic string, partitions int32, settings map[string]string) {
	t.Helper()
	detail := &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: map[string]*string{}}
	for key, value := range settings {
		detail.ConfigEntries[key] = &value
	}
	if err := admin.CreateTopic(topic, detail, false); err != nil {
		t.Fatalf("create %s: %v", topic, err)
	}
}

// consumePartition reads the first n records of a partition.
func consumePartition(t *testing.T, cluster *testcluster.Cluster, topic string, partition int32, n int) []*sarama.ConsumerMessage {
	t.Helper()
	consumer, err := sarama.NewConsumer(cluster.Addrs(), saramaConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = consumer.Close() }()
	pc, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pc.Close() }()
	var got []*sarama.ConsumerMessage
	deadline := time.After(patience)
	for len(got) < n {
		select {
		case m := <-pc.Messages():
			got = append(got, m)
		case err := <-pc.Errors():
			t.Fatalf("consume %s-%d after %d records: %v", topic, partition, len(got), err)
		case <-deadline:
			t.Fatalf("consume %s-%d: %d of %d records", topic, partition, len(got), n)
		}
	}
	return got
}

func TestSaramaSyncProducerAndPartitionConsumer(t *testing.T) {
	cluster := testcluster.Start(t, 1)
	admin := saramaAdmin(t, cluster)
	for name, codec := range map[string]sarama.CompressionCodec{
		"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
		"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
	} {
		t.Run(name, func(t *testing.T) {
			topic := "sync-" + name
			createTopic(t, admin, topic, 1, nil)
			c := saramaConfig()
			c.Producer.Compression = codec
			c.Producer.RequiredAcks = sarama.WaitForAll
			producer, err := sarama.NewSyncProducer(cluster.Addrs(), c)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = producer.Close() }()
			const records = 50
			for i := range records {
				_, offset, err := producer.SendMessage(&sarama.ProducerMessage{
					Topic: topic, Key: sarama.StringEncoder(fmt.Sprint("key-", i)), Value: sarama.StringEncoder(strings.Repeat("v", i)),
					Headers: []sarama.RecordHeader{{Key: []byte("n"), Value: []byte(fmt.Sprint(i))}},
				})
				if err != nil || offset != int64(i) {
					t.Fatalf("record %d: offset %d, %v", i, offset, err)
				}
			}
			for i, m := range consumePartition(t, cluster, topic, 0, records) {
				if m.Offset != int64(i) || string(m.Key) != fmt.Sprint("key-", i) || len(m.Value) != i || string(m.Headers[0].Value) != fmt.Sprint(i) {
					t.Fatalf("record %d came back as offset %d, key %q, %d bytes, headers %v", i, m.Offset, m.Key, len(m.Value), m.Headers)
				}
			}
		})
	}
}

func TestSaramaAsyncProducerKeepsOrderPerPartition(t *testing.T) {
	for name, idempotent := range map[string]bool{"plain": false, "idempotent": true} {
		t.Run(name, func(t *testing.T) {
			cluster := testcluster.Start(t, 1)
			createTopic(t, saramaAdmin(t, cluster), "orders", 3, nil)
			c := saramaConfig()
			c.Producer.RequiredAcks = sarama.WaitForAll
			c.Producer.Idempotent = idempotent
			c.Net.MaxOpenRequests = 1 // sarama wants it for an idempotent producer
			c.Producer.Partitioner = sarama.NewManualPartitioner
			producer, err := sarama.NewAsyncProducer(cluster.Addrs(), c)
			if err != nil {
				t.Fatal(err)
			}
			const perPartition, partitions = 1000, 3
			var acknowledged sync.WaitGroup
			acknowledged.Go(func() {
				for range producer.Successes() {
				}
			})
			acknowledged.Go(func() {
				for err := range producer.Errors() {
					t.Errorf("produce: %v", err)
				}
			})
			for i := range perPartition * partitions {
				producer.Input() <- &sarama.ProducerMessage{Topic: "orders", Partition: int32(i % partitions), Value: sarama.StringEncoder(fmt.Sprint(i / partitions))}
			}
			producer.AsyncClose()
			acknowledged.Wait()
			for p := range int32(partitions) {
				for i, m := range consumePartition(t, cluster, "orders", p, perPartition) {
					if m.Offset != int64(i) || string(m.Value) != fmt.Sprint(i) {
						t.Fatalf("orders-%d: offset %d holds %q, want %d", p, m.Offset, m.Value, i)
					}
				}
			}
		})
	}
}

// groupMember consumes as one member of a group and notes what it was given.
type groupMember struct {
	t      *testing.T
	group  sarama.ConsumerGroup
	cancel context.CancelFunc
	ended  sync.WaitGroup

	mu      sync.Mutex
	claims  []int32
	records []string
}

func (m *groupMember) Setup(s sarama.ConsumerGroupSession) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.claims = slices.Sorted(slices.Values(s.Claims()["work"]))
	return nil
}

func (m *groupMember) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *groupMember) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case r, open := <-claim.Messages():
			if !open {
				return nil
			}
			m.mu.Lock()
			m.records = append(m.records, fmt.Sprintf("%d/%d", r.Partition, r.Offset))
			m.mu.Unlock()
			s.MarkMessage(r, "seen")
		case <-s.Context().Done():
			return nil
		}
	}
}

// joinGroup adds a member to a group, which no error may hit.
func joinGroup(t *testing.T, cluster *testcluster.Cluster, name string, c *sarama.Config) *groupMember {
	t.Helper()
	return joinGroupThrough(t, cluster, name, c, func(err error) (again bool) {
		t.Errorf("group %s: %v", name, err)
		return false
	})
}

// joinGroupThrough adds a member to a group; failed decides whether it goes on after an error.
func joinGroupThrough(t *testing.T, cluster *testcluster.Cluster, name string, c *sarama.Config, failed func(error) (again bool)) *groupMember {
	t.Helper()
	group, err := sarama.NewConsumerGroup(cluster.Addrs(), name, c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &groupMember{t: t, group: group, cancel: cancel}
	m.ended.Go(func() {
		for ctx.Err() == nil {
			if err := group.Consume(ctx, []string{"work"}, m); err != nil && !errors.Is(err, sarama.ErrClosedConsumerGroup) && ctx.Err() == nil {
				if !failed(err) {
					return
				}
			}
		}
	})
	m.ended.Go(func() {
		for err := range group.Errors() {
			t.Logf("group %s: %v", name, err)
		}
	})
	t.Cleanup(m.leave)
	return m
}

// leave ends the member; the group learns of it by LeaveGroup.
func (m *groupMember) leave() {
	m.cancel()
	if err := m.group.Close(); err != nil {
		m.t.Errorf("leave the group: %v", err)
	}
	m.ended.Wait()
}

func (m *groupMember) snapshot() (claims []int32, records []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.claims), slices.Clone(m.records)
}

// eventually waits for what a client reaches in its own time.
func eventually(t *testing.T, what string, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !reached(); {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
		time.Sleep(10 * time.Millisecond) // between two looks, not in place of one
	}
}

// shares are the numbers of partitions that the members of a stable group have, as the coordinator sees it.
func shares(t *testing.T, admin sarama.ClusterAdmin) (n []int) {
	t.Helper()
	groups, err := admin.DescribeConsumerGroups([]string{"workers"})
	if err != nil {
		t.Fatal(err)
	}
	if groups[0].State != "Stable" {
		return nil
	}
	for _, m := range groups[0].Members {
		assignment, err := m.GetMemberAssignment()
		if err != nil || assignment == nil {
			return nil
		}
		n = append(n, len(assignment.Topics["work"]))
	}
	slices.Sort(n)
	return n
}

func TestSaramaConsumerGroupMembersComeAndGo(t *testing.T) {
	for name, strategy := range map[string]func() sarama.BalanceStrategy{
		"range": sarama.NewBalanceStrategyRange, "roundrobin": sarama.NewBalanceStrategyRoundRobin, "sticky": sarama.NewBalanceStrategySticky,
		"cooperative-sticky": sarama.NewBalanceStrategyCooperativeSticky,
	} {
		t.Run(name, func(t *testing.T) {
			cluster := testcluster.Start(t, 1)
			admin := saramaAdmin(t, cluster)
			createTopic(t, admin, "work", 4, nil)
			produce := func(n int) {
				t.Helper()
				c := saramaConfig()
				c.Producer.Partitioner = sarama.NewRoundRobinPartitioner
				producer, err := sarama.NewSyncProducer(cluster.Addrs(), c)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = producer.Close() }()
				for i := range n {
					if _, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: "work", Value: sarama.StringEncoder(fmt.Sprint(i))}); err != nil {
						t.Fatal(err)
					}
				}
			}
			c := saramaConfig()
			c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategy()}
			c.Consumer.Group.Heartbeat.Interval = 100 * time.Millisecond // a rebalance is learned by heartbeat

			first := joinGroup(t, cluster, "workers", c)
			eventually(t, "the first member has all four partitions", func() bool { return slices.Equal(shares(t, admin), []int{4}) })
			second := joinGroup(t, cluster, "workers", c)
			eventually(t, "each member has two partitions", func() bool { return slices.Equal(shares(t, admin), []int{2, 2}) })
			produce(100)
			eventually(t, "a hundred records arrived once each", func() bool {
				_, a := first.snapshot()
				_, b := second.snapshot()
				return len(a)+len(b) >= 100
			})
			_, a := first.snapshot()
			_, b := second.snapshot()
			if all := append(a, b...); len(all) != 100 || len(slices.Compact(slices.Sorted(slices.Values(all)))) != 100 {
				t.Errorf("%d records, %d of them different, want 100", len(all), len(slices.Compact(slices.Sorted(slices.Values(all)))))
			}
			first.leave()
			eventually(t, "the member that stayed has all four partitions", func() bool { return slices.Equal(shares(t, admin), []int{4}) })
			_, before := second.snapshot()
			produce(20)
			eventually(t, "the member that stayed reads on", func() bool {
				_, now := second.snapshot()
				return len(now) >= len(before)+20
			})
		})
	}
}

func TestSaramaGroupGoesOnWhereItWasAfterARestart(t *testing.T) {
	cluster := testcluster.Start(t, 1)
	createTopic(t, saramaAdmin(t, cluster), "work", 1, nil)
	send := func(values ...string) {
		t.Helper()
		producer, err := sarama.NewSyncProducer(cluster.Addrs(), saramaConfig())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = producer.Close() }()
		for _, v := range values {
			if _, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: "work", Value: sarama.StringEncoder(v)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	c := saramaConfig()
	send("a", "b", "c")
	m := joinGroup(t, cluster, "workers", c)
	eventually(t, "three records arrived", func() bool { _, r := m.snapshot(); return len(r) == 3 })
	m.leave() // commits what was marked

	cluster.Broker(1).Restart()
	send("d")
	again := joinGroup(t, cluster, "workers", c)
	eventually(t, "the fourth record arrived", func() bool { _, r := again.snapshot(); return len(r) > 0 })
	if _, r := again.snapshot(); !slices.Equal(r, []string{"0/3"}) {
		t.Errorf("after the restart the group got %v, want only offset 3", r)
	}
}

func TestSaramaClusterAdmin(t *testing.T) {
	cluster := testcluster.Start(t, 1)
	admin := saramaAdmin(t, cluster)
	createTopic(t, admin, "orders", 2, map[string]string{"retention.ms": "3600000"})

	t.Run("topics are listed with their settings", func(t *testing.T) {
		topics, err := admin.ListTopics()
		if err != nil {
			t.Fatal(err)
		}
		d, ok := topics["orders"]
		if !ok || d.NumPartitions != 2 || d.ReplicationFactor != 1 || *d.ConfigEntries["retention.ms"] != "3600000" {
			t.Errorf("orders is listed as %+v", d)
		}
	})
	t.Run("a topic that is there is not made again", func(t *testing.T) {
		err := admin.CreateTopic("orders", &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false)
		if !errors.Is(err, sarama.ErrTopicAlreadyExists) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("partitions grow", func(t *testing.T) {
		if err := admin.CreatePartitions("orders", 5, nil, false); err != nil {
			t.Fatal(err)
		}
		eventually(t, "five partitions have a leader", func() bool {
			meta, err := admin.DescribeTopics([]string{"orders"})
			return err == nil && len(meta[0].Partitions) == 5 && !slices.ContainsFunc(meta[0].Partitions, func(p *sarama.PartitionMetadata) bool { return p.Leader != 1 })
		})
	})
	t.Run("settings change", func(t *testing.T) {
		value := "7200000"
		if err := admin.IncrementalAlterConfig(sarama.TopicResource, "orders",
			map[string]sarama.IncrementalAlterConfigsEntry{"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}}, false); err != nil {
			t.Fatal(err)
		}
		described, err := admin.DescribeConfigs([]*sarama.ConfigResource{{Type: sarama.TopicResource, Name: "orders", ConfigNames: []string{"retention.ms"}}}, sarama.DescribeConfigsOptions{})
		if err != nil || len(described) != 1 || len(described[0].Configs) != 1 || described[0].Configs[0].Value != value {
			t.Errorf("retention.ms is %+v, %v", described, err)
		}
		if err := admin.AlterConfig(sarama.TopicResource, "orders", map[string]*string{}, false); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("records are deleted", func(t *testing.T) {
		producer, err := sarama.NewSyncProducer(cluster.Addrs(), saramaConfig())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = producer.Close() }()
		createTopic(t, admin, "short", 1, nil)
		for range 10 {
			if _, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: "short", Value: sarama.StringEncoder("x")}); err != nil {
				t.Fatal(err)
			}
		}
		if err := admin.DeleteRecords("short", map[int32]int64{0: 7}); err != nil {
			t.Fatal(err)
		}
		if got := consumePartition(t, cluster, "short", 0, 3); got[0].Offset != 7 {
			t.Errorf("the first record left is %d, want 7", got[0].Offset)
		}
	})
	t.Run("the cluster is described", func(t *testing.T) {
		brokers, controller, err := admin.DescribeCluster()
		if err != nil || len(brokers) != 1 || controller != 1 || brokers[0].Addr() != cluster.Addrs()[0] {
			t.Errorf("brokers %v, controller %d, %v", brokers, controller, err)
		}
	})
	t.Run("log dirs are described", func(t *testing.T) {
		dirs, err := admin.DescribeLogDirs([]int32{1})
		if err != nil || len(dirs[1]) != 1 || dirs[1][0].ErrorCode != sarama.ErrNoError {
			t.Errorf("got %+v, %v", dirs, err)
		}
	})
	t.Run("reassignments are listed", func(t *testing.T) {
		if moves, err := admin.ListPartitionReassignments("orders", []int32{0}); err != nil || len(moves["orders"]) != 0 {
			t.Errorf("got %v, %v", moves, err)
		}
	})
	t.Run("leaders are elected", func(t *testing.T) {
		got, err := admin.ElectLeaders(sarama.PreferredElection, map[string][]int32{"orders": {0}})
		if err != nil || got["orders"][0].ErrorCode != sarama.ErrElectionNotNeeded {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("groups are listed, described and deleted", func(t *testing.T) {
		createTopic(t, admin, "work", 1, nil)
		m := joinGroup(t, cluster, "workers", saramaConfig())
		eventually(t, "the member has its partition", func() bool { claims, _ := m.snapshot(); return len(claims) == 1 })
		groups, err := admin.ListConsumerGroups()
		if err != nil || groups["workers"] != "consumer" {
			t.Errorf("listed: %v, %v", groups, err)
		}
		described, err := admin.DescribeConsumerGroups([]string{"workers"})
		if err != nil || described[0].State != "Stable" || len(described[0].Members) != 1 {
			t.Errorf("described: %+v, %v", described, err)
		}
		if err := admin.DeleteConsumerGroup("workers"); !errors.Is(err, sarama.ErrNonEmptyGroup) {
			t.Errorf("deleting a group with members: %v", err)
		}
		m.leave()
		if err := admin.DeleteConsumerGroup("workers"); err != nil {
			t.Errorf("deleting an empty group: %v", err)
		}
	})
	t.Run("offsets of a group are listed and deleted", func(t *testing.T) {
		offsets, err := sarama.NewOffsetManagerFromClient("keeper", saramaClient(t, cluster))
		if err != nil {
			t.Fatal(err)
		}
		p, err := offsets.ManagePartition("short", 0)
		if err != nil {
			t.Fatal(err)
		}
		p.MarkOffset(8, "note")
		offsets.Commit()
		_ = p.Close()
		_ = offsets.Close()
		got, err := admin.ListConsumerGroupOffsets("keeper", map[string][]int32{"short": {0}})
		if err != nil || got.GetBlock("short", 0).Offset != 8 || got.GetBlock("short", 0).Metadata != "note" {
			t.Fatalf("listed: %+v, %v", got, err)
		}
		if err := admin.DeleteConsumerGroupOffset("keeper", "short", 0); err != nil {
			t.Fatal(err)
		}
		got, err = admin.ListConsumerGroupOffsets("keeper", map[string][]int32{"short": {0}})
		if err != nil || got.GetBlock("short", 0).Offset != -1 {
			t.Errorf("after the deletion: %+v, %v", got, err)
		}
	})
	t.Run("a topic is deleted", func(t *testing.T) {
		if err := admin.DeleteTopic("orders"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "orders is gone", func() bool {
			topics, err := admin.ListTopics()
			return err == nil && !slices.Contains(slices.Collect(maps.Keys(topics)), "orders")
		})
	})
}

func saramaClient(t *testing.T, cluster *testcluster.Cluster) sarama.Client {
	t.Helper()
	client, err := sarama.NewClient(cluster.Addrs(), saramaConfig())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}
