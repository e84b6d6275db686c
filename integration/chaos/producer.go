package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// How fast a producer goes, and how much of one partition it has unanswered at most. A partition without a leader
// then holds up no other.
const (
	producerPause   = 10 * time.Millisecond
	recordsPerPause = 4
	mostUnanswered  = 200
)

// producer is an idempotent producer with acks=all, as franz-go has it by default, that writes to all partitions in
// turn.
type producer struct {
	id       int
	client   *kgo.Client
	recorder *recorder
	say      func(string, ...any)
	left     int // how many records it may still send

	mu struct {
		sync.Mutex
		unanswered map[int32]int
		refused    int // answered with an error: in the log or not, as with any lost answer
	}
}

func newProducer(id int, addrs []string, s settings, r *recorder, say func(string, ...any)) (*producer, error) {
	p := &producer{id: id, recorder: r, say: say, left: s.records}
	p.mu.unanswered = make(map[int32]int)
	options := []kgo.Opt{
		kgo.SeedBrokers(addrs...), kgo.ClientID(fmt.Sprintf("producer-%d", id)), kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()),
		// A frozen broker shall cost a producer seconds, and never a record.
		kgo.ProduceRequestTimeout(2 * time.Second), kgo.RequestTimeoutOverhead(2 * time.Second), kgo.DialTimeout(2 * time.Second),
		kgo.MetadataMinAge(200 * time.Millisecond), kgo.MetadataMaxAge(3 * time.Second),
		// A broker that has just come back, and is cut off from the controller, knows of no topic.
		kgo.UnknownTopicRetries(-1),
		kgo.ProducerOnDataLossDetected(func(topic string, partition int32) {
			say("producer %d: %s-%d: the broker does not know its sequence any more", id, topic, partition)
		}),
	}
	if s.careless {
		options = append(options, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	}
	var err error
	p.client, err = kgo.NewClient(options...)
	return p, err
}

// run sends until ctx ends or the records are used up, then waits for the answers until patience ends.
func (p *producer) run(ctx context.Context, patience time.Duration) error {
	ticker := time.NewTicker(producerPause)
	defer ticker.Stop()
	next := make(map[int32]int64)
	for turn := int32(0); ctx.Err() == nil && p.left > 0; {
		for range recordsPerPause {
			partition := turn % partitions
			turn++
			if p.left > 0 && p.send(partition, next[partition]) {
				next[partition]++
				p.left--
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
	flush, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.client.Flush(flush); err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		return fmt.Errorf("producer %d: %v after the last record there are no answers from these partitions (records): %v", p.id, patience, p.mu.unanswered)
	}
	return nil
}

// send sends one record, unless too many of its partition are on their way.
func (p *producer) send(partition int32, sequence int64) bool {
	p.mu.Lock()
	full := p.mu.unanswered[partition] >= mostUnanswered
	if !full {
		p.mu.unanswered[partition]++
	}
	p.mu.Unlock()
	if full {
		return false
	}
	record := Record{p.id, sequence}
	// Not the run's context: the end of a run may not take back what has been sent.
	p.client.Produce(context.Background(), &kgo.Record{Partition: partition, Value: payload(partition, record)}, func(r *kgo.Record, err error) {
		if err == nil {
			p.recorder.ack(Ack{record, r.Partition, r.Offset})
		}
		p.answered(partition, record, err)
	})
	return true
}

func (p *producer) answered(partition int32, record Record, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.unanswered[partition]--; p.mu.unanswered[partition] == 0 {
		delete(p.mu.unanswered, partition)
	}
	if err == nil || errors.Is(err, kgo.ErrClientClosed) {
		return
	}
	if p.mu.refused++; p.mu.refused <= 5 {
		p.say("partition %d: %v is refused: %v", partition, record, err)
	}
}

func (p *producer) refused() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.refused
}
