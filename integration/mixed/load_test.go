package mixed

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// place is where a record lies in its topic.
type place struct {
	partition int32
	offset    int64
}

func (p place) String() string { return fmt.Sprintf("%d@%d", p.partition, p.offset) }

// load writes numbered records to a topic, as an idempotent producer with acks=all, while a group of two
// consumers reads them.
type load struct {
	c          *cluster
	topic      string
	partitions int32
	producer   *kgo.Client
	group      string
	stop       context.CancelFunc // of the consumers
	enough     context.CancelFunc // of the producer
	producing  sync.WaitGroup
	consuming  sync.WaitGroup

	mu           sync.Mutex
	sent         int
	acknowledged map[place]string
	consumed     map[place]string
	failures     []error
}

// pace is how long the producer rests between two records: a few hundred a second are many batches, and leave
// the machine to the brokers.
const pace = 4 * time.Millisecond

func (c *cluster) startLoad(topic string, partitions int32) *load {
	c.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	whileProducing, enough := context.WithCancel(ctx)
	l := &load{
		c: c, topic: topic, partitions: partitions, group: "readers-of-" + topic, stop: stop, enough: enough,
		acknowledged: make(map[place]string), consumed: make(map[place]string),
	}
	l.producer = l.client(
		kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(time.Millisecond),
		// What would be a loss may not be hidden behind a new producer id.
		kgo.StopProducerOnDataLossDetected(), kgo.UnknownTopicRetries(-1),
	)
	l.producing.Go(func() { l.produce(whileProducing) })
	for range 2 {
		l.consuming.Go(func() { l.consume(ctx) })
	}
	c.t.Cleanup(func() { stop(); l.producer.Close(); l.producing.Wait(); l.consuming.Wait() })
	return l
}

// client is one that finds new leaders quickly.
func (l *load) client(opts ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(l.c.addrs()...), kgo.MetadataMinAge(100 * time.Millisecond), kgo.ProduceRequestTimeout(5 * time.Second),
		kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }),
	}, opts...)...)
	if err != nil {
		l.c.t.Fatal(err)
	}
	return client
}

func (l *load) produce(ctx context.Context) {
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		l.mu.Lock()
		l.sent++
		l.mu.Unlock()
		record := &kgo.Record{Partition: int32(i) % l.partitions, Key: fmt.Append(nil, i), Value: fmt.Appendf(nil, "record %d", i)}
		l.producer.Produce(context.Background(), record, func(r *kgo.Record, err error) {
			if errors.Is(err, kgo.ErrClientClosed) {
				return
			}
			l.note(l.acknowledged, r, err)
		})
	}
}

// consume is one member of the group. Offsets are committed each time some records have been seen.
func (l *load) consume(ctx context.Context) {
	member := l.client(
		kgo.ConsumerGroup(l.group), kgo.ConsumeTopics(l.topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.AutoCommitInterval(200*time.Millisecond), kgo.SessionTimeout(10*time.Second), kgo.HeartbeatInterval(500*time.Millisecond),
		kgo.FetchMaxWait(200*time.Millisecond),
	)
	defer member.Close()
	for ctx.Err() == nil {
		// Errors are of the weather; what is not read in the end shows.
		member.PollFetches(ctx).EachRecord(func(r *kgo.Record) { l.note(l.consumed, r, nil) })
	}
}

// note keeps what a place was said to hold. Two answers for one place must agree.
func (l *load) note(seen map[place]string, r *kgo.Record, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, value := place{r.Partition, r.Offset}, string(r.Value)
	if err != nil {
		l.failures = append(l.failures, fmt.Errorf("%s was refused: %w", value, err))
		return
	}
	if before, twice := seen[at]; twice && before != value {
		l.failures = append(l.failures, fmt.Errorf("%v held %q, then %q", at, before, value))
	}
	seen[at] = value
}

func (l *load) count(seen map[place]string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(seen)
}

// awaitMore waits until n more records are acknowledged and consumed: the cluster works.
func (l *load) awaitMore(n int) {
	l.c.t.Helper()
	for what, seen := range map[string]map[place]string{"acknowledged": l.acknowledged, "consumed": l.consumed} {
		before := l.count(seen)
		l.c.eventually(fmt.Sprintf("%d more records of %s are %s", n, l.topic, what), func() error {
			if now := l.count(seen); now < before+n {
				return fmt.Errorf("%d are", now-before)
			}
			return nil
		})
	}
}

// check ends the load and reads the topic again: each record that was acknowledged is there once, at the
// offset that was acknowledged, and the group has seen and committed all.
func (l *load) check() {
	l.c.t.Helper()
	if err := l.end(); err != nil {
		l.c.t.Fatalf("flush the records of %s: %v", l.topic, err)
	}
	ends, err := l.c.admin.ListEndOffsets(l.c.patient(), l.topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		l.c.t.Fatalf("the ends of %s: %v", l.topic, err)
	}
	there := l.read(ends)
	l.mu.Lock()
	defer l.mu.Unlock()
	values := make(map[string]place)
	for at, value := range there {
		if other, twice := values[value]; twice {
			l.failures = append(l.failures, fmt.Errorf("%q is there twice, at %v and %v", value, other, at))
		}
		values[value] = at
	}
	for _, said := range []map[place]string{l.acknowledged, l.consumed} {
		for at, value := range said {
			if there[at] != value {
				l.failures = append(l.failures, fmt.Errorf("%v was said to hold %q and holds %q; that record is at %v", at, value, there[at], values[value]))
			}
		}
	}
	if len(l.acknowledged) != l.sent || len(l.acknowledged) == 0 {
		l.failures = append(l.failures, fmt.Errorf("%d of %d records were acknowledged", len(l.acknowledged), l.sent))
	}
	l.c.t.Logf("%s: %d records sent, %d acknowledged, %d there, %d consumed", l.topic, l.sent, len(l.acknowledged), len(there), len(l.consumed))
	for _, err := range l.failures[:min(20, len(l.failures))] {
		l.c.t.Error(err)
	}
	if len(l.failures) > 20 {
		l.c.t.Errorf("and %d more", len(l.failures)-20)
	}
}

// end stops the producer, waits for what it has sent, and lets the group read it all.
func (l *load) end() error {
	l.c.t.Helper()
	l.enough()
	l.producing.Wait()
	if err := l.producer.Flush(l.c.patient()); err != nil {
		return err
	}
	l.c.eventually("the group has seen all of "+l.topic, func() error {
		if seen, all := l.count(l.consumed), l.count(l.acknowledged); seen < all {
			return fmt.Errorf("%d of %d", seen, all)
		}
		return nil
	})
	l.stop()
	l.consuming.Wait()
	return nil
}

// read reads the topic from its start to these ends.
func (l *load) read(ends kadm.ListedOffsets) map[place]string {
	l.c.t.Helper()
	reader := l.client(kgo.ConsumeTopics(l.topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer reader.Close()
	there, next := make(map[place]string), make(map[int32]int64)
	behind := func() bool {
		return slices.ContainsFunc(slices.Collect(maps.Values(ends[l.topic])), func(o kadm.ListedOffset) bool { return next[o.Partition] < o.Offset })
	}
	for behind() {
		fetches := reader.PollFetches(l.c.patient())
		if err := fetches.Err(); err != nil {
			l.c.t.Fatalf("read %s: %v", l.topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset != next[r.Partition] {
				l.c.t.Errorf("%s-%d: offset %d follows %d", l.topic, r.Partition, r.Offset, next[r.Partition]-1)
			}
			next[r.Partition] = r.Offset + 1
			there[place{r.Partition, r.Offset}] = string(r.Value)
		})
	}
	return there
}
