package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/txn"
	"ottla/zkcoord/cluster"
)

// Transactions is the transaction coordinator. A reply is called exactly once, from any goroutine.
type Transactions interface {
	InitProducerID(req *kmsg.InitProducerIDRequest, reply func(*kmsg.InitProducerIDResponse))
	AddPartitions(p txn.Producer, added []cluster.TopicPartition, done func(code int16))
	// VerifyPartitions gives a code for each partition, or one for all.
	VerifyPartitions(p txn.Producer, asked []cluster.TopicPartition) (codes []int16, code int16)
	End(p txn.Producer, commit bool, done func(code int16))
	DescribeTransactions(req *kmsg.DescribeTransactionsRequest, reply func(*kmsg.DescribeTransactionsResponse))
	ListTransactions(req *kmsg.ListTransactionsRequest, reply func(*kmsg.ListTransactionsResponse))
	// PartitionFor is the partition of __transaction_state whose leader coordinates the transactional id.
	PartitionFor(transactionalID string) int32
	// Elect takes a partition's transactional ids over, Resign gives them up, those of one leader epoch or of any.
	Elect(partition, epoch int32)
	Resign(partition int32, epoch *int32)
}

// VerifyTransaction asks the coordinator of a transaction, which may be another broker, whether partitions belong to it. done
// gets a code for each, once, from any goroutine.
type VerifyTransaction func(p txn.Producer, asked []cluster.TopicPartition, done func(codes []int16))

func (a *API) describeTransactions(c *call, req *kmsg.DescribeTransactionsRequest) {
	a.Transactions.DescribeTransactions(req, replyWith[*kmsg.DescribeTransactionsResponse](c))
}

func (a *API) listTransactions(c *call, req *kmsg.ListTransactionsRequest) {
	a.Transactions.ListTransactions(req, replyWith[*kmsg.ListTransactionsResponse](c))
}

// txnKnowsFenced is the first version of AddPartitionsToTxn, AddOffsetsToTxn and EndTxn whose clients know PRODUCER_FENCED.
const txnKnowsFenced = 2

// fencedFor is the code in a version of those requests.
func fencedFor(version, failed int16) int16 {
	if version < txnKnowsFenced && failed == codeProducerFenced {
		return codeInvalidProducerEpoch
	}
	return failed
}
