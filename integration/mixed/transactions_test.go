package mixed

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// transactionsTopic is where the coordinators of transactions keep their state.
const transactionsTopic = "__transaction_state"

// outcome is what a producer knows of a transaction.
type outcome string

const (
	committed outcome = "committed"
	aborted   outcome = "aborted"
	unknown   outcome = "asked to be committed, with no answer"
)

// transactions are those of one producer, of which one in three is aborted. Each writes its number to every
// partition of a topic.
type transactions struct {
	c          *cluster
	topic      string
	partitions int32
	enough     context.CancelFunc
	work       sync.WaitGroup

	mu       sync.Mutex
	outcomes []outcome // by number
}

func (c *cluster) startTransactions(topic string, partitions int32) *transactions {
	c.t.Helper()
	ctx, enough := context.WithCancel(context.Background())
	x := &transactions{c: c, topic: topic, partitions: partitions, enough: enough}
	x.work.Go(func() { x.run(ctx) })
	c.t.Cleanup(func() { enough(); x.work.Wait() })
	return x
}

// run makes one transaction after another. After trouble it begins with a new client, which has the coordinator
// abort what the old one left.
func (x *transactions) run(ctx context.Context) {
	var client *kgo.Client
	for number := 0; ctx.Err() == nil; number++ {
		if client == nil {
			client = x.client()
		}
		what, err := x.transact(client, number)
		x.mu.Lock()
		x.outcomes = append(x.outcomes, what)
		x.mu.Unlock()
		if err != nil {
			client.Close()
			client = nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * pace):
		}
	}
	if client != nil {
		client.Close()
	}
}

func (x *transactions) client() *kgo.Client {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(x.c.addrs()...), kgo.MetadataMinAge(100*time.Millisecond), kgo.TransactionalID("cashier"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(x.topic), kgo.UnknownTopicRetries(-1),
		kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }),
	)
	if err != nil {
		panic(err) // the options are wrong
	}
	return client
}

// transact makes one transaction.
func (x *transactions) transact(client *kgo.Client, number int) (outcome, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := client.BeginTransaction(); err != nil {
		return aborted, err
	}
	var records []*kgo.Record
	for p := range x.partitions {
		records = append(records, &kgo.Record{Partition: p, Value: strconv.AppendInt(nil, int64(number), 10)})
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		_ = client.EndTransaction(ctx, kgo.TryAbort)
		return aborted, err
	}
	commit := number%3 != 0
	err := client.EndTransaction(ctx, kgo.TransactionEndTry(commit))
	switch {
	case !commit:
		return aborted, err
	case err != nil:
		return unknown, err
	default:
		return committed, nil
	}
}

// count is how many transactions were committed.
func (x *transactions) count() (n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, what := range x.outcomes {
		if what == committed {
			n++
		}
	}
	return n
}

// awaitMore waits until n more transactions are committed.
func (x *transactions) awaitMore(n int) {
	x.c.t.Helper()
	before := x.count()
	x.c.eventually(fmt.Sprintf("%d more transactions are committed", n), func() error {
		if now := x.count(); now < before+n {
			return fmt.Errorf("%d are", now-before)
		}
		return nil
	})
}

// check ends the producer and reads what was committed: all of each transaction that was, once, and nothing of
// one that was aborted.
func (x *transactions) check() {
	x.c.t.Helper()
	x.enough()
	x.work.Wait()
	seen := x.read()
	tally := make(map[outcome]int)
	for number, what := range x.outcomes {
		tally[what]++
		var times []int
		for p := range x.partitions {
			times = append(times, seen[int(p)][number])
		}
		for _, n := range times {
			whole := n == times[0]
			if !whole || n > 1 || what == committed && n != 1 || what == aborted && n != 0 {
				x.c.t.Errorf("transaction %d was %s and is there %v times, by partition", number, what, times)
				break
			}
		}
	}
	x.c.t.Logf("%s: transactions %v", x.topic, tally)
}

// read counts, by partition, how often a reader of what is committed sees each number. A last record in each
// partition, of no transaction, shows the end.
func (x *transactions) read() []map[int]int {
	x.c.t.Helper()
	const end = "end"
	ctx := x.c.patient()
	client, err := kgo.NewClient(kgo.SeedBrokers(x.c.addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ConsumeTopics(x.topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		x.c.t.Fatal(err)
	}
	defer client.Close()
	var seen []map[int]int
	for p := range x.partitions {
		seen = append(seen, make(map[int]int))
		if err := client.ProduceSync(ctx, &kgo.Record{Topic: x.topic, Partition: p, Value: []byte(end)}).FirstErr(); err != nil {
			x.c.t.Fatal(err)
		}
	}
	for left := x.partitions; left > 0; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			x.c.t.Fatalf("read %s: %v", x.topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if string(r.Value) == end {
				left--
				return
			}
			number, err := strconv.Atoi(string(r.Value))
			if err != nil {
				x.c.t.Error(err)
			}
			seen[r.Partition][number]++
		})
	}
	return seen
}
