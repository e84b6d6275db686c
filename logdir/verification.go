package logdir

import (
	"fmt"

	"ottla/logdir/batch"
)

// Guard stands for the question whether a partition belongs to a producer's transaction, from its asking to the append
// that relies on the answer (KIP-890). The coordinator's answer may be old when it comes: the transaction may have been aborted
// meanwhile, its marker written, and another one begun. Records that then went in would have no marker behind them and
// hold the last stable offset back for ever. So a marker voids the guards before it.
type Guard uint64

const (
	// NoGuard appends without verification, as followers, coordinators and markers do.
	NoGuard Guard = 0
	// InTxn is the guard of a producer whose transaction has records in the partition: nobody has to be asked. It lets
	// nothing in but records of that transaction, while it is open.
	InTxn Guard = 1
)

// verification is what a log remembers of a producer between the question and its first transactional records.
type verification struct {
	guard Guard
	// earliest is the lowest sequence number seen in this epoch. Of several batches in flight, whose answers come in any
	// order, only the first may go in first, although the log knows no sequence number of the producer yet.
	earliest int32
	epoch    int16
	since    int64 // ms, when it was asked first
}

// StartVerification returns the guard with which the producer's next transactional batch is to be appended. Unless it is
// InTxn, the coordinator is to be asked before. sequence is the batch's, -1 for offsets of a group.
func (l *Log) StartVerification(producerID int64, epoch int16, sequence int32) Guard {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.producers.startVerification(producerID, epoch, sequence, nowMillis())
}

func (s *producers) startVerification(id int64, epoch int16, sequence int32, now int64) Guard {
	if s.inTxn(id) {
		return InTxn
	}
	v := s.verifying[id]
	if v == nil {
		if s.verifying == nil {
			s.verifying = make(map[int64]*verification)
		}
		s.guards++
		v = &verification{guard: InTxn + Guard(s.guards), earliest: sequence, epoch: epoch, since: now}
		s.verifying[id] = v
	}
	if epoch > v.epoch || epoch == v.epoch && sequence < v.earliest {
		v.epoch, v.earliest = epoch, sequence
	}
	return v.guard
}

func (s *producers) inTxn(id int64) bool {
	p := s.byID[id]
	return p != nil && p.txnFirstOffset >= 0
}

// checkVerified holds a transactional batch against its guard, and its sequence against the earliest that was seen.
func (s *producers) checkVerified(h *batch.Header, g Guard) error {
	if g == NoGuard || !h.IsTransactional() || s.inTxn(h.ProducerID) {
		return nil
	}
	v := s.verifying[h.ProducerID]
	if v == nil || v.guard != g {
		return fmt.Errorf("producer %d: record was not part of an ongoing transaction: %w", h.ProducerID, ErrInvalidTxnState)
	}
	return nil
}

// checkEarliest refuses a batch that came before one with a lower sequence number.
func (s *producers) checkEarliest(h *batch.Header) error {
	if v := s.verifying[h.ProducerID]; v != nil && h.BaseSequence > v.earliest {
		return fmt.Errorf("producer %d: sequence %d came before %d: %w", h.ProducerID, h.BaseSequence, v.earliest, ErrOutOfOrderSequence)
	}
	return nil
}

// verified forgets the guard of a producer: its transaction has begun here, or a marker has come.
func (s *producers) verified(id int64) { delete(s.verifying, id) }
