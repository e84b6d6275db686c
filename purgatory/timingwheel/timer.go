package timingwheel

import (
	"math"
	"sync"
	"time"
)

const (
	// tick is the Timer's unit of time and the span of a bucket of the lowest wheel.
	tick = time.Millisecond
	// demotionsAtOnce bounds how many entries are moved down under one hold of the lock. A bucket of eight
	// seconds may hold hundreds of thousands, and nobody who adds or cancels shall wait for all of them.
	demotionsAtOnce = 256
)

// Timer runs the tasks of its entries when their time is over. It owns one goroutine until Close.
type Timer struct {
	start time.Time // tick 0
	wake  chan struct{}
	stop  chan struct{}
	once  sync.Once
	wg    sync.WaitGroup

	mu struct {
		sync.Mutex
		wheel *wheel // the lowest; it knows its overflow wheels
		queue bucketQueue
		// demoting is what is left of the bucket that was taken last. It is detached from its wheel at
		// once, since new entries may need its place before all old ones have moved.
		demoting bucket
		due      bucket // entries whose tasks run next; they can still be cancelled
		pending  int
		// sleepsUntil is the tick at which the goroutine wakes by itself: who queues an earlier bucket
		// wakes it. It is 0 while the goroutine is awake, so that nobody does.
		sleepsUntil int64
		closed      bool
	}
}

// New returns a Timer whose clock starts now.
func New() *Timer {
	t := &Timer{start: time.Now(), wake: make(chan struct{}, 1), stop: make(chan struct{})}
	t.mu.wheel = newWheel(1, 0)
	t.mu.demoting.init()
	t.mu.due.init()
	t.wg.Go(t.run)
	return t
}

// Add makes the entry fire after the delay. An entry that is pending already gets the new time instead.
// After Close nothing is added.
func (t *Timer) Add(e *Entry, delay time.Duration) {
	now := time.Since(t.start)
	due := dueTick(now, delay)
	t.mu.Lock()
	if t.mu.closed {
		t.mu.Unlock()
		return
	}
	if e.linked() {
		e.unlink()
		t.mu.pending--
	}
	e.due = due
	// The wheels may have stood still for an hour: they catch up first, or an hour's overflow wheels would be needed for a
	// delay of a millisecond. A bucket that should have been taken by now may thereby get entries of its next round; they are
	// taken early with the others and added anew.
	t.mu.wheel.advance(int64(now / tick))
	t.mu.pending++
	earliest := e.due
	if t.mu.wheel.add(e, &t.mu.queue) {
		earliest, _ = t.mu.queue.next()
	} else {
		t.mu.due.push(e)
	}
	wake := earliest < t.mu.sleepsUntil
	if wake {
		t.mu.sleepsUntil = 0
	}
	t.mu.Unlock()
	if wake {
		t.wake <- struct{}{} // never blocks: sleepsUntil was reset, so only one waker is let through a sleep
	}
}

// Cancel takes the entry out and reports whether its task will not run. It returns false when the task runs
// or ran already, or when the entry was not added.
func (t *Timer) Cancel(e *Entry) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !e.linked() {
		return false
	}
	e.unlink()
	t.mu.pending--
	return true
}

// Len is the number of entries whose tasks have not begun.
func (t *Timer) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.pending
}

// Close waits for the task in flight; no other runs after it. It must not be called from a task.
func (t *Timer) Close() {
	t.once.Do(func() {
		t.mu.Lock()
		t.mu.closed = true
		t.mu.Unlock()
		close(t.stop)
	})
	t.wg.Wait()
}

// dueTick rounds up, so that nothing fires early, and saturates: a delay of centuries must not wrap around.
func dueTick(now, delay time.Duration) int64 {
	if delay <= 0 {
		return int64(now / tick)
	}
	if delay > math.MaxInt64-tick-now {
		return math.MaxInt64 / int64(tick)
	}
	return int64((now + delay + tick - 1) / tick)
}

// run alternates between moving what is due, running one task, and sleeping until the next bucket.
func (t *Timer) run() {
	alarm := time.NewTimer(time.Hour)
	defer alarm.Stop()
	for {
		t.mu.Lock()
		if t.mu.closed {
			t.mu.Unlock()
			return
		}
		more := t.turnLocked(int64(time.Since(t.start) / tick))
		if !t.mu.due.empty() {
			e := t.mu.due.pop()
			t.mu.pending--
			t.mu.Unlock()
			e.task.Expire()
			continue
		}
		if more {
			t.mu.Unlock()
			continue
		}
		next, ok := t.mu.queue.next()
		if !ok {
			next = math.MaxInt64
		}
		t.mu.sleepsUntil = next
		t.mu.Unlock()
		t.sleep(alarm, next)
	}
}

// turnLocked moves the next due entries to their new places and reports whether there are more of them now.
func (t *Timer) turnLocked(now int64) (more bool) {
	for range demotionsAtOnce {
		if t.mu.demoting.empty() {
			if !t.takeBucketLocked(now) {
				t.mu.wheel.advance(now)
				return false
			}
			continue
		}
		e := t.mu.demoting.pop()
		if !t.mu.wheel.add(e, &t.mu.queue) {
			t.mu.due.push(e)
		}
	}
	return true
}

// takeBucketLocked detaches the entries of the first bucket that has begun.
func (t *Timer) takeBucketLocked(now int64) bool {
	next, ok := t.mu.queue.next()
	if !ok || next > now {
		return false
	}
	b, begins := t.mu.queue.take()
	t.mu.wheel.advance(begins)
	b.moveTo(&t.mu.demoting)
	return true
}

// sleep waits for the tick, for an earlier bucket, or for Close.
func (t *Timer) sleep(alarm *time.Timer, until int64) {
	if until == math.MaxInt64 {
		alarm.Stop()
	} else {
		alarm.Reset(time.Duration(until)*tick - time.Since(t.start))
	}
	select {
	case <-alarm.C:
		t.mu.Lock()
		woken := t.mu.sleepsUntil == 0
		t.mu.sleepsUntil = 0
		t.mu.Unlock()
		if woken {
			<-t.wake // somebody is about to wake this sleep: a token left over would end the next one
		}
	case <-t.wake:
	case <-t.stop:
	}
}
