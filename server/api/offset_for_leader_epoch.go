package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// offsetForLeaderEpoch tells where an epoch ended, so that a follower or a consumer that was elsewhere
// meanwhile learns how much of what it has is still true (KIP-101, KIP-320).
func (a *API) offsetForLeaderEpoch(c *call, req *kmsg.OffsetForLeaderEpochRequest) {
	resp := kmsg.NewPtrOffsetForLeaderEpochResponse()
	s := a.Metadata.Snapshot()
	for _, t := range req.Topics {
		topic := kmsg.NewOffsetForLeaderEpochResponseTopic()
		topic.Topic = t.Topic
		for _, p := range t.Partitions {
			out := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			out.Partition, out.LeaderEpoch, out.EndOffset = p.Partition, -1, -1
			tp := cluster.TopicPartition{Topic: t.Topic, Partition: p.Partition}
			current := int32(-1)
			if c.version >= 2 {
				current = p.CurrentLeaderEpoch
			}
			if _, ok := s.Partition(tp); !ok {
				out.ErrorCode = codeUnknownTopicOrPartition
			} else if epoch, end, err := a.Replicas.EpochEndOffset(tp, current, p.LeaderEpoch); err != nil {
				out.ErrorCode = code(err)
			} else {
				out.LeaderEpoch, out.EndOffset = epoch, end
			}
			topic.Partitions = append(topic.Partitions, out)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	c.reply(resp)
}
