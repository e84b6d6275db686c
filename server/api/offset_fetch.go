package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// offsetFetch reads a group's offsets, version 0 from ZooKeeper.
func (a *API) offsetFetch(c *call, req *kmsg.OffsetFetchRequest) {
	if c.version > 0 {
		a.Groups.OffsetFetch(req, replyWith[*kmsg.OffsetFetchResponse](c))
		return
	}
	resp := kmsg.NewPtrOffsetFetchResponse()
	for _, t := range req.Topics {
		topic := kmsg.OffsetFetchResponseTopic{Topic: t.Topic}
		for _, partition := range t.Partitions {
			topic.Partitions = append(topic.Partitions, a.offsetInZooKeeper(c, req.Group, cluster.TopicPartition{Topic: t.Topic, Partition: partition}))
		}
		resp.Topics = append(resp.Topics, topic)
	}
	c.reply(resp)
}

// offsetInZooKeeper answers for a partition whose offset was stored by version 0. One without an offset is
// UNKNOWN_TOPIC_OR_PARTITION there, whether or not it exists.
func (a *API) offsetInZooKeeper(c *call, group string, tp cluster.TopicPartition) kmsg.OffsetFetchResponseTopicPartition {
	out := kmsg.NewOffsetFetchResponseTopicPartition()
	out.Partition, out.Offset, out.Metadata = tp.Partition, -1, new(string)
	out.ErrorCode = codeUnknownTopicOrPartition
	if _, ok := a.Metadata.Snapshot().Partition(tp); !ok {
		return out
	}
	offset, found, err := a.Offsets.ConsumerOffset(c.ctx, group, tp)
	switch {
	case err != nil:
		a.quiet.warnf(a.Log, "group %s: read the offset of %s from ZooKeeper: %v", group, tp, err)
		out.ErrorCode = code(err)
	case found:
		out.ErrorCode, out.Offset = codeNone, offset
	}
	return out
}
