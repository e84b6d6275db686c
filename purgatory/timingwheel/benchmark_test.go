package timingwheel

import (
	"math/rand/v2"
	"testing"
	"time"
)

// pending is how many entries wait while the benchmarks add and cancel.
const pending = 2_000_000

// filled returns a Timer in which two million entries wait for 30 to 60 seconds, and random delays of that range.
func filled(b *testing.B) (*Timer, []Entry, []time.Duration) {
	rnd := rand.New(rand.NewPCG(1, 1))
	delays := make([]time.Duration, 1<<16)
	for i := range delays {
		delays[i] = 30*time.Second + time.Duration(rnd.Int64N(int64(30*time.Second)))
	}
	timer := New()
	b.Cleanup(timer.Close)
	entries := make([]Entry, pending)
	for i := range entries {
		entries[i].Init(func() {})
		timer.Add(&entries[i], delays[i%len(delays)])
	}
	b.ReportAllocs()
	return timer, entries, delays
}

func BenchmarkInsertAndCancel(b *testing.B) {
	timer, _, delays := filled(b)
	var e Entry
	e.Init(func() {})
	for i := 0; b.Loop(); i++ {
		timer.Add(&e, delays[i%len(delays)])
		timer.Cancel(&e)
	}
}

func BenchmarkInsert(b *testing.B) {
	timer, _, delays := filled(b)
	fresh := make([]Entry, 1<<20)
	for i := range fresh {
		fresh[i].Init(func() {})
	}
	for i := 0; b.Loop(); i++ {
		timer.Add(&fresh[i%len(fresh)], delays[i%len(delays)])
	}
}

func BenchmarkCancelOfARandomOne(b *testing.B) {
	timer, entries, delays := filled(b)
	rnd := rand.New(rand.NewPCG(2, 2))
	order := rnd.Perm(len(entries))
	for i := 0; b.Loop(); i++ {
		e := &entries[order[i%len(order)]]
		if !timer.Cancel(e) { // every two million: they are all out, so fill it again
			b.StopTimer()
			for i := range entries {
				timer.Add(&entries[i], delays[i%len(delays)])
			}
			b.StartTimer()
		}
	}
}
