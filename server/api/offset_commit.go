package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// offsetCommit stores a group's offsets. Partitions that do not exist are answered here and never reach
// the coordinator. Version 0 keeps offsets in ZooKeeper, as the clients of its time did themselves.
func (a *API) offsetCommit(c *call, req *kmsg.OffsetCommitRequest) {
	s := a.Metadata.Snapshot()
	known := *req
	known.Topics = nil
	var unknown []kmsg.OffsetCommitResponseTopic
	for _, t := range req.Topics {
		kept, missing := t, kmsg.OffsetCommitResponseTopic{Topic: t.Topic}
		kept.Partitions = nil
		for _, p := range t.Partitions {
			if _, ok := s.Partition(cluster.TopicPartition{Topic: t.Topic, Partition: p.Partition}); ok {
				kept.Partitions = append(kept.Partitions, p)
			} else {
				missing.Partitions = append(missing.Partitions, committed(p.Partition, codeUnknownTopicOrPartition))
			}
		}
		if kept.Partitions != nil {
			known.Topics = append(known.Topics, kept)
		}
		if missing.Partitions != nil {
			unknown = append(unknown, missing)
		}
	}
	switch {
	case known.Topics == nil:
		resp := kmsg.NewPtrOffsetCommitResponse()
		resp.Topics = unknown
		c.reply(resp)
	case c.version == 0:
		resp := a.commitToZooKeeper(c, &known)
		resp.Topics = append(resp.Topics, unknown...)
		c.reply(resp)
	default:
		a.Groups.OffsetCommit(&known, func(resp *kmsg.OffsetCommitResponse) {
			resp.Topics = append(resp.Topics, unknown...)
			c.reply(resp)
		})
	}
}

func committed(partition int32, failed int16) kmsg.OffsetCommitResponseTopicPartition {
	p := kmsg.NewOffsetCommitResponseTopicPartition()
	p.Partition, p.ErrorCode = partition, failed
	return p
}

func (a *API) commitToZooKeeper(c *call, req *kmsg.OffsetCommitRequest) *kmsg.OffsetCommitResponse {
	resp := kmsg.NewPtrOffsetCommitResponse()
	limit := int(a.Config.Current().OffsetMetadataMaxBytes)
	for _, t := range req.Topics {
		topic := kmsg.OffsetCommitResponseTopic{Topic: t.Topic}
		for _, p := range t.Partitions {
			tp := cluster.TopicPartition{Topic: t.Topic, Partition: p.Partition}
			failed := codeNone
			if p.Metadata != nil && len(*p.Metadata) > limit {
				failed = codeOffsetMetadataTooLarge
			} else if err := a.Offsets.SetConsumerOffset(c.ctx, req.Group, tp, p.Offset); err != nil {
				a.quiet.warnf(a.Log, "group %s: store the offset of %s in ZooKeeper: %v", req.Group, tp, err)
				failed = code(err)
			}
			topic.Partitions = append(topic.Partitions, committed(p.Partition, failed))
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}
