package api

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/logdir"
	"ottla/server/replica"
	"ottla/server/txn"
	"ottla/zkcoord/cluster"
)

// produceKnowsAbortable is the first version of Produce whose clients know TRANSACTION_ABORTABLE.
const produceKnowsAbortable = 11

// isTransactional looks at the magic and the attributes of the first batch.
func isTransactional(records []byte) bool {
	return len(records) >= 61 && records[16] == 2 && records[22]&0x10 != 0
}

// producerOf reads the producer id, the epoch and the first sequence number of a batch that isTransactional.
func producerOf(records []byte) (id int64, epoch int16, sequence int32) {
	return int64(binary.BigEndian.Uint64(records[43:])), int16(binary.BigEndian.Uint16(records[51:])), int32(binary.BigEndian.Uint32(records[53:]))
}

// verify asks the coordinator of the transaction whether the partitions belong to it, where they have no records of it yet
// (KIP-890), and then appends to those that do. The connection's next Produce waits meanwhile: its sequence numbers
// must not overtake these.
func (p *produce) verify(transactionalID string) {
	producer := txn.Producer{TransactionalID: transactionalID}
	var asked []cluster.TopicPartition
	var places []int // of those asked for, in entries
	for i := range p.entries {
		e := &p.entries[i]
		if !isTransactional(e.Records) {
			continue
		}
		id, epoch, sequence := producerOf(e.Records)
		producer.ID, producer.Epoch = id, epoch
		partition, err := p.api.Replicas.Partition(e.TopicPartition)
		if err == nil {
			e.Guard, err = partition.StartVerification(id, epoch, sequence)
		}
		if e.Err = err; err == nil && e.Guard != logdir.InTxn {
			asked, places = append(asked, e.TopicPartition), append(places, i)
		}
	}
	if asked == nil {
		p.appendVerified()
		return
	}
	p.api.VerifyTransaction(producer, asked, func(codes []int16) {
		for i, place := range places {
			p.entries[place].Err = unverified(codes[i], p.call.version >= produceKnowsAbortable)
		}
		p.appendVerified()
	})
}

// unverified is the error for a coordinator's verdict. What would pass with time becomes NOT_ENOUGH_REPLICAS, which every
// producer tries again without looking for another leader.
func unverified(verdict int16, knowsAbortable bool) error {
	switch verdict = verified(verdict, knowsAbortable); verdict {
	case codeNone:
		return nil
	case codeInvalidTxnState:
		return failAloud(verdict, "Partition was not added to the transaction")
	case codeConcurrentTransactions, codeNetworkException, codeCoordinatorLoadInProgress, codeCoordinatorNotAvailable, codeNotCoordinator:
		return failAloud(codeNotEnoughReplicas, "Unable to verify the partition has been added to the transaction. Underlying error: "+kerr.TypedErrorForCode(verdict).Message)
	default:
		return fail(verdict, "")
	}
}

// failAloud makes an error whose text a producer is sent.
func failAloud(failed int16, message string) error {
	return &logdir.AppendError{Err: fail(failed, message), Message: message}
}

// appendVerified appends what passed. Entries that did not keep their error.
func (p *produce) appendVerified() {
	passed := 0
	for i := range p.entries {
		if p.entries[i].Err == nil {
			passed++
		}
	}
	switch passed {
	case len(p.entries):
		p.append(p.entries, p.done)
		return
	case 0:
		for i := range p.entries {
			p.entries[i].Result = refusedResult
		}
		p.answer(p.entries)
		return
	}
	some, places := make([]replica.AppendEntry, 0, passed), make([]int, 0, passed)
	for i := range p.entries {
		if p.entries[i].Err == nil {
			some, places = append(some, p.entries[i]), append(places, i)
		} else {
			p.entries[i].Result = refusedResult
		}
	}
	p.append(some, func(some []replica.AppendEntry) {
		for i, place := range places {
			p.entries[place] = some[i]
		}
		p.answer(p.entries)
	})
}
