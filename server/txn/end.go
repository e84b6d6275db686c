package txn

import (
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
)

// End commits or aborts the producer's transaction. done gets 0 as soon as the decision is safe in the log: the markers
// follow. A producer whose transaction is over, with the same end, is asking again and gets 0 as well.
func (c *Coordinator) End(p Producer, commit bool, done func(code int16)) {
	t, code := c.known(p.TransactionalID)
	if code != 0 {
		done(code)
		return
	}
	c.end(&ending{t: t, producerID: p.ID, epoch: p.Epoch, commit: commit, fromClient: true, done: done})
}

// ending is the end of a transaction on its way.
type ending struct {
	t          *transaction
	producerID int64
	epoch      int16
	commit     bool
	// fromClient is false for a fence, whose epoch is above the transaction's.
	fromClient bool
	done       func(code int16)
}

func (c *Coordinator) end(e *ending) {
	next, fence, code := e.prepare()
	if next.state == Empty {
		e.done(code)
		return
	}
	c.store(e.t, next, nil, func(code int16) {
		if code != 0 {
			if fence {
				e.t.mu.Lock()
				e.t.mu.failedFence = true
				e.t.mu.Unlock()
			}
			e.done(code)
			return
		}
		complete, code := e.prepareComplete()
		// The decision stands: the producer need not wait for the markers.
		e.done(code)
		if code == 0 {
			c.markers.send(&completion{t: e.t, commit: e.commit, producerID: e.producerID, epoch: e.epoch, next: complete})
		}
	})
}

// prepare begins the decision. Where there is nothing to decide, next is zero and the code is the answer.
func (e *ending) prepare() (next metadata, fence bool, code int16) {
	t := e.t
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.mu.producerID != e.producerID:
		return next, false, kerr.InvalidProducerIDMapping.Code
	case e.fromClient && e.epoch != t.mu.epoch, e.epoch < t.mu.epoch:
		return next, false, kerr.ProducerFenced.Code
	case t.mu.pending != none && t.mu.pending != PrepareEpochFence, t.mu.state == Dead:
		return next, false, kerr.ConcurrentTransactions.Code
	case t.mu.state != Ongoing:
		return next, false, t.mu.state.answer(e.commit)
	case t.mu.pending == PrepareEpochFence && (e.fromClient || e.commit):
		// The fence is about to abort it; a commit must not slip in before.
		return next, false, kerr.ConcurrentTransactions.Code
	}
	if fence = t.mu.pending == PrepareEpochFence; fence {
		t.mu.pending = none
		t.mu.epoch, t.mu.lastEpoch = e.epoch, noProducerEpoch
	}
	return t.beginLocked(t.mu.toPrepare(e.commit, nowMillis())), fence, 0
}

// answer is what an end of a transaction that is not open gets: 0 if it has ended so.
func (s State) answer(commit bool) int16 {
	switch {
	case s == CompleteCommit && commit, s == CompleteAbort && !commit:
		return 0
	case s == PrepareCommit && commit, s == PrepareAbort && !commit:
		return kerr.ConcurrentTransactions.Code
	default:
		return kerr.InvalidTxnState.Code
	}
}

// prepareComplete begins the last step, which takes until all markers are written.
func (e *ending) prepareComplete() (next metadata, code int16) {
	t := e.t
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.mu.producerID != e.producerID:
		return next, kerr.InvalidProducerIDMapping.Code
	case t.mu.epoch != e.epoch:
		return next, kerr.ProducerFenced.Code
	case t.mu.pending != none:
		return next, kerr.ConcurrentTransactions.Code
	case !t.mu.state.decided() || e.commit != (t.mu.state == PrepareCommit):
		return next, kerr.InvalidTxnState.Code
	}
	return t.beginLocked(t.mu.toComplete(nowMillis())), 0
}

// abortTimedOut ends the transactions that have been open for too long, under an epoch that shuts their producers out.
func (c *Coordinator) abortTimedOut() {
	now := nowMillis()
	all, _ := c.owned.All()
	for _, t := range all {
		t.mu.Lock()
		if t.mu.pending != none || !t.mu.timedOut(now) || t.mu.epoch == math.MaxInt16 && !t.mu.failedFence {
			t.mu.Unlock()
			continue
		}
		next := t.beginLocked(t.mu.toFence(t.mu.failedFence))
		t.mu.Unlock()
		c.end(&ending{t: t, producerID: next.producerID, epoch: next.epoch, done: func(code int16) {
			if code == 0 {
				t.log(c.log).Infof("producer %d: transaction open since %d aborted, its timeout of %d ms is over", next.producerID, next.started, next.timeout)
			} else if err := kerr.ErrorForCode(code); code != kerr.ConcurrentTransactions.Code {
				t.log(c.log).Warnf("producer %d: transaction is over its timeout and could not be aborted, trying again in %v: %v",
					next.producerID, c.config.TimeoutCheckInterval, err)
			}
		}})
	}
}
