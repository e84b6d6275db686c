package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/txn"
	"ottla/zkcoord/cluster"
)

// addOffsetsToTxn adds to a transaction the partition of __consumer_offsets that keeps a group's offsets.
func (a *API) addOffsetsToTxn(c *call, req *kmsg.AddOffsetsToTxnRequest) {
	offsets := cluster.TopicPartition{Topic: offsetsTopic, Partition: a.Groups.PartitionFor(req.Group)}
	p := txn.Producer{TransactionalID: req.TransactionalID, ID: req.ProducerID, Epoch: req.ProducerEpoch}
	a.Transactions.AddPartitions(p, []cluster.TopicPartition{offsets}, func(failed int16) {
		resp := kmsg.NewPtrAddOffsetsToTxnResponse()
		resp.ErrorCode = fencedFor(c.version, failed)
		c.reply(resp)
	})
}
