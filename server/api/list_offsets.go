package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// listOffsets finds offsets by time. Negative timestamps stand for places in the log.
func (a *API) listOffsets(c *call, req *kmsg.ListOffsetsRequest) {
	resp := kmsg.NewPtrListOffsetsResponse()
	twice := askedTwice(req)
	for _, t := range req.Topics {
		topic := kmsg.NewListOffsetsResponseTopic()
		topic.Topic = t.Topic
		for i := range t.Partitions {
			p := &t.Partitions[i]
			tp := cluster.TopicPartition{Topic: t.Topic, Partition: p.Partition}
			if c.version == 0 {
				topic.Partitions = append(topic.Partitions, a.oldOffsets(req, tp, p))
			} else if twice[tp] {
				topic.Partitions = append(topic.Partitions, noOffset(p.Partition, codeInvalidRequest))
			} else {
				topic.Partitions = append(topic.Partitions, a.offset(c, req, tp, p))
			}
		}
		resp.Topics = append(resp.Topics, topic)
	}
	c.reply(resp)
}

// askedTwice are the partitions that a request names more than once; Kafka refuses to choose.
func askedTwice(req *kmsg.ListOffsetsRequest) map[cluster.TopicPartition]bool {
	times := map[cluster.TopicPartition]bool{}
	for _, t := range req.Topics {
		for i := range t.Partitions {
			tp := cluster.TopicPartition{Topic: t.Topic, Partition: t.Partitions[i].Partition}
			_, again := times[tp]
			times[tp] = again
		}
	}
	return times
}

func noOffset(partition int32, failed int16) kmsg.ListOffsetsResponseTopicPartition {
	out := kmsg.NewListOffsetsResponseTopicPartition()
	out.Partition, out.ErrorCode = partition, failed
	out.Timestamp, out.Offset, out.LeaderEpoch = -1, -1, -1
	return out
}

func (a *API) offset(c *call, req *kmsg.ListOffsetsRequest, tp cluster.TopicPartition,
	p *kmsg.ListOffsetsRequestTopicPartition) kmsg.ListOffsetsResponseTopicPartition {
	if p.Timestamp < 0 && !knowsTimestamp(c.version, p.Timestamp) {
		return noOffset(p.Partition, codeUnsupportedVersion)
	}
	epoch := int32(-1)
	if c.version >= 4 {
		epoch = p.CurrentLeaderEpoch
	}
	offset, timestamp, leaderEpoch, err := a.Replicas.ListOffset(tp, epoch, p.Timestamp, req.IsolationLevel, cluster.BrokerID(req.ReplicaID))
	if err != nil {
		failed := code(err)
		if failed == codeOffsetNotAvailable && c.version < 5 {
			failed = codeLeaderNotAvailable // the nearest retriable code that old clients know
		}
		return noOffset(p.Partition, failed)
	}
	out := noOffset(p.Partition, codeNone)
	out.Offset, out.Timestamp, out.LeaderEpoch = offset, timestamp, leaderEpoch
	return out
}

// knowsTimestamp tells whether a version of the request has the special timestamp: -1 the log's end and -2
// its start always, -3 the largest timestamp from 7, -4 the start of what is on disk from 8, -5 the end of
// what is in tiered storage from 9.
func knowsTimestamp(version int16, timestamp int64) bool {
	switch timestamp {
	case -1, -2:
		return true
	case -3:
		return version >= 7
	case -4:
		return version >= 8
	case -5:
		return version >= 9
	}
	return false
}

// oldOffsets answers for a partition as version 0 does: with the offsets at which segments begin.
func (a *API) oldOffsets(req *kmsg.ListOffsetsRequest, tp cluster.TopicPartition,
	p *kmsg.ListOffsetsRequestTopicPartition) kmsg.ListOffsetsResponseTopicPartition {
	offsets, err := a.Replicas.ListOffsetsV0(tp, p.Timestamp, int(max(0, p.MaxNumOffsets)), cluster.BrokerID(req.ReplicaID))
	out := noOffset(p.Partition, code(err))
	out.OldStyleOffsets = offsets
	return out
}
