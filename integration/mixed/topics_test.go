package mixed

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// replicas is the assignment of one partition; the first one is the preferred leader.
func replicas(ids ...int32) []int32 { return ids }

// createTopic makes a topic with these replicas, a list for each partition, and waits until every broker
// knows its leaders.
func (c *cluster) createTopic(topic string, assignment ...[]int32) {
	c.t.Helper()
	c.createTopicWith(topic, nil, assignment...)
}

// createTopicWith is createTopic with settings of the topic.
func (c *cluster) createTopicWith(topic string, settings map[string]string, assignment ...[]int32) {
	c.t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 30000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, -1, -1
	for n, ids := range assignment {
		a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		a.Partition, a.Replicas = int32(n), ids
		t.ReplicaAssignment = append(t.ReplicaAssignment, a)
	}
	for name, value := range settings {
		t.Configs = append(t.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: name, Value: &value})
	}
	req.Topics = append(req.Topics, t)
	answer, err := req.RequestWith(c.patient(), c.client)
	if err != nil {
		c.t.Fatalf("create %s: %v", topic, err)
	}
	if err := kerr.ErrorForCode(answer.Topics[0].ErrorCode); err != nil {
		c.t.Fatalf("create %s: %v", topic, err)
	}
	for n, ids := range assignment {
		c.awaitLeader(topic, int32(n), ids[0])
	}
}

// awaitLeader waits until every broker says that this one leads the partition.
func (c *cluster) awaitLeader(topic string, partition, leader int32) {
	c.t.Helper()
	c.eventually(fmt.Sprintf("broker %d leads %s-%d", leader, topic, partition), func() error {
		for _, b := range c.running() {
			answer, err := b.metadata(topic)
			if err != nil {
				return err
			}
			if err := kerr.ErrorForCode(answer.Topics[0].ErrorCode); err != nil {
				return fmt.Errorf("broker %d: %w", b.id, err)
			}
			partitions := answer.Topics[0].Partitions
			i := slices.IndexFunc(partitions, func(p kmsg.MetadataResponseTopicPartition) bool { return p.Partition == partition })
			if i < 0 {
				return fmt.Errorf("broker %d does not know of it", b.id)
			}
			if partitions[i].Leader != leader {
				return fmt.Errorf("broker %d says that %d does", b.id, partitions[i].Leader)
			}
		}
		return nil
	})
}

// leader is who leads a partition, as ZooKeeper has it.
func (c *cluster) leader(topic string, partition int32) int32 {
	c.t.Helper()
	state, err := c.znodes.state(topic, partition)
	if err != nil {
		c.t.Fatal(err)
	}
	return state.Leader
}

// coordinator is who coordinates a group or a transactional id.
func (c *cluster) coordinator(find func(context.Context, ...string) kadm.FindCoordinatorResponses, of string) (id int32) {
	c.t.Helper()
	c.eventually("a coordinator of "+of, func() error {
		found := find(c.patient(), of)[of]
		id = found.NodeID
		return found.Err
	})
	return id
}

// move gives a partition to these brokers, and waits until they are its replicas and the first of them leads.
func (c *cluster) move(topic string, partition int32, to ...int32) {
	c.t.Helper()
	var req kadm.AlterPartitionAssignmentsReq
	req.Assign(topic, partition, to)
	c.eventually(fmt.Sprintf("%s-%d is to move to %v", topic, partition, to), func() error {
		answers, err := c.admin.AlterPartitionAssignments(c.patient(), req)
		if err != nil {
			return err
		}
		return answers.Error()
	})
	c.awaitISR(topic, partition, to...)
	c.awaitLeader(topic, partition, to[0])
}

// electPreferred gives the partitions of a topic to their preferred leaders.
func (c *cluster) electPreferred(topic string, partitions int32) {
	c.t.Helper()
	wanted := make(kadm.TopicsSet)
	for p := range partitions {
		wanted.Add(topic, p)
	}
	c.eventually("the preferred leaders of "+topic+" lead", func() error {
		results, err := c.admin.ElectLeaders(c.patient(), kadm.ElectPreferredReplica, wanted)
		if err != nil {
			return err
		}
		for _, result := range results[topic] {
			if result.Err != nil && !errors.Is(result.Err, kerr.ElectionNotNeeded) {
				return fmt.Errorf("partition %d: %w: %s", result.Partition, result.Err, result.ErrMessage)
			}
		}
		return nil
	})
}

// awaitISR waits until ZooKeeper has these brokers in sync, in any order.
func (c *cluster) awaitISR(topic string, partition int32, ids ...int32) {
	c.t.Helper()
	ids = slices.Sorted(slices.Values(ids)) // a copy: the caller's order may mean something
	c.eventually(fmt.Sprintf("the ISR of %s-%d is %v", topic, partition, ids), func() error {
		state, err := c.znodes.state(topic, partition)
		if err != nil {
			return err
		}
		if slices.Sort(state.ISR); !slices.Equal(state.ISR, ids) {
			return fmt.Errorf("it is %v", state.ISR)
		}
		return nil
	})
}

// produce sends n records to each partition, with a codec for each batch in turn, and waits until all
// replicas in sync have them. It speaks to the seed and to the leaders only, so that others may be frozen.
func (c *cluster) produce(seed *broker, topic string, partitions int32, n int) {
	c.t.Helper()
	codecs := []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()}
	for i, codec := range codecs {
		// An idempotent producer would ask any broker for its id.
		client, err := kgo.NewClient(kgo.SeedBrokers(seed.addr), kgo.DisableIdempotentWrite(),
			kgo.ProducerBatchCompression(codec), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			c.t.Fatal(err)
		}
		var records []*kgo.Record
		for p := range partitions {
			for j := range n / len(codecs) {
				records = append(records, &kgo.Record{Topic: topic, Partition: p, Key: fmt.Append(nil, j), Value: fmt.Appendf(nil, "%d %d %d", i, p, j)})
			}
		}
		err = client.ProduceSync(c.patient(), records...).FirstErr()
		client.Close()
		if err != nil {
			c.t.Fatalf("produce to %s: %v", topic, err)
		}
	}
}
