package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// alterReplicaLogDirs has partitions moved to other log directories of this broker (KIP-113). The answer comes when
// the moves have begun; DescribeLogDirs tells how far they are. Of a partition that is named twice the last
// directory counts.
func (a *API) alterReplicaLogDirs(c *call, req *kmsg.AlterReplicaLogDirsRequest) {
	wanted := map[cluster.TopicPartition]string{}
	var order []cluster.TopicPartition
	for _, d := range req.Dirs {
		for _, t := range d.Topics {
			for _, n := range t.Partitions {
				tp := cluster.TopicPartition{Topic: t.Topic, Partition: n}
				if _, twice := wanted[tp]; !twice {
					order = append(order, tp)
				}
				wanted[tp] = d.Dir
			}
		}
	}
	resp := kmsg.NewPtrAlterReplicaLogDirsResponse()
	at := map[string]int{}
	for _, tp := range order {
		err := a.Replicas.AlterLogDir(tp, wanted[tp])
		if err != nil {
			a.Log.Warnf("%v is not moved to %s: %v", tp, wanted[tp], err)
		}
		i, ok := at[tp.Topic]
		if !ok {
			i = len(resp.Topics)
			at[tp.Topic] = i
			t := kmsg.NewAlterReplicaLogDirsResponseTopic()
			t.Topic = tp.Topic
			resp.Topics = append(resp.Topics, t)
		}
		p := kmsg.NewAlterReplicaLogDirsResponseTopicPartition()
		p.Partition, p.ErrorCode = tp.Partition, code(err)
		resp.Topics[i].Partitions = append(resp.Topics[i].Partitions, p)
	}
	c.reply(resp)
}
