package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// sideTopic is created and deleted, and grows, while the others go on.
const sideTopic = "chaos-comes-and-goes"

// deedTime is how long an operator tries, for links may be cut from a fault before. What is left undone, mend does.
const deedTime = 10 * time.Second

// deeds are what operators do to a cluster, whether it is well or not. None of it may lose a record or stay
// half done.
type deeds struct {
	admin *kadm.Client // of the workload
	addrs []string
	// lives counts the lives of the side topic; size is its partitions, 0 while it is not to be there.
	lives, size int
}

// try does something until it succeeds or its time is over.
func try(ctx context.Context, most time.Duration, deed func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for {
		err := deed(ctx)
		if err == nil {
			return nil
		}
		if waited := wait(ctx, 200*time.Millisecond); waited != nil {
			return err
		}
	}
}

// moveAway takes the workload's replicas from a broker, or gives them back with away 0. In both cases the preferred
// leaders change.
func (d *deeds) moveAway(ctx context.Context, away node, brokers []*broker) error {
	var req kadm.AlterPartitionAssignmentsReq
	for partition := range int32(partitions) {
		var replicas []int32
		for n := range brokers {
			// Rotated, so that every broker is preferred for some.
			if id := brokers[(n+int(partition)+int(away))%len(brokers)].id; id != away {
				replicas = append(replicas, int32(id))
			}
		}
		req.Assign(topic, partition, replicas)
	}
	return try(ctx, deedTime, func(ctx context.Context) error {
		answers, err := d.admin.AlterPartitionAssignments(ctx, req)
		return errors.Join(err, answers.Error())
	})
}

// errMisplaced says that replicas are missing, and that nobody is about to make them.
var errMisplaced = errors.New("not where they belong")

// moved returns an error as long as a reassignment is under way, or not every broker has every replica.
func (d *deeds) moved(ctx context.Context, replicas int) error {
	under, err := d.admin.ListPartitionReassignments(ctx, nil)
	if err != nil {
		return err
	}
	if n := len(under.Sorted()); n > 0 {
		return fmt.Errorf("%d partitions are being reassigned", n)
	}
	known, err := d.admin.ListTopics(ctx, topic)
	if err != nil {
		return err
	}
	for _, p := range known[topic].Partitions.Sorted() {
		if len(p.Replicas) != replicas {
			return fmt.Errorf("the replicas %v of partition %d: %w", p.Replicas, p.Partition, errMisplaced)
		}
	}
	return nil
}

// elect gives every partition of the workload to its preferred leader, as far as that is in sync.
func (d *deeds) elect(ctx context.Context) error {
	var all kadm.TopicsSet
	for partition := range int32(partitions) {
		all.Add(topic, partition)
	}
	return try(ctx, deedTime, func(ctx context.Context) error {
		results, err := d.admin.ElectLeaders(ctx, kadm.ElectPreferredReplica, all)
		if err != nil {
			return err
		}
		for _, result := range results[topic] {
			if result.Err != nil && !errors.Is(result.Err, kerr.ElectionNotNeeded) && !errors.Is(result.Err, kerr.PreferredLeaderNotAvailable) {
				return result.Err
			}
		}
		return nil
	})
}

// recreate deletes the side topic, and makes it again as soon as its name is free.
func (d *deeds) recreate(ctx context.Context) error {
	deleted := try(ctx, deedTime, func(ctx context.Context) error {
		answer, err := d.admin.DeleteTopic(ctx, sideTopic)
		if err = errors.Join(err, answer.Err); errors.Is(err, kerr.UnknownTopicOrPartition) {
			return nil
		}
		return err
	})
	if deleted != nil {
		return deleted
	}
	d.lives++
	d.size = 3
	return d.create(ctx)
}

func (d *deeds) create(ctx context.Context) error {
	settings := map[string]*string{"min.insync.replicas": kadm.StringPtr("2")}
	return try(ctx, deedTime, func(ctx context.Context) error {
		answer, err := d.admin.CreateTopic(ctx, int32(d.size), 3, settings, sideTopic)
		if err = errors.Join(err, answer.Err); errors.Is(err, kerr.TopicAlreadyExists) {
			// Either it is still on its way out, or this is our own first try, whose answer was lost.
			known, listed := d.admin.ListTopics(ctx, sideTopic)
			if listed == nil && known.Error() == nil && len(known[sideTopic].Partitions) == d.size {
				return nil
			}
		}
		return err
	})
}

// grow gives the side topic another partition.
func (d *deeds) grow(ctx context.Context) error {
	if d.size == 0 {
		return d.recreate(ctx)
	}
	d.size++
	return d.enlarge(ctx)
}

func (d *deeds) enlarge(ctx context.Context) error {
	return try(ctx, deedTime, func(ctx context.Context) error {
		known, err := d.admin.ListTopics(ctx, sideTopic)
		if err = errors.Join(err, known.Error()); err != nil || len(known[sideTopic].Partitions) >= d.size {
			return err
		}
		answers, err := d.admin.UpdatePartitions(ctx, d.size, sideTopic)
		return errors.Join(err, answers.Error())
	})
}

// mend finishes what a deed could not, and returns an error as long as something is left to do: every broker gets its
// replicas back, and the side topic is there in its size.
func (d *deeds) mend(ctx context.Context, brokers []*broker) error {
	err := d.moved(ctx, len(brokers))
	if errors.Is(err, errMisplaced) {
		err = d.moveAway(ctx, 0, brokers)
	}
	if err != nil {
		return fmt.Errorf("give replicas back: %w", err)
	}
	if err := d.moved(ctx, len(brokers)); err != nil {
		return err
	}
	if d.size == 0 {
		return nil
	}
	known, err := d.admin.ListTopics(ctx, sideTopic)
	if err != nil {
		return err
	}
	if errors.Is(known[sideTopic].Err, kerr.UnknownTopicOrPartition) {
		if err := d.create(ctx); err != nil {
			return fmt.Errorf("create %s: %w", sideTopic, err)
		}
	}
	if err := d.enlarge(ctx); err != nil {
		return fmt.Errorf("let %s grow: %w", sideTopic, err)
	}
	return nil
}

// use writes to every partition of the side topic, and finds there what was written in this life of the topic and nothing of
// an earlier one.
func (d *deeds) use(ctx context.Context) error {
	if d.size == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, deedTime)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(d.addrs...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ConsumeTopics(sideTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.RequestTimeoutOverhead(2*time.Second))
	if err != nil {
		return err
	}
	defer client.Close()
	life := fmt.Sprintf("life %d", d.lives)
	missing := make(map[int32]int64)
	for partition := range int32(d.size) {
		record := &kgo.Record{Topic: sideTopic, Partition: partition, Value: []byte(life)}
		if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
			return fmt.Errorf("produce to %s-%d: %w", sideTopic, partition, err)
		}
		missing[partition] = record.Offset
	}
	var ghosts []string
	for len(missing) > 0 {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("read %s: partitions and offsets %v are missing", sideTopic, missing)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if string(r.Value) != life {
				ghosts = append(ghosts, fmt.Sprintf("%d@%d: %s", r.Partition, r.Offset, r.Value))
			}
			if offset, ok := missing[r.Partition]; ok && r.Offset >= offset {
				delete(missing, r.Partition)
			}
		})
	}
	if slices.Sort(ghosts); len(ghosts) > 0 {
		return fmt.Errorf("%s, in its %s, has records of a life before: %v", sideTopic, life, ghosts)
	}
	return nil
}
