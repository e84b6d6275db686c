package purgatory

import (
	"sync/atomic"
	"time"

	"ottla/purgatory/timingwheel"
)

// Timer is the timing wheel that ends the waiting; several purgatories share one.
type Timer = timingwheel.Timer

// NewTimer starts a Timer, which owns a goroutine until its Close.
func NewTimer() *Timer { return timingwheel.New() }

// Operation is a request that waits. It embeds Base by value and is used once, through its pointer.
type Operation interface {
	// Ready reports whether the operation may be answered now. Calls for one operation never overlap, and
	// no lock of the purgatory is held. It may still be called once while, or after, Complete runs.
	Ready() bool
	// Complete answers. It is called exactly once, whoever wins, with no lock of the purgatory held; expired
	// says that the time was over. It must not block.
	Complete(expired bool)

	base() *Base
}

// Base is what the purgatory knows of an operation. Its zero value is ready to embed.
type Base struct {
	op     Operation
	owner  *ledger
	entry  timingwheel.Entry
	status atomic.Int32
	// listings counts the lists in which the operation stands; sealed is added when it is done. Whoever
	// changes it learns in the same step whether the reaper's count has to know.
	listings atomic.Int32
	// shared says that others may know the operation. Until it is listed only Watch does.
	shared bool
}

const (
	waiting  int32 = iota // nobody asks Ready
	trying                // somebody asks Ready
	tryAgain              // somebody asks Ready, and must ask once more
	done                  // answered, or about to be
)

// sealed in listings marks a finished operation. It is far above any number of keys.
const sealed = 1 << 30

func (b *Base) base() *Base { return b }

// Done reports whether the operation was answered, or is about to be.
func (b *Base) Done() bool { return b.status.Load() == done }

// try asks Ready and answers if it says yes. It reports whether this call answered.
func (b *Base) try() bool {
	for {
		switch s := b.status.Load(); s {
		case done, tryAgain:
			return false
		case trying:
			// The note for the one inside: what we know may have come after it looked.
			if b.status.CompareAndSwap(trying, tryAgain) {
				return false
			}
		case waiting:
			if b.status.CompareAndSwap(waiting, trying) {
				return b.ask()
			}
		}
	}
}

// ask runs in state trying, until Ready says yes or nobody has left a note.
func (b *Base) ask() bool {
	for {
		if b.op.Ready() {
			return b.finish(false)
		}
		if b.status.CompareAndSwap(trying, waiting) {
			return false
		}
		if !b.status.CompareAndSwap(tryAgain, trying) {
			return false // done: it expired, or was forced, while Ready looked
		}
	}
}

// finish answers unless somebody else does. It is the one place that calls Complete.
func (b *Base) finish(expired bool) bool {
	if b.status.Swap(done) == done {
		return false
	}
	if b.shared {
		b.owner.timer.Cancel(&b.entry)
		b.owner.pending.Add(-1)
		b.owner.leave(int64(b.listings.Add(sealed) - sealed))
	}
	b.op.Complete(expired)
	return true
}

// startTimer is the last step of Watch. The operation may be finished meanwhile by somebody whose Cancel
// came before the Add: so it looks again after it.
func (b *Base) startTimer(timeout time.Duration) {
	b.entry.InitTask((*expiry)(b))
	b.owner.timer.Add(&b.entry, timeout)
	if b.Done() {
		b.owner.timer.Cancel(&b.entry)
	}
}

// expiry is a Base as the timing wheel sees it. As a type of its own it keeps Expire out of the methods of
// every operation, and costs no closure.
type expiry Base

// Expire answers because the time is over.
func (e *expiry) Expire() { (*Base)(e).finish(true) }
