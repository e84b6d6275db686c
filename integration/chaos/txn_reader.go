package main

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// committedReader reads the copies from their beginning with isolation level read_committed, without a group.
type committedReader struct {
	name   string
	client *kgo.Client
	note   func(View)

	mu struct {
		sync.Mutex
		next map[int32]int64 // behind the last record or marker that was met
	}
}

func newCommittedReader(name string, addrs []string, s settings, note func(View), more ...kgo.Opt) (*committedReader, error) {
	r := &committedReader{name: name, note: note}
	r.mu.next = make(map[int32]int64)
	isolation := kgo.ReadCommitted()
	if s.careless {
		isolation = kgo.ReadUncommitted()
	}
	from := make(map[int32]kgo.Offset)
	for partition := range int32(copyPartitions) {
		from[partition] = kgo.NewOffset().At(0)
	}
	var err error
	r.client, err = kgo.NewClient(append(more,
		kgo.SeedBrokers(addrs...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{copies: from}),
		kgo.FetchIsolationLevel(isolation),
		kgo.KeepControlRecords(), // an aborted transaction at the end shows only by its marker
		kgo.FetchMaxWait(500*time.Millisecond), kgo.RequestTimeoutOverhead(2*time.Second), kgo.DialTimeout(2*time.Second),
		kgo.MetadataMinAge(200*time.Millisecond), kgo.MetadataMaxAge(3*time.Second),
	)...)
	return r, err
}

// run reads until ctx ends.
func (r *committedReader) run(ctx context.Context) {
	for ctx.Err() == nil {
		r.poll(ctx)
	}
}

func (r *committedReader) poll(ctx context.Context) {
	// Errors are those of brokers that come and go; the client asks again.
	r.client.PollFetches(ctx).EachPartition(func(p kgo.FetchTopicPartition) {
		if len(p.Records) == 0 {
			return
		}
		view := View{Reader: r.name, Partition: p.Partition}
		for _, record := range p.Records {
			if !record.Attrs.IsControl() {
				view.Entries = append(view.Entries, Entry{Offset: record.Offset, Record: parsePayload(p.Partition, record.Value)})
			}
		}
		r.note(view)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.mu.next[p.Partition] = p.Records[len(p.Records)-1].Offset + 1
	})
}

// readTo reads until it has come to the ends, or ctx ends.
func (r *committedReader) readTo(ctx context.Context, ends map[int32]int64) error {
	for !r.reached(ends) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.poll(ctx)
	}
	return nil
}

func (r *committedReader) reached(ends map[int32]int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for partition, end := range ends {
		if r.mu.next[partition] < end {
			return false
		}
	}
	return true
}
