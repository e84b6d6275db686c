package logdir

import (
	"math"
	"sync"
	"time"
)

// throttle bounds how many bytes a second several goroutines together read and write.
type throttle struct {
	mu   sync.Mutex
	rate float64   // bytes a second
	next time.Time // when what was spent so far is paid for
}

// throttleBurst is how much may be spent at once after a time of rest.
const throttleBurst = 300 * time.Millisecond

func (t *throttle) set(rate float64) {
	t.mu.Lock()
	t.rate, t.next = rate, time.Time{}
	t.mu.Unlock()
}

// bound is the rate.
func (t *throttle) bound() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rate
}

// spend waits until n bytes may have been used, or until stop or giveUp says not to.
func (t *throttle) spend(n int, stop, giveUp <-chan struct{}) {
	wait := t.debt(n)
	if wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-stop:
	case <-giveUp:
	}
}

func (t *throttle) debt(n int) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rate <= 0 || t.rate >= math.MaxInt64 {
		return 0
	}
	now := time.Now()
	if from := now.Add(-throttleBurst); t.next.Before(from) {
		t.next = from
	}
	seconds := min(float64(n)/t.rate, time.Hour.Seconds())
	t.next = t.next.Add(time.Duration(seconds * float64(time.Second)))
	return t.next.Sub(now)
}
