package logdir

import (
	"cmp"
	"slices"

	"ottla/logdir/batch"
)

// cleanedTxns follows the transactions of the batches that a cleaning walks over, in order, and tells which
// data was aborted, and which markers have no data left to mark.
//
// Aborted data goes at once. A marker goes when a whole walk has met no batch of its transaction, and then
// only after delete.retention.ms: a reader that had the data before may still wait for it.
type cleanedTxns struct {
	// waiting are aborted transactions by first offset, that the walk has not reached.
	waiting []txnEntry
	aborted map[int64]*abortedTxn // under way, by producer id
	// committed are the producers of whose present transaction data was met.
	committed map[int64]bool
	// retained hears of the aborted transactions whose markers stay; nil for a walk that changes nothing.
	retained func(txnEntry) error
}

type abortedTxn struct {
	txnEntry
	met bool // a batch of it
}

func newCleanedTxns() *cleanedTxns {
	return &cleanedTxns{aborted: map[int64]*abortedTxn{}, committed: map[int64]bool{}}
}

// expect announces aborted transactions. Some may have been announced before.
func (t *cleanedTxns) expect(found []txnEntry) {
	t.waiting = append(t.waiting, found...)
	slices.SortFunc(t.waiting, func(a, b txnEntry) int { return cmp.Compare(a.firstOffset, b.firstOffset) })
}

func (t *cleanedTxns) advance(offset int64) {
	n := 0
	for n < len(t.waiting) && t.waiting[n].firstOffset <= offset {
		e := t.waiting[n]
		if t.aborted[e.producerID] == nil {
			t.aborted[e.producerID] = &abortedTxn{txnEntry: e}
		}
		n++
	}
	t.waiting = t.waiting[n:]
}

// data takes in a batch of data and reports whether it was aborted.
func (t *cleanedTxns) data(h *batch.Header) (aborted bool) {
	t.advance(h.LastOffset())
	if !h.IsTransactional() {
		return false
	}
	if a := t.aborted[h.ProducerID]; a != nil {
		a.met = true
		return true
	}
	t.committed[h.ProducerID] = true
	return false
}

// control takes in a control batch and reports whether it marks nothing any more.
func (t *cleanedTxns) control(h *batch.Header, m batch.Marker, isMarker bool) (idle bool, err error) {
	t.advance(h.LastOffset())
	if h.Count == 0 {
		return true, nil // emptied before
	}
	if !isMarker {
		return false, nil
	}
	if m.Commit {
		met := t.committed[h.ProducerID]
		delete(t.committed, h.ProducerID)
		return !met, nil
	}
	a := t.aborted[h.ProducerID]
	delete(t.aborted, h.ProducerID)
	if a == nil || !a.met {
		return true, nil
	}
	if t.retained == nil {
		return false, nil
	}
	return false, t.retained(a.txnEntry)
}

// abortedBetween lists the aborted transactions that overlap [from, to).
func abortedBetween(list []*segment, from, to int64) (found []txnEntry) {
	for _, s := range list[max(floorSegment(list, from), 0):] {
		for _, e := range s.txns.list() {
			if e.lastOffset >= from && e.firstOffset < to {
				found = append(found, e)
			}
			if e.lastStable >= to {
				return found
			}
		}
	}
	return found
}
