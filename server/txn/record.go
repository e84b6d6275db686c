package txn

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"ottla/logdir/batch"
	"ottla/server/statetopic"
	"ottla/zkcoord/cluster"
)

const (
	keyVersion         = 0
	valueVersion       = 0
	newestValueVersion = 1
)

func encodeKey(id string) []byte {
	b := make([]byte, 0, 2+2+len(id))
	return appendString(binary.BigEndian.AppendUint16(b, keyVersion), id)
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// encode is the record's value, topics and partitions in order. It is nil, a tombstone, for a dead transactional id.
func (m *metadata) encode() []byte {
	if m.state == Dead {
		return nil
	}
	b := binary.BigEndian.AppendUint16(nil, valueVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(m.producerID))
	b = binary.BigEndian.AppendUint16(b, uint16(m.epoch))
	b = binary.BigEndian.AppendUint32(b, uint32(m.timeout))
	b = append(b, byte(m.state))
	b = m.appendPartitions(b)
	b = binary.BigEndian.AppendUint64(b, uint64(m.updated))
	return binary.BigEndian.AppendUint64(b, uint64(m.started))
}

func (m *metadata) appendPartitions(b []byte) []byte {
	if m.state == Empty {
		return binary.BigEndian.AppendUint32(b, ^uint32(0)) // null, where a complete transaction has an empty list
	}
	topics := m.partitions.byTopic()
	b = binary.BigEndian.AppendUint32(b, uint32(len(topics)))
	for _, t := range topics {
		b = appendString(b, t.name)
		b = binary.BigEndian.AppendUint32(b, uint32(len(t.partitions)))
		for _, p := range t.partitions {
			b = binary.BigEndian.AppendUint32(b, uint32(p))
		}
	}
	return b
}

// topicPartitions are one topic's partitions, in order.
type topicPartitions struct {
	name       string
	partitions []int32
}

// byTopic lists the set in order.
func (s partitions) byTopic() (topics []topicPartitions) {
	all := make([]cluster.TopicPartition, 0, len(s))
	for tp := range s {
		all = append(all, tp)
	}
	slices.SortFunc(all, func(a, b cluster.TopicPartition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	for _, tp := range all {
		if n := len(topics); n == 0 || topics[n-1].name != tp.Topic {
			topics = append(topics, topicPartitions{name: tp.Topic})
		}
		last := &topics[len(topics)-1]
		last.partitions = append(last.partitions, tp.Partition)
	}
	return topics
}

// decodeKey returns the transactional id.
func decodeKey(b []byte) (string, error) {
	r := statetopic.NewReader(b)
	if r.Version(keyVersion, "key version"); r.Err != nil {
		return "", r.Err
	}
	id := r.String("transactional id")
	return id, r.Err
}

// decodeValue reads a value that is not null.
func decodeValue(b []byte) (metadata, error) {
	r := statetopic.NewReader(b)
	version := r.Version(newestValueVersion, "value version")
	if r.Err != nil {
		return metadata{}, r.Err
	}
	r.Flexible = version >= 1
	m := metadata{lastProducerID: noProducerID, lastEpoch: noProducerEpoch, partitions: partitions{}}
	m.producerID, m.epoch = r.Int64("producer id"), r.Int16("producer epoch")
	m.timeout = r.Int32("timeout")
	m.state = State(r.Int8("state"))
	for n := r.Length(true, "topics"); n > 0 && r.Err == nil; n-- {
		topic := r.String("topic")
		for left := r.Length(true, "partitions"); left > 0 && r.Err == nil; left-- {
			m.partitions[cluster.TopicPartition{Topic: topic, Partition: r.Int32("partition")}] = struct{}{}
		}
		r.Tags()
	}
	m.updated, m.started = r.Int64("last update"), r.Int64("start")
	r.Tags()
	if r.Err == nil && (m.state < Empty || m.state > CompleteAbort || m.producerID < 0 || m.epoch < 0) {
		r.Err = fmt.Errorf("state %d of producer %d in epoch %d: %w", m.state, m.producerID, m.epoch, statetopic.ErrRecord)
	}
	return m, r.Err
}

// newBatch is the record of a transactional id, ready to be written.
func newBatch(id string, m *metadata, now int64) []byte {
	b := batch.NewBuilder(batch.PlainOptions(batch.None))
	b.Append(now, encodeKey(id), m.encode())
	return b.Bytes()
}
