package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// transaction is the one that a commit belongs to.
type transaction struct {
	producerID    int64
	producerEpoch int16
	guard         uint64 // of its verification, 0 without one
}

// Verify asks whether a partition of __consumer_offsets belongs to the transaction of the request that it comes with. done
// gets a guard for Storage.AppendVerified, 0 where nothing is verified, or a code.
type Verify func(partition int32, done func(guard uint64, code int16))

// TxnOffsetCommit keeps how far a group has read for the end of the producer's transaction: the offsets count when a
// commit marker follows. The caller has taken out the partitions that do not exist.
func (c *Coordinator) TxnOffsetCommit(req *kmsg.TxnOffsetCommitRequest, verify Verify, reply func(*kmsg.TxnOffsetCommitResponse)) {
	asked := plainCommit(req)
	answer := func(resp *kmsg.OffsetCommitResponse) { reply(txnAnswer(req, resp)) }
	refuse := func(code int16) { answer(encodeCommitted(asked, func(int, int) int16 { return code })) }
	if code := c.check(req.Group, refuseEmptyID); code != 0 {
		refuse(code)
		return
	}
	g := c.get(req.Group)
	if g == nil {
		if g = c.create(req.Group); g == nil {
			refuse(kerr.NotCoordinator.Code)
			return
		}
	}
	verify(g.partition, func(guard uint64, code int16) {
		if code != 0 {
			refuse(verifyCode(code))
			return
		}
		within := &transaction{producerID: req.ProducerID, producerEpoch: req.ProducerEpoch, guard: guard}
		g.turn(func() { g.txnCommitLocked(asked, within, answer) })
	})
}

func (g *Group) txnCommitLocked(req *kmsg.OffsetCommitRequest, within *transaction, reply func(*kmsg.OffsetCommitResponse)) {
	if code := g.validateTxnCommitLocked(req); code != 0 {
		g.laterLocked(func() { reply(encodeCommitted(req, func(int, int) int16 { return code })) })
		return
	}
	w := newCommitting(req, g.c.config.OffsetMetadataMax)
	w.within = within
	g.writeCommitLocked(w, reply)
}

// validateTxnCommitLocked fences members of past generations (KIP-447). A producer that names none is one of before that:
// its transactional id is all that fences it.
func (g *Group) validateTxnCommitLocked(req *kmsg.OffsetCommitRequest) int16 {
	if req.Generation < 0 && req.MemberID == "" && req.InstanceID == nil && g.mu.state != dead {
		return 0
	}
	return g.validateCommitLocked(req)
}

// verifyCode is what a failed verification means to a client that commits offsets.
func verifyCode(code int16) int16 {
	switch code {
	case kerr.NetworkException.Code:
		// Older clients do not expect it; this makes them ask again without looking for the coordinator.
		return kerr.CoordinatorLoadInProgress.Code
	case kerr.UnknownTopicOrPartition.Code, kerr.NotEnoughReplicas.Code, kerr.NotEnoughReplicasAfterAppend.Code:
		return kerr.CoordinatorNotAvailable.Code
	case kerr.NotLeaderForPartition.Code, kerr.KafkaStorageError.Code:
		return kerr.NotCoordinator.Code
	default:
		return code
	}
}

// plainCommit is the request without its transaction.
func plainCommit(req *kmsg.TxnOffsetCommitRequest) *kmsg.OffsetCommitRequest {
	plain := kmsg.NewPtrOffsetCommitRequest()
	plain.SetVersion(8)
	plain.Group, plain.Generation, plain.MemberID, plain.InstanceID = req.Group, req.Generation, req.MemberID, req.InstanceID
	for i := range req.Topics {
		t := kmsg.NewOffsetCommitRequestTopic()
		t.Topic = req.Topics[i].Topic
		for _, from := range req.Topics[i].Partitions {
			p := kmsg.NewOffsetCommitRequestTopicPartition()
			p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = from.Partition, from.Offset, from.LeaderEpoch, from.Metadata
			t.Partitions = append(t.Partitions, p)
		}
		plain.Topics = append(plain.Topics, t)
	}
	return plain
}

func txnAnswer(req *kmsg.TxnOffsetCommitRequest, from *kmsg.OffsetCommitResponse) *kmsg.TxnOffsetCommitResponse {
	resp := req.ResponseKind().(*kmsg.TxnOffsetCommitResponse)
	for i := range from.Topics {
		t := kmsg.NewTxnOffsetCommitResponseTopic()
		t.Topic = from.Topics[i].Topic
		for _, f := range from.Topics[i].Partitions {
			p := kmsg.NewTxnOffsetCommitResponseTopicPartition()
			p.Partition, p.ErrorCode = f.Partition, f.ErrorCode
			t.Partitions = append(t.Partitions, p)
		}
		resp.Topics = append(resp.Topics, t)
	}
	return resp
}
