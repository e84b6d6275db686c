package server

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/logdir"
	"ottla/server/metadata"
	"ottla/server/replica"
	"ottla/zkcoord/cluster"
)

// batchVersion is the version of Produce whose rules the coordinators' batches obey: the newest.
const batchVersion = 11

// topicStore is a coordinators' topic: what both of them need of the partitions that this broker leads.
type topicStore struct {
	topic    string
	replicas *replica.Manager
	metadata *metadata.Cache
	planned  int32 // how many partitions the topic gets when it is made
}

// partitions is how many the topic has or, before it exists, will have: what belongs to which follows from it.
func (t *topicStore) partitions() int32 {
	if topic, ok := t.metadata.Snapshot().Topic(t.topic); ok {
		return int32(len(topic.Partitions))
	}
	return t.planned
}

func (t *topicStore) partition(n int32) cluster.TopicPartition {
	return cluster.TopicPartition{Topic: t.topic, Partition: n}
}

// Read returns whole batches from an offset on, up to the end of the log.
func (t *topicStore) Read(partition int32, from int64, maxBytes int) ([]byte, error) {
	data, err := t.replicas.ReadLog(t.partition(partition), from, maxBytes)
	if err != nil {
		return nil, onTheWire(err)
	}
	defer data.Release()
	return data.Bytes()
}

// LogStart is the first offset.
func (t *topicStore) LogStart(partition int32) (int64, error) {
	log, err := t.log(partition)
	if err != nil {
		return 0, err
	}
	return log.LogStartOffset(), nil
}

// LogEnd is the offset after the last.
func (t *topicStore) LogEnd(partition int32) (int64, error) {
	log, err := t.log(partition)
	if err != nil {
		return 0, err
	}
	return log.LogEndOffset(), nil
}

func (t *topicStore) log(partition int32) (*logdir.Log, error) {
	p, err := t.replicas.Partition(t.partition(partition))
	if err != nil {
		return nil, onTheWire(err)
	}
	log, ok := p.Log()
	if !ok {
		return nil, kerr.KafkaStorageError
	}
	return log, nil
}
