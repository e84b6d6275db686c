package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// offsetDelete forgets a group's offsets of partitions that it does not read. Partitions that do not exist
// are answered here.
func (a *API) offsetDelete(c *call, req *kmsg.OffsetDeleteRequest) {
	s := a.Metadata.Snapshot()
	known := *req
	known.Topics = nil
	var unknown []kmsg.OffsetDeleteResponseTopic
	for _, t := range req.Topics {
		kept, missing := kmsg.OffsetDeleteRequestTopic{Topic: t.Topic}, kmsg.OffsetDeleteResponseTopic{Topic: t.Topic}
		for _, p := range t.Partitions {
			if _, ok := s.Partition(cluster.TopicPartition{Topic: t.Topic, Partition: p.Partition}); ok {
				kept.Partitions = append(kept.Partitions, p)
			} else {
				missing.Partitions = append(missing.Partitions, kmsg.OffsetDeleteResponseTopicPartition{
					Partition: p.Partition, ErrorCode: codeUnknownTopicOrPartition})
			}
		}
		if kept.Partitions != nil {
			known.Topics = append(known.Topics, kept)
		}
		if missing.Partitions != nil {
			unknown = append(unknown, missing)
		}
	}
	a.Groups.OffsetDelete(&known, func(resp *kmsg.OffsetDeleteResponse) {
		if resp.ErrorCode == codeNone {
			resp.Topics = append(resp.Topics, unknown...)
		}
		c.reply(resp)
	})
}
