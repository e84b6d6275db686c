package logdir

import "sync/atomic"

// exclusion is the lock of a log that is being cleaned. A cleaning holds it for as long as it lasts, which
// a throttle may make hours, so whoever takes it by exclude has the cleaning give up and wakes it for that.
type exclusion struct {
	held   chan struct{} // holds one while it is locked
	wanted atomic.Int32  // how many wait in exclude
	giveUp chan struct{} // wakes a cleaning that its throttle has put to sleep
}

func newExclusion() *exclusion {
	return &exclusion{held: make(chan struct{}, 1), giveUp: make(chan struct{}, 1)}
}

func (e *exclusion) lock() { e.held <- struct{}{} }

func (e *exclusion) unlock() { <-e.held }

func (e *exclusion) tryLock() bool {
	select {
	case e.held <- struct{}{}:
		return true
	default:
		return false
	}
}

// exclude keeps cleanings out, and ends one that is under way, until release is called: for who cuts,
// deletes or moves files. It comes before all other locks.
func (l *Log) exclude() (release func()) {
	e := l.cleaning
	e.wanted.Add(1)
	poke(e.giveUp)
	e.lock()
	e.wanted.Add(-1)
	return e.unlock
}
