package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// consumer is a member of the group. It polls, notes what it was given, and commits that.
type consumer struct {
	id       int
	client   *kgo.Client
	recorder *recorder
	say      func(string, ...any)

	mu struct {
		sync.Mutex
		assignments map[int32]int // by partition, while it is assigned: index in the history
	}
	complaints map[string]int // errors of polls; of the polling goroutine
}

const group = "chaos-group"

func newConsumer(id int, addrs []string, topic string, r *recorder, say func(string, ...any)) (*consumer, error) {
	c := &consumer{id: id, recorder: r, say: say, complaints: make(map[string]int)}
	c.mu.assignments = make(map[int32]int)
	var err error
	c.client, err = kgo.NewClient(
		kgo.SeedBrokers(addrs...), kgo.ClientID(fmt.Sprintf("consumer-%d", id)),
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(), // so that what is polled belongs to one assignment
		kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(time.Second), kgo.RebalanceTimeout(10*time.Second),
		kgo.FetchMaxWait(500*time.Millisecond), kgo.RequestTimeoutOverhead(2*time.Second), kgo.DialTimeout(2*time.Second),
		kgo.MetadataMinAge(200*time.Millisecond), kgo.MetadataMaxAge(3*time.Second),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, given map[string][]int32) { c.assigned(given[topic]) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, taken map[string][]int32) { c.lost(taken[topic]) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, taken map[string][]int32) { c.lost(taken[topic]) }),
	)
	return c, err
}

// assigned is called before the committed offsets are asked for, so that these are not older.
func (c *consumer) assigned(partitions []int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, partition := range partitions {
		c.mu.assignments[partition] = c.recorder.assign(c.id, partition)
	}
}

func (c *consumer) lost(partitions []int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, partition := range partitions {
		delete(c.mu.assignments, partition)
	}
}

// run polls until ctx ends, and leaves the group.
func (c *consumer) run(ctx context.Context) {
	defer c.client.CloseAllowingRebalance()
	for ctx.Err() == nil {
		fetches := c.client.PollFetches(ctx)
		fetches.EachError(func(_ string, partition int32, err error) {
			var rejoin *kgo.ErrGroupSession
			if ctx.Err() != nil || errors.As(err, &rejoin) {
				return // to join again and again is what a member has to do
			}
			text := fmt.Sprintf("consumer %d: poll of partition %d: %v", c.id, partition, err)
			if c.complaints[text]++; c.complaints[text] == 1 {
				c.say("%s", text)
			}
		})
		fetches.EachPartition(func(p kgo.FetchTopicPartition) { c.note(p.Partition, p.Records) })
		if fetches.NumRecords() > 0 {
			c.commit(ctx)
		}
		c.client.AllowRebalance()
	}
}

func (c *consumer) note(partition int32, records []*kgo.Record) {
	if len(records) == 0 {
		return
	}
	c.mu.Lock()
	assignment, ok := c.mu.assignments[partition]
	c.mu.Unlock()
	if !ok {
		c.say("consumer %d was given records of partition %d, which it does not have", c.id, partition)
		return
	}
	poll := Poll{Assignment: assignment, Partition: partition}
	for _, r := range records {
		poll.Entries = append(poll.Entries, Entry{Offset: r.Offset, Record: parsePayload(partition, r.Value)})
	}
	c.recorder.poll(poll)
}

// commit commits what was polled. It may fail, as it does when the group has moved on.
func (c *consumer) commit(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	c.client.CommitOffsetsSync(ctx, c.client.UncommittedOffsets(), func(_ *kgo.Client, request *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
		if err != nil {
			return
		}
		offsets := make(map[int32]int64)
		for _, topic := range request.Topics {
			for _, p := range topic.Partitions {
				offsets[p.Partition] = p.Offset
			}
		}
		for _, topic := range answer.Topics {
			for _, p := range topic.Partitions {
				if p.ErrorCode == 0 {
					c.recorder.commit(c.id, p.Partition, offsets[p.Partition])
				}
			}
		}
	})
}
