package integration

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/integration/testcluster"
)

// copier reads a topic, writes each record to another one and commits its offsets, all in transactions, some of which it
// aborts: as Apache Kafka's TransactionalMessageCopier does.
type copier struct {
	addrs         []string
	group, id     string
	in, out       string
	abortEach     int // n: each n-th transaction
	session       *kgo.GroupTransactSession
	ended, failed int
}

func (c *copier) open(t *testing.T) {
	t.Helper()
	session, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(c.addrs...), kgo.TransactionalID(c.id), kgo.TransactionTimeout(10*time.Second),
		kgo.ConsumerGroup(c.group), kgo.ConsumeTopics(c.in), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(500*time.Millisecond),
		kgo.FetchMaxWait(100*time.Millisecond), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	c.session = session
}

// run copies until ctx ends. A transaction that fails is as good as aborted: the session goes back to what is committed. After
// an error that ends the producer, it goes on with a new one.
func (c *copier) run(ctx context.Context, t *testing.T) {
	c.open(t)
	defer func() { c.session.Close() }()
	for n := 1; ctx.Err() == nil; n++ {
		fetches := c.session.PollRecords(ctx, 100)
		if fetches.NumRecords() == 0 {
			continue
		}
		if err := c.transaction(ctx, fetches, n%c.abortEach != 0); err != nil && ctx.Err() == nil {
			c.failed++
			t.Logf("%s: transaction %d: %v", c.id, n, err)
			c.session.Close()
			c.open(t)
		}
	}
}

func (c *copier) transaction(ctx context.Context, fetches kgo.Fetches, commit bool) error {
	if err := c.session.Begin(); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	var promise kgo.FirstErrPromise
	fetches.EachRecord(func(r *kgo.Record) {
		c.session.Produce(ctx, &kgo.Record{Topic: c.out, Key: r.Key, Value: r.Value}, promise.Promise())
	})
	produced := promise.Err()
	end := kgo.TransactionEndTry(commit && produced == nil)
	// The end must not be cut off by the end of the test: nobody would know what became of it.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if _, err := c.session.End(bounded, end); err != nil {
		return fmt.Errorf("end: %w", err)
	}
	c.ended++
	if produced != nil && !errors.Is(produced, kerr.TransactionAbortable) {
		return fmt.Errorf("produce: %w", produced)
	}
	return nil
}

// committedNumbers reads a topic as its committed readers see it until it has each of the numbers below n, and reports those
// that come twice.
func committedNumbers(t *testing.T, addrs []string, topic string, n int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	seen := make(map[int]int, n)
	ctx := patient(t)
	for len(seen) < n {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("%s: %d of %d numbers", topic, len(seen), n)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			number, err := strconv.Atoi(string(r.Key))
			if err != nil {
				t.Fatal(err)
			}
			if seen[number]++; seen[number] > 1 {
				t.Errorf("%s: %d is there %d times, at last at %d-%d", topic, number, seen[number], r.Partition, r.Offset)
			}
		})
	}
}

func createTopics(t *testing.T, addrs []string, partitions int32, replicas int16, topics ...string) {
	t.Helper()
	admin := kadm.NewClient(franzAt(t, addrs[0]))
	answers, err := admin.CreateTopics(patient(t), partitions, replicas, nil, topics...)
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// caughtUp waits until a group has committed the whole of a topic.
func caughtUp(t *testing.T, addrs []string, group, topic string) {
	t.Helper()
	admin := kadm.NewClient(franzAt(t, addrs[0]))
	ctx := patient(t)
	for {
		ends, err := admin.ListEndOffsets(ctx, topic)
		if err == nil {
			err = ends.Error()
		}
		offsets, fetched := admin.FetchOffsets(ctx, group)
		behind := int64(0)
		ends.Each(func(end kadm.ListedOffset) {
			o, _ := offsets.Lookup(topic, end.Partition)
			behind += end.Offset - o.At
		})
		if err == nil && fetched == nil && behind == 0 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s is %d records behind (%v, %v)", group, behind, err, fetched)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// transactional runs copiers while trouble does its worst, and then compares what came out with what went in.
func transactional(t *testing.T, addrs []string, replicas int16, numbers, copiers int, trouble func()) {
	t.Helper()
	createTopics(t, addrs, 3, replicas, "in", "out")
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	for i := range copiers {
		c := &copier{addrs: addrs, group: "copiers", id: fmt.Sprint("copier-", i), in: "in", out: "out", abortEach: 4}
		running.Go(func() { c.run(ctx, t) })
	}
	producer, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	var sending sync.WaitGroup
	sending.Go(func() { produceNumbers(t, producer, "in", numbers) })
	trouble()
	sending.Wait()
	committedNumbers(t, addrs, "out", numbers)
	caughtUp(t, addrs, "copiers", "in")
}

func TestFranzCopiesEachRecordOnce(t *testing.T) {
	cluster := testcluster.Start(t, 1)
	transactional(t, cluster.Addrs(), 1, 2000, 2, func() {})
}

// A broker that is stopped, and one that is killed, finds the open and the decided transactions in its logs.
func TestCopiersOutliveTheirBroker(t *testing.T) {
	cluster := testcluster.Start(t, 1, testcluster.WithSetting("transaction.abort.timed.out.transaction.cleanup.interval.ms", "500"))
	transactional(t, cluster.Addrs(), 1, 4000, 2, func() {
		b := cluster.Broker(1)
		for i := range 4 {
			time.Sleep(400 * time.Millisecond) // of work, so that there are transactions to interrupt
			if i%2 == 0 {
				b.Kill()
			} else {
				b.Stop()
			}
			b.Restart()
		}
	})
}

// Three brokers, one dying at a time: leaders, group and transaction coordinators move with transactions open.
func TestCopiersOutliveEachOfThreeBrokers(t *testing.T) {
	cluster := testcluster.Start(t, 3, testcluster.WithSetting("transaction.abort.timed.out.transaction.cleanup.interval.ms", "500"))
	transactional(t, cluster.Addrs(), 3, 4000, 2, func() {
		for _, b := range cluster.Brokers() {
			time.Sleep(300 * time.Millisecond) // of work, so that there are transactions to interrupt
			b.Kill()
			b.Restart()
			cluster.AwaitReady()
		}
	})
}
