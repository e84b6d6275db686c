package api

import (
	"bytes"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// stopReplica ends replicas of this broker, or deletes them. With a deleted partition of __consumer_offsets go
// its groups, with one of __transaction_state its transactions.
func (a *API) stopReplica(c *call, req *kmsg.StopReplicaRequest) {
	resp := a.Replicas.StopReplica(req)
	refused := map[cluster.TopicPartition]bool{}
	for _, p := range resp.Partitions {
		if p.ErrorCode != codeNone {
			refused[cluster.TopicPartition{Topic: p.Topic, Partition: p.Partition}] = true
		}
	}
	if resp.ErrorCode == codeNone {
		for _, t := range req.Topics {
			if t.Topic != offsetsTopic && t.Topic != transactionsTopic {
				continue
			}
			if req.DeletePartitions { // versions 0, and 1 and 2
				partitions := t.Partitions
				if c.version == 0 {
					partitions = []int32{t.Partition}
				}
				for _, partition := range partitions {
					a.resign(refused, cluster.TopicPartition{Topic: t.Topic, Partition: partition}, -1)
				}
			}
			for _, p := range t.PartitionStates {
				if p.Delete {
					a.resign(refused, cluster.TopicPartition{Topic: t.Topic, Partition: p.Partition}, p.LeaderEpoch)
				}
			}
		}
	}
	c.reply(resp)
}

// resign gives up a partition's groups or transactions; without an epoch, those of any.
func (a *API) resign(refused map[cluster.TopicPartition]bool, tp cluster.TopicPartition, epoch int32) {
	if refused[tp] {
		return
	}
	of := &epoch
	if epoch < 0 {
		of = nil
	}
	if tp.Topic == transactionsTopic {
		a.Transactions.Resign(tp.Partition, of)
		return
	}
	a.Groups.Resign(tp.Partition, of)
}

// mendStopReplica exchanges two fields of version 4: on the wire isKRaftController stands before the controller
// epoch, and kmsg reads it behind. The guard has seen to it that both are there.
func mendStopReplica(body []byte, version int16) []byte {
	body = bytes.Clone(body)
	if version >= 4 {
		const after = 4 // the controller id
		kraft := body[after]
		copy(body[after:after+4], body[after+1:])
		body[after+4] = kraft
	}
	return body
}
