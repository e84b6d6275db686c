package mixed

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/integration/apache"
)

// copierClass copies a partition in transactions, with its offsets in them, of which it aborts some at random.
const copierClass = "org.apache.kafka.tools.TransactionalMessageCopier"

// The Java client's transactions, as Apache Kafka's own system tests run them, while three times that broker of three dies by
// kill -9 without which nothing goes on: the transactions' coordinator, the leader of the copy and the group's
// coordinator. The copy is the original, record by record.
func TestApachesCopierOutlivesKilledBrokers(t *testing.T) {
	t.Parallel()
	c := start(t, map[string]string{"min.insync.replicas": "2", "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500"}, ottla, ottla, ottla)
	c.createTopic("original", replicas(1, 2, 3))
	c.createTopic("copy", replicas(2, 3, 1))
	const numbers = 8000
	c.produceNumbers("original", numbers)
	run := c.startCopier("original", "copy", numbers)
	copied := c.startCopyReader("copy")
	for i, role := range []struct {
		name string
		of   func() int32
	}{
		{"the transactions' coordinator", func() int32 { return c.coordinator(c.admin.FindTxnCoordinators, "copier") }},
		{"the leader of the copy", func() int32 { return c.leader("copy", 0) }},
		{"the group's coordinator", func() int32 { return c.coordinator(c.admin.FindGroupCoordinators, "copiers") }},
	} {
		copied.await(numbers/4*(i+1), run)
		victim := c.broker(role.of())
		t.Logf("broker %d, %s, is killed after %d records", victim.id, role.name, copied.next)
		victim.kill()
		victim.start()
		for _, topic := range []string{"original", "copy"} {
			c.awaitISR(topic, 0, 1, 2, 3)
		}
	}
	copied.await(numbers, run)
}

// produceNumbers writes 0, 1 ... n-1 to partition 0.
func (c *cluster) produceNumbers(topic string, n int) {
	c.t.Helper()
	var records []*kgo.Record
	for i := range n {
		records = append(records, &kgo.Record{Topic: topic, Value: strconv.AppendInt(nil, int64(i), 10)})
	}
	if err := c.client.ProduceSync(c.patient(), records...).FirstErr(); err != nil {
		c.t.Fatalf("produce to %s: %v", topic, err)
	}
}

// copierRun is the copier, and those that take its place after an error that ends it: its clients do so when a request has found
// no answer for too long. The next one has the same transactional id.
type copierRun struct {
	c       *cluster
	args    []string
	process *apache.Process
	started int
}

func (c *cluster) startCopier(from, to string, records int) *copierRun {
	c.t.Helper()
	r := &copierRun{c: c, args: []string{
		"--broker-list", strings.Join(c.addrs(), ","), "--input-topic", from, "--input-partition", "0", "--output-topic", to,
		"--max-messages", fmt.Sprint(records), "--consumer-group", "copiers", "--transaction-size", "50", "--transaction-timeout", "10000",
		"--transactional-id", "copier", "--enable-random-aborts", "--group-mode", "--use-group-metadata",
	}}
	r.start()
	return r
}

func (r *copierRun) start() {
	r.c.t.Helper()
	r.started++
	r.process = apache.StartTool(r.c.t, fmt.Sprint("copier-", r.started), copierClass, r.args...)
}

// tend replaces a copier that has failed.
func (r *copierRun) tend() {
	r.c.t.Helper()
	const most = 10
	ended, err := r.process.Ended()
	if !ended || err == nil {
		return
	}
	if r.started == most {
		r.c.t.Fatalf("%d copiers have failed, the last with %v\n%s", most, err, r.process.Output())
	}
	r.c.t.Logf("copier %d has failed: %v", r.started, err)
	r.start()
}

// copyReader reads what is committed of a copy: the numbers from 0 on, in their order.
type copyReader struct {
	c      *cluster
	topic  string
	client *kgo.Client
	next   int
}

func (c *cluster) startCopyReader(topic string) *copyReader {
	c.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.addrs()...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(client.Close)
	return &copyReader{c: c, topic: topic, client: client}
}

// await reads until there are n numbers.
func (r *copyReader) await(n int, run *copierRun) {
	r.c.t.Helper()
	for ctx := r.c.patient(); r.next < n; {
		run.tend()
		r.client.PollFetches(ctx).EachRecord(func(got *kgo.Record) {
			if string(got.Value) != strconv.Itoa(r.next) {
				r.c.t.Fatalf("%s: at offset %d, %s follows %d", r.topic, got.Offset, got.Value, r.next-1)
			}
			r.next++
		})
		if ctx.Err() != nil {
			r.c.t.Fatalf("%s: %d of %d numbers; copier %d has printed:\n%s", r.topic, r.next, n, run.started, run.process.Output())
		}
	}
}
