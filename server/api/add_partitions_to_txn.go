package api

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/metadata"
	"ottla/server/txn"
	"ottla/zkcoord/cluster"
)

// addTakesBatches is the first version of AddPartitionsToTxn that holds several transactions and may only ask: brokers
// send it, clients send those before.
const addTakesBatches = 4

// addPartitionsToTxn adds partitions to transactions, or tells another broker whether they belong to them.
func (a *API) addPartitionsToTxn(c *call, req *kmsg.AddPartitionsToTxnRequest) {
	if c.version < addTakesBatches {
		asked := kmsg.NewAddPartitionsToTxnRequestTransaction()
		asked.TransactionalID, asked.ProducerID, asked.ProducerEpoch = req.TransactionalID, req.ProducerID, req.ProducerEpoch
		for _, t := range req.Topics {
			asked.Topics = append(asked.Topics, kmsg.AddPartitionsToTxnRequestTransactionTopic{Topic: t.Topic, Partitions: t.Partitions})
		}
		a.addToTxn(c, &asked, func(answer kmsg.AddPartitionsToTxnResponseTransaction) {
			resp := kmsg.NewPtrAddPartitionsToTxnResponse()
			for _, t := range answer.Topics {
				topic := kmsg.NewAddPartitionsToTxnResponseTopic()
				topic.Topic = t.Topic
				for _, p := range t.Partitions {
					topic.Partitions = append(topic.Partitions, kmsg.AddPartitionsToTxnResponseTopicPartition{Partition: p.Partition, ErrorCode: p.ErrorCode})
				}
				resp.Topics = append(resp.Topics, topic)
			}
			c.reply(resp)
		})
		return
	}
	resp := kmsg.NewPtrAddPartitionsToTxnResponse()
	resp.Transactions = make([]kmsg.AddPartitionsToTxnResponseTransaction, len(req.Transactions))
	open := len(req.Transactions)
	if open == 0 {
		c.reply(resp)
		return
	}
	var mu sync.Mutex
	for i := range req.Transactions {
		a.addToTxn(c, &req.Transactions[i], func(answer kmsg.AddPartitionsToTxnResponseTransaction) {
			mu.Lock()
			resp.Transactions[i] = answer
			open--
			last := open == 0
			mu.Unlock()
			if last {
				c.reply(resp)
			}
		})
	}
}

// addToTxn is one transaction of the request.
func (a *API) addToTxn(c *call, asked *kmsg.AddPartitionsToTxnRequestTransaction, answer func(kmsg.AddPartitionsToTxnResponseTransaction)) {
	all, missing := txnPartitions(asked, a.Metadata.Snapshot())
	if len(missing) > 0 {
		// A transaction gets all of the partitions or none.
		answer(txnAnswer(asked, func(tp cluster.TopicPartition) int16 {
			if missing[tp] {
				return codeUnknownTopicOrPartition
			}
			return codeOperationNotAttempted
		}))
		return
	}
	p := txn.Producer{TransactionalID: asked.TransactionalID, ID: asked.ProducerID, Epoch: asked.ProducerEpoch}
	if asked.VerifyOnly {
		codes, failed := a.Transactions.VerifyPartitions(p, all)
		found := make(map[cluster.TopicPartition]int16, len(codes))
		for i := range codes {
			found[all[i]] = codes[i]
		}
		answer(txnAnswer(asked, func(tp cluster.TopicPartition) int16 { return max(failed, found[tp]) }))
		return
	}
	a.Transactions.AddPartitions(p, all, func(failed int16) {
		failed = fencedFor(c.version, failed)
		answer(txnAnswer(asked, func(cluster.TopicPartition) int16 { return failed }))
	})
}

// txnPartitions lists the partitions of a request, and those that do not exist.
func txnPartitions(asked *kmsg.AddPartitionsToTxnRequestTransaction, s *metadata.Snapshot) (all []cluster.TopicPartition, missing map[cluster.TopicPartition]bool) {
	missing = map[cluster.TopicPartition]bool{}
	for _, t := range asked.Topics {
		for _, p := range t.Partitions {
			tp := cluster.TopicPartition{Topic: t.Topic, Partition: p}
			all = append(all, tp)
			if _, ok := s.Partition(tp); !ok {
				missing[tp] = true
			}
		}
	}
	return all, missing
}

func txnAnswer(asked *kmsg.AddPartitionsToTxnRequestTransaction, code func(cluster.TopicPartition) int16) kmsg.AddPartitionsToTxnResponseTransaction {
	answer := kmsg.NewAddPartitionsToTxnResponseTransaction()
	answer.TransactionalID = asked.TransactionalID
	for _, t := range asked.Topics {
		topic := kmsg.NewAddPartitionsToTxnResponseTransactionTopic()
		topic.Topic = t.Topic
		for _, p := range t.Partitions {
			topic.Partitions = append(topic.Partitions, kmsg.AddPartitionsToTxnResponseTransactionTopicPartition{
				Partition: p, ErrorCode: code(cluster.TopicPartition{Topic: t.Topic, Partition: p})})
		}
		answer.Topics = append(answer.Topics, topic)
	}
	return answer
}
