package purgatory

import "sync/atomic"

// ledger is the part of a purgatory that does not depend on the type of its keys.
type ledger struct {
	timer *Timer
	// pending counts operations that are listed and not answered.
	pending atomic.Int64
	// listed counts the places in all lists, finished the ones among them whose operations are done.
	listed, finished atomic.Int64
	reap             chan struct{}
}

// reapAtLeast keeps the reaper from sweeping for a handful. Kafka's purge interval is 1000 as well.
const reapAtLeast = 1000

// leave notes that n listed places became useless, and wakes the reaper when they are half of the whole: then a
// sweep costs a constant for each operation, however many wait.
func (l *ledger) leave(n int64) {
	if n == 0 {
		return
	}
	if finished := l.finished.Add(n); finished >= reapAtLeast && finished >= l.listed.Load()/2 {
		select {
		case l.reap <- struct{}{}:
		default: // it is awake
		}
	}
}
