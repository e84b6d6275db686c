package server

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/logdir"
	"ottla/server/api"
	"ottla/server/config"
	"ottla/server/metadata"
	"ottla/server/replica"
	"ottla/zkcoord/cluster"
)

// groupsTopic is the topic that keeps offsets and groups.
const groupsTopic = "__consumer_offsets"

// batchVersion is the version of Produce whose rules the coordinator's batches obey: the newest.
const batchVersion = 11

// offsetsTopic is __consumer_offsets as the group coordinator needs it: group.Storage on the partitions that
// this broker leads.
type offsetsTopic struct {
	replicas *replica.Manager
	metadata *metadata.Cache
	config   *config.Config
}

// partitions is how many the topic has or, before it exists, will have: a group's partition follows from it.
func (t *offsetsTopic) partitions() int32 {
	if topic, ok := t.metadata.Snapshot().Topic(groupsTopic); ok {
		return int32(len(topic.Partitions))
	}
	return t.config.OffsetsTopicPartitions
}

func partitionOf(n int32) cluster.TopicPartition {
	return cluster.TopicPartition{Topic: groupsTopic, Partition: n}
}

// Append writes a batch and calls done when as many replicas have it as offsets.commit.required.acks says.
func (t *offsetsTopic) Append(partition int32, batch []byte, done func(baseOffset int64, err error)) {
	entries := []replica.AppendEntry{{TopicPartition: partitionOf(partition), Records: batch}}
	t.replicas.Append(t.config.OffsetsCommitRequiredAcks, t.config.OffsetsCommitTimeout, logdir.OriginCoordinator, batchVersion, entries, nil,
		func(entries []replica.AppendEntry) {
			e := entries[0]
			done(e.Result.FirstOffset, onTheWire(e.Err))
		})
}

// Read returns whole batches from an offset on, up to the end of the log.
func (t *offsetsTopic) Read(partition int32, from int64, maxBytes int) ([]byte, error) {
	data, err := t.replicas.ReadLog(partitionOf(partition), from, maxBytes)
	if err != nil {
		return nil, onTheWire(err)
	}
	defer data.Release()
	return data.Bytes()
}

func (t *offsetsTopic) LogStart(partition int32) (int64, error) {
	log, err := t.log(partition)
	if err != nil {
		return 0, err
	}
	return log.LogStartOffset(), nil
}

func (t *offsetsTopic) LogEnd(partition int32) (int64, error) {
	log, err := t.log(partition)
	if err != nil {
		return 0, err
	}
	return log.LogEndOffset(), nil
}

func (t *offsetsTopic) log(partition int32) (*logdir.Log, error) {
	p, err := t.replicas.Partition(partitionOf(partition))
	if err != nil {
		return nil, onTheWire(err)
	}
	log, ok := p.Log()
	if !ok {
		return nil, kerr.KafkaStorageError
	}
	return log, nil
}

// onTheWire joins Kafka's code to an error, by which the coordinator tells them apart.
func onTheWire(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", kerr.ErrorForCode(api.Code(err)), err)
}
