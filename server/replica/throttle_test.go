package replica

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ottla/zkcoord/cluster"
)

// throttleStub throttles every replica while it is full.
type throttleStub struct {
	full atomic.Bool
	sent atomic.Int64
}

func (s *throttleStub) Throttled(cluster.TopicPartition) bool { return true }
func (s *throttleStub) Record(bytes int)                      { s.sent.Add(int64(bytes)) }
func (s *throttleStub) Delay() time.Duration {
	if s.full.Load() {
		return time.Second
	}
	return 0
}

// A reassignment's new replica waits when the quota is used up; a member of the ISR and a consumer do not, though what the member
// is sent counts.
func TestOnlyFollowersOutsideTheISRAreThrottled(t *testing.T) {
	s := &throttleStub{}
	r := newRig(t, func(o *Options) { o.Throttle = s })
	r.leadWith(4, ids(1, 2), ids(1, 2, 3))
	r.mustProduce(5)
	if got := r.fetchFrom(3, 4, 0).Data.Len(); got == 0 || s.sent.Load() != int64(got) {
		t.Errorf("within the quota: %d bytes, %d counted", got, s.sent.Load())
	}
	s.full.Store(true)
	if fp := r.fetchFrom(3, 4, 0); fp.Data.Len() != 0 || fp.Err != nil || fp.Data.LogEndOffset != 5 {
		t.Errorf("beyond the quota: %+v", fp)
	}
	before := s.sent.Load()
	if got := r.fetchFrom(2, 4, 0).Data.Len(); got == 0 || s.sent.Load() != before+int64(got) {
		t.Errorf("a member of the ISR: %d bytes, %d counted", got, s.sent.Load()-before)
	}
	before = s.sent.Load()
	r.fetchFrom(2, 4, 5)
	r.fetchFrom(3, 4, 5) // all is committed now
	if got := r.fetchFrom(cluster.NoBroker, -1, 0).Data.Len(); got == 0 || s.sent.Load() != before {
		t.Errorf("a consumer: %d bytes, %d counted", got, s.sent.Load()-before)
	}
}

// A throttled fetch waits its time, however often the log grows meanwhile, and has the records when the quota allows.
func TestAThrottledFetchWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &throttleStub{}
		s.full.Store(true)
		r := newRig(t, func(o *Options) { o.Throttle = s })
		r.leadWith(4, ids(1, 2), ids(1, 2, 3))
		r.mustProduce(5)
		for _, allowed := range []bool{false, true} {
			start := time.Now()
			answered := make(chan FetchPartition, 1)
			r.m.Fetch(FetchParams{Replica: 3, MaxWait: time.Second, MinBytes: 1, MaxBytes: 1 << 20}, []FetchPartition{wanted(4, 0)},
				func(parts []FetchPartition) { answered <- parts[0] })
			time.Sleep(400 * time.Millisecond)
			s.full.Store(!allowed)
			r.mustProduce(1)
			fp := <-answered
			took := time.Since(start)
			if n := fp.Data.Len(); allowed != (n > 0) || allowed != (took < time.Second) || fp.Err != nil {
				t.Errorf("allowed after 400 ms %v: %d bytes after %v, %v", allowed, n, took, fp.Err)
			}
			fp.Data.Release()
		}
	})
}
