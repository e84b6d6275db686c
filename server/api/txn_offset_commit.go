package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/logdir"
	"ottla/logdir/batch"
	"ottla/server/txn"
	"ottla/zkcoord/cluster"
)

const (
	// txnCommitKnowsLoading is the first version of TxnOffsetCommit whose clients survive COORDINATOR_LOAD_IN_PROGRESS.
	txnCommitKnowsLoading = 2
	// txnCommitKnowsAbortable is the first one whose clients know TRANSACTION_ABORTABLE.
	txnCommitKnowsAbortable = 4
)

// txnOffsetCommit stores a group's offsets for the end of a transaction. Partitions that do not exist are answered here and
// never reach the coordinator.
func (a *API) txnOffsetCommit(c *call, req *kmsg.TxnOffsetCommitRequest) {
	s := a.Metadata.Snapshot()
	known := *req
	known.Topics = nil
	var unknown []kmsg.TxnOffsetCommitResponseTopic
	for _, t := range req.Topics {
		kept, missing := t, kmsg.TxnOffsetCommitResponseTopic{Topic: t.Topic}
		kept.Partitions = nil
		for _, p := range t.Partitions {
			if _, ok := s.Partition(cluster.TopicPartition{Topic: t.Topic, Partition: p.Partition}); ok {
				kept.Partitions = append(kept.Partitions, p)
			} else {
				missing.Partitions = append(missing.Partitions, kmsg.TxnOffsetCommitResponseTopicPartition{Partition: p.Partition, ErrorCode: codeUnknownTopicOrPartition})
			}
		}
		if kept.Partitions != nil {
			known.Topics = append(known.Topics, kept)
		}
		if missing.Partitions != nil {
			unknown = append(unknown, missing)
		}
	}
	if known.Topics == nil {
		resp := kmsg.NewPtrTxnOffsetCommitResponse()
		resp.Topics = unknown
		c.reply(resp)
		return
	}
	verify := func(partition int32, done func(guard uint64, code int16)) { a.verifyOffsets(c, req, partition, done) }
	a.Groups.TxnOffsetCommit(&known, verify, func(resp *kmsg.TxnOffsetCommitResponse) {
		for i := range resp.Topics {
			for j := range resp.Topics[i].Partitions {
				if p := &resp.Topics[i].Partitions[j]; c.version < txnCommitKnowsLoading && p.ErrorCode == codeCoordinatorLoadInProgress {
					p.ErrorCode = codeCoordinatorNotAvailable
				}
			}
		}
		resp.Topics = append(resp.Topics, unknown...)
		c.reply(resp)
	})
}

// verifyOffsets asks whether a partition of __consumer_offsets belongs to the transaction of the request.
func (a *API) verifyOffsets(c *call, req *kmsg.TxnOffsetCommitRequest, partition int32, done func(guard uint64, code int16)) {
	if !a.Config.Current().TransactionVerification {
		done(uint64(logdir.NoGuard), codeNone)
		return
	}
	tp := cluster.TopicPartition{Topic: offsetsTopic, Partition: partition}
	p, err := a.Replicas.Partition(tp)
	if err != nil {
		done(0, code(err))
		return
	}
	guard, err := p.StartVerification(req.ProducerID, req.ProducerEpoch, batch.NoSequence)
	if err != nil || guard == logdir.InTxn {
		done(uint64(guard), code(err))
		return
	}
	producer := txn.Producer{TransactionalID: req.TransactionalID, ID: req.ProducerID, Epoch: req.ProducerEpoch}
	a.VerifyTransaction(producer, []cluster.TopicPartition{tp}, func(codes []int16) {
		done(uint64(guard), verified(codes[0], c.version >= txnCommitKnowsAbortable))
	})
}

// verified is a coordinator's verdict as a client is told it: a fenced producer has an invalid epoch, as in the log, and
// only newer clients know that a transaction may be aborted and the producer go on.
func verified(verdict int16, knowsAbortable bool) int16 {
	switch {
	case verdict == codeProducerFenced:
		return codeInvalidProducerEpoch
	case verdict == codeTransactionAbortable && !knowsAbortable:
		return codeInvalidTxnState
	}
	return verdict
}
