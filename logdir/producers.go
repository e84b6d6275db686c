package logdir

import (
	"cmp"
	"fmt"
	"slices"

	"ottla/logdir/batch"
)

// producerWindow is how many of its newest batches a log remembers of each producer, to recognise a
// retry: as many as a producer may have in flight.
const producerWindow = 5

// batchMark is what is remembered of one batch of a producer.
type batchMark struct {
	lastSequence int32
	lastOffset   int64
	offsetDelta  int32 // last offset - base offset
	timestamp    int64 // the batch's maximum
}

func (m *batchMark) firstOffset() int64   { return m.lastOffset - int64(m.offsetDelta) }
func (m *batchMark) firstSequence() int32 { return subtractSequence(m.lastSequence, m.offsetDelta) }

func subtractSequence(sequence, n int32) int32 {
	return int32((int64(sequence) - int64(n)) & 0x7fffffff)
}

// producer is what a log knows of one producer id.
type producer struct {
	id               int64
	epoch            int16
	coordinatorEpoch int32                     // of the newest marker, -1 without one
	lastTimestamp    int64                     // of the newest batch or marker, in ms
	txnFirstOffset   int64                     // of the open transaction, -1 without one
	n                int8                      // of batches
	batches          [producerWindow]batchMark // oldest first
}

func newProducer(id int64) *producer {
	return &producer{id: id, epoch: batch.NoProducerEpoch, coordinatorEpoch: -1, lastTimestamp: batch.NoTimestamp, txnFirstOffset: -1}
}

func (p *producer) lastSequence() int32 {
	if p.n == 0 {
		return batch.NoSequence
	}
	return p.batches[p.n-1].lastSequence
}

// duplicate finds the batch that h repeats among those remembered.
func (p *producer) duplicate(h *batch.Header) (batchMark, bool) {
	if p.epoch != h.ProducerEpoch {
		return batchMark{}, false
	}
	last := h.LastSequence()
	for i := range p.batches[:p.n] {
		if m := &p.batches[i]; m.lastSequence == last && m.firstSequence() == h.BaseSequence {
			return *m, true
		}
	}
	return batchMark{}, false
}

func (p *producer) remember(m batchMark) {
	if p.n == producerWindow {
		copy(p.batches[:], p.batches[1:])
		p.n--
	}
	p.batches[p.n] = m
	p.n++
}

func (p *producer) enterEpoch(epoch int16) {
	if p.epoch != epoch {
		p.epoch, p.n = epoch, 0
	}
}

// checkEpoch refuses a producer, or a marker, of an epoch that is over.
func (p *producer) checkEpoch(h *batch.Header) error {
	if h.ProducerEpoch < p.epoch {
		return fmt.Errorf("epoch %d of producer %d is older than the last seen epoch %d: %w", h.ProducerEpoch, p.id, p.epoch, ErrInvalidProducerEpoch)
	}
	return nil
}

// checkSequence holds a client's batch to its place behind the last one. A producer that the log does
// not know may start anywhere: what it wrote before may have been deleted.
func (p *producer) checkSequence(h *batch.Header) error {
	if p.epoch == batch.NoProducerEpoch {
		return nil
	}
	if h.ProducerEpoch != p.epoch {
		if h.BaseSequence == 0 {
			return nil
		}
		return fmt.Errorf("epoch %d of producer %d must start at sequence 0, not %d (the last epoch was %d): %w",
			h.ProducerEpoch, p.id, h.BaseSequence, p.epoch, ErrOutOfOrderSequence)
	}
	if last := p.lastSequence(); batch.AddSequence(last, 1) != h.BaseSequence {
		return fmt.Errorf("producer %d: sequence %d came after %d: %w", p.id, h.BaseSequence, last, ErrOutOfOrderSequence)
	}
	return nil
}

// checkTxn refuses a plain batch inside the producer's transaction: a reader of committed records
// could not tell what it belongs to.
func (p *producer) checkTxn(h *batch.Header) error {
	if p.txnFirstOffset >= 0 && !h.IsTransactional() {
		return fmt.Errorf("producer %d has a transaction open from offset %d: %w", p.id, p.txnFirstOffset, ErrInvalidTxnState)
	}
	return nil
}

// ongoingTxn is a transaction from its first record on.
type ongoingTxn struct {
	producerID  int64
	firstOffset int64
}

// endedTxn is a transaction that its marker has ended.
type endedTxn struct {
	producerID  int64
	firstOffset int64
	lastOffset  int64 // of the marker
	aborted     bool
}

// producers is all that a log knows of producers and transactions. The log's lock guards it.
type producers struct {
	byID map[int64]*producer
	// ongoing is sorted by first offset: its first holds the last stable offset back.
	ongoing []ongoingTxn
	// unreplicated are transactions that ended, at markers that the high watermark has not passed yet.
	unreplicated []endedTxn
	// end is the offset up to which the log's batches were taken in.
	end int64

	// verifying are the producers whose coordinators are being asked, guards counts the guards given out.
	verifying map[int64]*verification
	guards    uint64
}

// reset forgets everything and goes on from an offset.
func (s *producers) reset(end int64) { *s = producers{end: end, guards: s.guards} }

// check holds a batch that a leader appends against what is known. dup is the batch it repeats.
func (s *producers) check(h *batch.Header, m batch.Marker, isMarker bool, o Origin, g Guard) (dup batchMark, isDup bool, err error) {
	if !h.HasProducerID() {
		return dup, false, nil
	}
	p := s.byID[h.ProducerID]
	if p != nil && o == OriginClient {
		if dup, isDup = p.duplicate(h); isDup {
			return dup, true, nil
		}
	}
	if err := s.checkVerified(h, g); err != nil {
		return dup, false, err
	}
	if p == nil {
		if o == OriginClient {
			return dup, false, s.checkEarliest(h)
		}
		return dup, false, nil
	}
	if err := p.checkEpoch(h); err != nil {
		return dup, false, err
	}
	if h.IsControl() {
		if isMarker && m.CoordinatorEpoch < p.coordinatorEpoch {
			return dup, false, fmt.Errorf("coordinator epoch %d of producer %d is older than %d: %w", m.CoordinatorEpoch, p.id, p.coordinatorEpoch, ErrCoordinatorFenced)
		}
		return dup, false, nil
	}
	if o == OriginClient {
		if err := s.checkEarliest(h); err != nil {
			return dup, false, err
		}
		if err := p.checkSequence(h); err != nil {
			return dup, false, err
		}
	}
	return dup, false, p.checkTxn(h)
}

// add takes in a batch that is in the log. It returns the transaction that a marker ended.
func (s *producers) add(h *batch.Header, m batch.Marker, isMarker bool) (ended endedTxn, ok bool) {
	s.end = h.NextOffset()
	if !h.HasProducerID() || h.IsControl() && !isMarker && h.Count > 0 {
		return ended, false
	}
	p := s.byID[h.ProducerID]
	if p == nil {
		p = newProducer(h.ProducerID)
		if s.byID == nil {
			s.byID = make(map[int64]*producer)
		}
		s.byID[p.id] = p
	}
	p.enterEpoch(h.ProducerEpoch)
	if isMarker {
		return s.endTxn(p, h, m)
	}
	p.lastTimestamp = h.MaxTimestamp
	if h.IsControl() {
		return ended, false // a marker that compaction has emptied still tells the epoch
	}
	p.remember(batchMark{lastSequence: h.LastSequence(), lastOffset: h.LastOffset(), offsetDelta: h.LastOffsetDelta, timestamp: h.MaxTimestamp})
	if h.IsTransactional() && p.txnFirstOffset < 0 {
		p.txnFirstOffset = h.BaseOffset
		s.ongoing = append(s.ongoing, ongoingTxn{p.id, h.BaseOffset})
		s.verified(p.id)
	}
	return ended, false
}

// endTxn takes in a marker.
func (s *producers) endTxn(p *producer, h *batch.Header, m batch.Marker) (ended endedTxn, ok bool) {
	p.lastTimestamp = h.MaxTimestamp
	p.coordinatorEpoch = m.CoordinatorEpoch
	s.verified(p.id)
	if p.txnFirstOffset < 0 {
		return ended, false
	}
	ended = endedTxn{producerID: p.id, firstOffset: p.txnFirstOffset, lastOffset: h.LastOffset(), aborted: !m.Commit}
	s.ongoing = slices.DeleteFunc(s.ongoing, func(t ongoingTxn) bool { return t.producerID == p.id })
	s.unreplicated = append(s.unreplicated, ended)
	p.txnFirstOffset = -1
	return ended, true
}

// stableAfter is the last stable offset once ended has ended, whatever the high watermark.
func (s *producers) stableAfter(ended endedTxn) int64 {
	if len(s.ongoing) > 0 {
		return s.ongoing[0].firstOffset
	}
	return ended.lastOffset + 1
}

// firstUnstable is the first offset whose transaction is open, or ended by a marker that is not
// committed yet; ok is false if there is none.
func (s *producers) firstUnstable() (offset int64, ok bool) {
	if len(s.ongoing) > 0 {
		offset, ok = s.ongoing[0].firstOffset, true
	}
	for _, t := range s.unreplicated {
		if !ok || t.firstOffset < offset {
			offset, ok = t.firstOffset, true
		}
	}
	return offset, ok
}

// committed forgets the ended transactions whose markers are below the high watermark.
func (s *producers) committed(highWatermark int64) {
	s.unreplicated = slices.DeleteFunc(s.unreplicated, func(t endedTxn) bool { return t.lastOffset < highWatermark })
}

// expire forgets producers that have been silent since before, in ms, and have no transaction open.
func (s *producers) expire(before int64) {
	for id, p := range s.byID {
		if p.txnFirstOffset < 0 && p.lastTimestamp < before {
			delete(s.byID, id)
		}
	}
	for id, v := range s.verifying {
		if v.since < before {
			delete(s.verifying, id)
		}
	}
}

// sorted lists the producers by id, so that what is written is the same every time.
func (s *producers) sorted() []*producer {
	out := make([]*producer, 0, len(s.byID))
	for _, p := range s.byID {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *producer) int { return cmp.Compare(a.id, b.id) })
	return out
}

// restore takes the state a snapshot holds.
func (s *producers) restore(snapshot []*producer, end int64) {
	s.reset(end)
	if len(snapshot) > 0 {
		s.byID = make(map[int64]*producer, len(snapshot))
	}
	for _, p := range snapshot {
		s.byID[p.id] = p
		if p.txnFirstOffset >= 0 {
			s.ongoing = append(s.ongoing, ongoingTxn{p.id, p.txnFirstOffset})
		}
	}
	slices.SortFunc(s.ongoing, func(a, b ongoingTxn) int { return cmp.Compare(a.firstOffset, b.firstOffset) })
}

// ProducerState is one producer as DescribeProducers shows it.
type ProducerState struct {
	ProducerID       int64
	ProducerEpoch    int16
	LastSequence     int32 // -1 without a batch
	LastTimestamp    int64
	CoordinatorEpoch int32
	TxnStartOffset   int64 // of the open transaction, -1 without one
}

func (p *producer) state() ProducerState {
	return ProducerState{ProducerID: p.id, ProducerEpoch: p.epoch, LastSequence: p.lastSequence(),
		LastTimestamp: p.lastTimestamp, CoordinatorEpoch: p.coordinatorEpoch, TxnStartOffset: p.txnFirstOffset}
}
