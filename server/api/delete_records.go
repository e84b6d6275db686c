package api

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/replica"
	"ottla/zkcoord/cluster"
)

// deleteRecords moves the starts of logs up, and answers when all live replicas have done so.
func (a *API) deleteRecords(c *call, req *kmsg.DeleteRecordsRequest) {
	s := a.Metadata.Snapshot()
	resp := kmsg.NewPtrDeleteRecordsResponse()
	var deletions []replica.RecordDeletion
	var answers []*kmsg.DeleteRecordsResponseTopicPartition // parallel to deletions
	resp.Topics = make([]kmsg.DeleteRecordsResponseTopic, len(req.Topics))
	for i, t := range req.Topics {
		topic := &resp.Topics[i]
		topic.Topic = t.Topic
		topic.Partitions = make([]kmsg.DeleteRecordsResponseTopicPartition, len(t.Partitions))
		for j, p := range t.Partitions {
			out := &topic.Partitions[j]
			out.Partition, out.LowWatermark = p.Partition, -1
			tp := cluster.TopicPartition{Topic: t.Topic, Partition: p.Partition}
			if _, ok := s.Partition(tp); !ok {
				out.ErrorCode = codeUnknownTopicOrPartition
				continue
			}
			deletions = append(deletions, replica.RecordDeletion{TopicPartition: tp, Offset: p.Offset})
			answers = append(answers, out)
		}
	}
	if len(deletions) == 0 {
		c.reply(resp)
		return
	}
	a.Replicas.DeleteRecords(time.Duration(req.TimeoutMillis)*time.Millisecond, deletions, func(done []replica.RecordDeletion) {
		for i := range done {
			answers[i].LowWatermark, answers[i].ErrorCode = done[i].LowWatermark, code(done[i].Err)
		}
		c.reply(resp)
	})
}
