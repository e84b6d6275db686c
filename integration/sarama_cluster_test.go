package integration

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"ottla/integration/testcluster"
)

// saramaThrough is a configuration for clients that outlive the death of a broker.
func saramaThrough() *sarama.Config {
	c := saramaConfig()
	c.Producer.RequiredAcks, c.Producer.Timeout = sarama.WaitForAll, time.Second
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.Retry.Max, c.Producer.Retry.Backoff = 400, 50*time.Millisecond
	c.Metadata.Retry.Max, c.Metadata.Retry.Backoff = 400, 50*time.Millisecond
	c.Consumer.Retry.Backoff = 100 * time.Millisecond
	c.Consumer.Group.Heartbeat.Interval = 100 * time.Millisecond
	c.Consumer.Group.Rebalance.Retry.Max, c.Consumer.Group.Rebalance.Retry.Backoff = 400, 50*time.Millisecond
	c.Consumer.Offsets.AutoCommit.Interval = 100 * time.Millisecond
	c.Admin.Retry.Max, c.Admin.Retry.Backoff = 400, 50*time.Millisecond
	return c
}

// saramaLoad sends numbers to each partition of a topic, in order, and notes which were acknowledged.
type saramaLoad struct {
	producer sarama.SyncProducer
	stop     chan struct{}
	sending  sync.WaitGroup

	mu           sync.Mutex
	acknowledged [][]int64 // by partition: the offset of each number
}

func startSaramaLoad(t *testing.T, cluster *testcluster.Cluster, topic string, partitions int) *saramaLoad {
	t.Helper()
	producer, err := sarama.NewSyncProducer(cluster.Addrs(), saramaThrough())
	if err != nil {
		t.Fatal(err)
	}
	l := &saramaLoad{producer: producer, stop: make(chan struct{}), acknowledged: make([][]int64, partitions)}
	for p := range partitions {
		l.sending.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-l.stop:
					return
				case <-time.After(time.Millisecond): // so that a broker's death does not take a million records
				}
				_, offset, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Partition: int32(p), Value: sarama.StringEncoder(strconv.Itoa(n))})
				if err != nil {
					t.Errorf("%s-%d, number %d: %v", topic, p, n, err)
					return
				}
				l.mu.Lock()
				l.acknowledged[p] = append(l.acknowledged[p], offset)
				l.mu.Unlock()
			}
		})
	}
	t.Cleanup(l.end)
	return l
}

func (l *saramaLoad) end() {
	select {
	case <-l.stop:
		return
	default:
	}
	close(l.stop)
	l.sending.Wait()
	_ = l.producer.Close()
}

func (l *saramaLoad) counts() (n []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, offsets := range l.acknowledged {
		n = append(n, len(offsets))
	}
	return n
}

// awaitMore waits until every partition has acknowledged n more.
func (l *saramaLoad) awaitMore(t *testing.T, n int) {
	t.Helper()
	before := l.counts()
	eventually(t, "every partition takes records", func() bool {
		for p, now := range l.counts() {
			if now < before[p]+n {
				return false
			}
		}
		return true
	})
}

// Three brokers, each of which dies once by kill -9, leader, coordinator, controller or not: sarama's producer, group and
// admin find those that are left, and what was acknowledged is there.
func TestSaramaOutlivesEachOfThreeBrokers(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: three deaths take some seconds")
	}
	const topic, partitions = "work", 3
	cluster := testcluster.Start(t, 3, testcluster.WithSessionTimeout(time.Second), testcluster.WithSetting("replica.lag.time.max.ms", "1500"))
	cluster.CreateTopic(topic, partitions, 3, map[string]string{"min.insync.replicas": "2"})
	var members []*groupMember
	for range 2 {
		members = append(members, joinGroupThrough(t, cluster, "workers", saramaThrough(), func(err error) (again bool) {
			t.Logf("a member of the group: %v", err)
			time.Sleep(50 * time.Millisecond) // as a program would before it tries again
			return true
		}))
	}
	load := startSaramaLoad(t, cluster, topic, partitions)
	load.awaitMore(t, 20)
	for _, victim := range cluster.Brokers() {
		victim.Kill()
		load.awaitMore(t, 20)

		admin, err := sarama.NewClusterAdmin(cluster.Addrs(), saramaThrough())
		if err != nil {
			t.Fatal(err)
		}
		made := fmt.Sprint("made-without-", victim.ID())
		if err := admin.CreateTopic(made, &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 2}, false); err != nil {
			t.Errorf("create a topic while %s is dead: %v", victim, err)
		}
		if brokers, controller, err := admin.DescribeCluster(); err != nil || len(brokers) != 2 || controller == int32(victim.ID()) {
			t.Errorf("while %s is dead: %d brokers, controller %d, %v", victim, len(brokers), controller, err)
		}
		if _, err := admin.DescribeConsumerGroups([]string{"workers"}); err != nil {
			t.Errorf("while %s is dead: %v", victim, err)
		}
		_ = admin.Close()

		victim.Restart()
		cluster.AwaitReady()
		for p := range partitions {
			cluster.AwaitISR(topic, p)
		}
	}
	load.awaitMore(t, 20)
	load.end()

	for p := range int32(partitions) {
		offsets := load.acknowledged[p]
		if !slices.IsSorted(offsets) {
			t.Errorf("%s-%d: acknowledged offsets go back", topic, p)
		}
		records := consumePartition(t, cluster, topic, p, int(offsets[len(offsets)-1])+1)
		for n, offset := range offsets {
			if got := string(records[offset].Value); got != strconv.Itoa(n) {
				t.Fatalf("%s-%d: offset %d holds %s, and was acknowledged for %d", topic, p, offset, got, n)
			}
		}
	}
	eventually(t, "the group has read every acknowledged record", func() bool {
		read := map[string]bool{}
		for _, m := range members {
			_, records := m.snapshot()
			for _, r := range records {
				read[r] = true
			}
		}
		for p, offsets := range load.acknowledged {
			for _, offset := range offsets {
				if !read[fmt.Sprintf("%d/%d", p, offset)] {
					return false
				}
			}
		}
		return true
	})
}
