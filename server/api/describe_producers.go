package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// describeProducers tells of the producers whose sequences a partition's leader remembers.
func (a *API) describeProducers(c *call, req *kmsg.DescribeProducersRequest) {
	s := a.Metadata.Snapshot()
	resp := kmsg.NewPtrDescribeProducersResponse()
	for _, t := range req.Topics {
		topic := kmsg.NewDescribeProducersResponseTopic()
		topic.Topic = t.Topic
		for _, partition := range t.Partitions {
			out := kmsg.NewDescribeProducersResponseTopicPartition()
			out.Partition = partition
			tp := cluster.TopicPartition{Topic: t.Topic, Partition: partition}
			if _, ok := s.Partition(tp); !ok {
				out.ErrorCode = codeUnknownTopicOrPartition
			} else {
				a.activeProducers(&out, tp)
			}
			topic.Partitions = append(topic.Partitions, out)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	c.reply(resp)
}

func (a *API) activeProducers(out *kmsg.DescribeProducersResponseTopicPartition, tp cluster.TopicPartition) {
	producers, err := a.Replicas.DescribeProducers(tp)
	if err != nil {
		out.ErrorCode = code(err)
		return
	}
	for _, p := range producers {
		out.ActiveProducers = append(out.ActiveProducers, kmsg.DescribeProducersResponseTopicPartitionActiveProducer{
			ProducerID: p.ProducerID, ProducerEpoch: int32(p.ProducerEpoch), LastSequence: p.LastSequence,
			LastTimestamp: p.LastTimestamp, CoordinatorEpoch: p.CoordinatorEpoch, CurrentTxnStartOffset: p.TxnStartOffset,
		})
	}
}
