package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kadm"

	"ottla/integration/testcluster"
)

// saramaCopier consumes the messages of a partition and produces copies of them in transactions with their offsets, with
// sarama's clients. It aborts each third transaction, and does it once more.
type saramaCopier struct {
	t        *testing.T
	cluster  *testcluster.Cluster
	producer sarama.SyncProducer
	consumer sarama.Consumer
	feed     sarama.PartitionConsumer // from copied on
	admin    *kadm.Client
	messages int
	copied   int // of the messages, as the group's offset has it
	count    int // of transactions
	failed   int
}

const saramaGroup = "sarama-copiers"

func newSaramaCopier(t *testing.T, cluster *testcluster.Cluster, replicas, numbers int) *saramaCopier {
	t.Helper()
	cluster.CreateTopic("in", 1, replicas, nil)
	cluster.CreateTopic("out", 1, replicas, nil)
	produceNumbers(t, franzAt(t, cluster.Addrs()[0]), "in", numbers)
	conf := saramaConfig()
	conf.Consumer.IsolationLevel, conf.Consumer.Retry.Backoff, conf.Consumer.MaxWaitTime = sarama.ReadCommitted, 100*time.Millisecond, 100*time.Millisecond
	consumer, err := sarama.NewConsumer(cluster.Addrs(), conf)
	if err != nil {
		t.Fatal(err)
	}
	c := &saramaCopier{t: t, cluster: cluster, consumer: consumer, messages: numbers}
	c.admin = kadm.NewClient(franzAt(t, cluster.Addrs()[0]))
	c.open()
	c.seek()
	t.Cleanup(func() { _ = c.feed.Close(); _ = consumer.Close() })
	return c
}

// seek goes back to what is to be copied next.
func (c *saramaCopier) seek() {
	c.t.Helper()
	if c.feed != nil {
		_ = c.feed.Close() // its errors have passed
	}
	for ctx := patient(c.t); ; {
		feed, err := c.consumer.ConsumePartition("in", 0, int64(c.copied))
		if err == nil {
			c.feed = feed
			return
		}
		select {
		case <-ctx.Done():
			c.t.Fatalf("consume from %d: %v", c.copied, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// next consumes what is to be copied in a transaction.
func (c *saramaCopier) next() (messages []*sarama.ConsumerMessage) {
	c.t.Helper()
	const size = 25
	for ctx := patient(c.t); len(messages) < min(size, c.messages-c.copied); {
		select {
		case m := <-c.feed.Messages():
			if want := int64(c.copied + len(messages)); m.Offset != want {
				c.t.Fatalf("consumed offset %d, want %d", m.Offset, want)
			}
			messages = append(messages, m)
		case err := <-c.feed.Errors():
			c.t.Logf("it goes on consuming after: %v", err)
		case <-ctx.Done():
			c.t.Fatalf("consumed %d messages from %d on", len(messages), c.copied)
		}
	}
	return messages
}

// open begins a life of the producer: what its last one has left is decided when it returns.
func (c *saramaCopier) open() {
	c.t.Helper()
	conf := saramaConfig()
	conf.Producer.Idempotent, conf.Producer.RequiredAcks, conf.Net.MaxOpenRequests = true, sarama.WaitForAll, 1
	conf.Producer.Transaction.ID, conf.Producer.Transaction.Timeout = "sarama-copier", 20*time.Second
	conf.Producer.Retry.Max, conf.Producer.Transaction.Retry.Max = 100, 100
	for ctx := patient(c.t); ; {
		producer, err := sarama.NewSyncProducer(c.cluster.Addrs(), conf)
		if err == nil {
			c.producer = producer
			return
		}
		select {
		case <-ctx.Done():
			c.t.Fatalf("a producer: %v", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// until copies until so many messages are.
func (c *saramaCopier) until(copied int) {
	c.t.Helper()
	for c.copied < copied {
		if err := c.transaction(); err != nil {
			c.failed++
			c.t.Logf("transaction %d: %v", c.count, err)
			// Nobody knows what became of it. The next producer's first request decides it, and the group's offset tells.
			_ = c.producer.Close()
			c.open()
			c.copied = c.committed()
			c.seek()
		}
	}
}

func (c *saramaCopier) transaction() error {
	c.count++
	if err := c.producer.BeginTxn(); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	some := c.next()
	for _, m := range some {
		copied := &sarama.ProducerMessage{Topic: "out", Key: sarama.ByteEncoder(m.Key), Value: sarama.ByteEncoder(m.Value)}
		if _, _, err := c.producer.SendMessage(copied); err != nil {
			return fmt.Errorf("send: %w", err)
		}
	}
	next := some[len(some)-1].Offset + 1
	offsets := map[string][]*sarama.PartitionOffsetMetadata{"in": {{Partition: 0, Offset: next, LeaderEpoch: -1}}}
	if err := c.producer.AddOffsetsToTxn(offsets, saramaGroup); err != nil {
		return fmt.Errorf("offsets: %w", err)
	}
	if c.count%3 == 2 {
		if err := c.producer.AbortTxn(); err != nil {
			return fmt.Errorf("abort: %w", err)
		}
		c.seek()
		return nil
	}
	if err := c.producer.CommitTxn(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	c.copied = int(next)
	return nil
}

// committed is the group's offset, once no transaction has one pending.
func (c *saramaCopier) committed() int {
	c.t.Helper()
	for ctx := kadm.RequireStable(patient(c.t)); ; {
		offsets, err := c.admin.FetchOffsets(ctx, saramaGroup)
		o, there := offsets.Lookup("in", 0)
		switch {
		case err == nil && !there:
			return 0
		case err == nil && o.Err == nil:
			return int(max(o.At, 0))
		}
		select {
		case <-ctx.Done():
			c.t.Fatalf("the offset of %s: %v, %v", saramaGroup, err, o.Err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// check compares what came out with what went in.
func (c *saramaCopier) check() {
	c.t.Helper()
	c.until(c.messages)
	if err := c.producer.Close(); err != nil {
		c.t.Error(err)
	}
	committedNumbers(c.t, c.cluster.Addrs(), "out", c.messages)
	caughtUp(c.t, c.cluster.Addrs(), saramaGroup, "in")
}

func TestSaramaCopiesEachRecordOnce(t *testing.T) {
	c := newSaramaCopier(t, testcluster.Start(t, 1), 1, 500)
	c.check()
	if c.failed > 0 {
		t.Errorf("%d transactions have failed, and nothing was wrong", c.failed)
	}
}

// Three brokers, one dead at a time, while the others go on.
func TestSaramaCopiesWhileOneOfThreeBrokersIsDead(t *testing.T) {
	cluster := testcluster.Start(t, 3, testcluster.WithSetting("min.insync.replicas", "2"), testcluster.WithSessionTimeout(1500*time.Millisecond))
	c := newSaramaCopier(t, cluster, 3, 800)
	for i, b := range cluster.Brokers() {
		c.until(200*i + 100)
		b.Kill()
		c.until(200*i + 200)
		b.Restart()
		cluster.AwaitReady()
	}
	c.check()
}
