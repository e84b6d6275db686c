package purgatory

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"
)

// blank is an operation without any condition of its own.
type blank struct {
	Base
	free bool
}

func (b *blank) Ready() bool   { return b.free }
func (b *blank) Complete(bool) {}

// BenchmarkWatchAndCheck is a produce that waits for its followers: watched under one partition, freed by it.
func BenchmarkWatchAndCheck(b *testing.B) {
	p, _ := start(b)
	keys := make([]string, 100)
	for i := range keys {
		keys[i] = fmt.Sprint("topic-", i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		op := new(blank)
		key := keys[i%len(keys)]
		p.Watch(op, 30*time.Second, key)
		op.free = true
		p.Check(key)
	}
}

// timed measures how late its time-out is.
type timed struct {
	Base
	deadline time.Time
	latest   *atomic.Int64
}

func (o *timed) Ready() bool { return false }

func (o *timed) Complete(expired bool) {
	if late := int64(time.Since(o.deadline)); expired && late > o.latest.Load() {
		o.latest.Store(late) // time-outs run on one goroutine, so nobody writes between the two
	}
}

// BenchmarkTimeouts has a hundred thousand requests a second, of which nine in ten time out after 50 to 150 ms. It
// reports the rate it held and how late the latest time-out was; run it with -benchtime=500000x or more.
func BenchmarkTimeouts(b *testing.B) {
	p, timer := start(b)
	rnd := rand.New(rand.NewPCG(1, 7))
	const perSecond = 100_000
	var latest atomic.Int64
	begin, n := time.Now(), 0
	for b.Loop() {
		if ahead := time.Duration(n)*time.Second/perSecond - time.Since(begin); ahead > time.Millisecond {
			time.Sleep(ahead) // the load is open: it comes at its rate, whatever the purgatory does
		}
		timeout := time.Duration(50+rnd.IntN(100)) * time.Millisecond
		op := &timed{deadline: time.Now().Add(timeout), latest: &latest}
		p.Watch(op, timeout, "orders-0", "orders-1")
		if rnd.IntN(10) == 0 {
			p.Force(op)
		}
		n++
	}
	b.ReportMetric(float64(n)/time.Since(begin).Seconds(), "requests/s")
	b.ReportMetric(float64(timer.Len()), "pending")
	b.ReportMetric(float64(latest.Load())/1e6, "ms-late")
}
