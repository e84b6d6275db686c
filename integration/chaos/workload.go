package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What the clients use. Segments are small, so that there are several in a run.
const (
	topic      = "chaos"
	partitions = 6
	producers  = 3
	consumers  = 2
)

// workload is the clients, and what they were told.
type workload struct {
	*recorder
	say       func(string, ...any)
	admin     *kadm.Client
	producers []*producer
	consumers []*consumer

	stopProducing, stopConsuming context.CancelFunc
	producing, consuming         sync.WaitGroup
	unanswered                   chan error // of each producer
}

// startWorkload makes the topic and starts the clients.
func startWorkload(ctx context.Context, addrs []string, s settings, say func(string, ...any)) (*workload, error) {
	w := &workload{recorder: newRecorder(), say: say, unanswered: make(chan error, producers)}
	client, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.RequestTimeoutOverhead(2*time.Second), kgo.MetadataMinAge(200*time.Millisecond))
	if err != nil {
		return nil, err
	}
	w.admin = kadm.NewClient(client)
	if err := w.createTopic(ctx, topic, partitions); err != nil {
		w.admin.Close()
		return nil, err
	}
	for id := range producers {
		p, err := newProducer(id, addrs, s, w.recorder, say)
		if err != nil {
			return nil, errors.Join(err, w.close())
		}
		w.producers = append(w.producers, p)
	}
	for id := range consumers {
		c, err := newConsumer(id, addrs, topic, w.recorder, say)
		if err != nil {
			return nil, errors.Join(err, w.close())
		}
		w.consumers = append(w.consumers, c)
	}
	produceCtx, stop := context.WithCancel(ctx)
	w.stopProducing = stop
	for _, p := range w.producers {
		w.producing.Go(func() {
			if err := p.run(produceCtx, healTime); err != nil {
				w.unanswered <- err
			}
		})
	}
	consumeCtx, stop := context.WithCancel(ctx)
	w.stopConsuming = stop
	for _, c := range w.consumers {
		w.consuming.Go(func() { c.run(consumeCtx) })
	}
	return w, nil
}

func (w *workload) createTopic(ctx context.Context, topic string, partitions int32) error {
	settings := map[string]*string{"segment.bytes": kadm.StringPtr("262144"), "min.insync.replicas": kadm.StringPtr("2")}
	for attempt := 1; ; attempt++ {
		made, err := w.admin.CreateTopic(ctx, partitions, 3, settings, topic)
		if err = errors.Join(err, made.Err); err == nil {
			return nil
		}
		if attempt == 20 {
			return fmt.Errorf("create the topic: %w", err)
		}
		select {
		case <-time.After(500 * time.Millisecond): // the brokers do not know of each other yet
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// progress returns what tells whether every partition has taken a record since: an error as long as one has not.
func (w *workload) progress() func() error {
	before := w.acknowledged()
	return func() error {
		now := w.acknowledged()
		var standing []int32
		for partition := range int32(partitions) {
			if now[partition] == before[partition] {
				standing = append(standing, partition)
			}
		}
		if len(standing) > 0 {
			return fmt.Errorf("no record of partitions %v was acknowledged", standing)
		}
		return nil
	}
}

// finish ends the producers and waits for their answers.
func (w *workload) finish() error {
	w.stopProducing()
	w.producing.Wait()
	var all []error
	for len(w.unanswered) > 0 {
		all = append(all, <-w.unanswered)
	}
	return errors.Join(all...)
}

// behind returns an error as long as the group has not read to the ends of the partitions.
func (w *workload) behind(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	ends, err := w.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return err
	}
	polled := w.polledTo()
	var behind []string
	for _, end := range ends.Offsets()[topic] {
		if polled[end.Partition] < end.At {
			behind = append(behind, fmt.Sprintf("partition %d: %d of %d", end.Partition, polled[end.Partition], end.At))
		}
	}
	if slices.Sort(behind); len(behind) > 0 {
		return fmt.Errorf("the group has not read all: %v", behind)
	}
	return nil
}

// readAll reads the topic once more as a new client does, from the leaders.
func (w *workload) readAll(ctx context.Context, addrs []string) ([]Read, error) {
	ends, err := w.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(time.Second))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	reads := make([]Read, partitions)
	for partition := range reads {
		reads[partition] = Read{Replica: "its leader, as a client reads it", Partition: int32(partition)}
	}
	complete := func() bool {
		for _, end := range ends.Offsets()[topic] {
			if n := len(reads[end.Partition].Entries); end.At > 0 && (n == 0 || reads[end.Partition].Entries[n-1].Offset < end.At-1) {
				return false
			}
		}
		return true
	}
	for !complete() {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return reads, fmt.Errorf("read all from the leaders: %w", ctx.Err())
		}
		fetches.EachRecord(func(r *kgo.Record) {
			read := &reads[r.Partition]
			read.Entries = append(read.Entries, Entry{r.Offset, r.LeaderEpoch, parsePayload(r.Partition, r.Value)})
		})
	}
	return reads, nil
}

// refused is how many records were answered with an error.
func (w *workload) refused() int {
	n := 0
	for _, p := range w.producers {
		n += p.refused()
	}
	return n
}

// close ends all clients, answers or not.
func (w *workload) close() error {
	var err error
	if w.stopProducing != nil {
		w.stopProducing()
	}
	if w.stopConsuming != nil {
		w.stopConsuming()
	}
	for _, p := range w.producers {
		p.client.Close()
	}
	w.producing.Wait()
	w.consuming.Wait()
	w.admin.Close()
	return err
}
