package timingwheel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAnEntryFiresAtItsMillisecond(t *testing.T) {
	for _, delay := range []time.Duration{
		-time.Second, 0, 1, time.Millisecond - 1, time.Millisecond, 19 * time.Millisecond, 20 * time.Millisecond, 21 * time.Millisecond,
		399 * time.Millisecond, 400 * time.Millisecond, 401 * time.Millisecond, 8 * time.Second, 159*time.Second + 999*time.Millisecond, time.Hour, 1000 * time.Hour,
	} {
		t.Run(delay.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				timer := New()
				defer timer.Close()
				time.Sleep(7*time.Hour + 3*time.Millisecond) // an idle wheel must catch up first
				added := time.Now()
				var e Entry
				fired := make(chan time.Duration, 1)
				e.Init(func() { fired <- time.Since(added) })
				timer.Add(&e, delay)
				want := max(0, (delay+tick-1)/tick*tick)
				if got := <-fired; got != want {
					t.Errorf("fired after %v, want %v", got, want)
				}
				if timer.Len() != 0 || timer.Cancel(&e) {
					t.Error("a fired entry is still there")
				}
			})
		})
	}
}

func TestADelayOfCenturiesNeverFires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		timer := New()
		defer timer.Close()
		var e Entry
		e.Init(func() { t.Error("fired") })
		time.Sleep(time.Hour)
		timer.Add(&e, math.MaxInt64)
		time.Sleep(10000 * time.Hour)
		if !timer.Cancel(&e) {
			t.Error("it is gone")
		}
	})
}

// TestAgainstAMap lets a naive model, a map from entry to due tick, say what must have fired when.
func TestAgainstAMap(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { modelRun(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func modelRun(t *testing.T, rnd *rand.Rand) {
	timer := New()
	defer timer.Close()
	start := time.Now()
	elapsed := func() int64 { return int64(time.Since(start) / tick) }
	entries := make([]Entry, 200)
	due := make(map[*Entry]int64)
	var mu sync.Mutex
	for i := range entries {
		e := &entries[i]
		e.Init(func() {
			mu.Lock()
			defer mu.Unlock()
			if want, ok := due[e]; !ok || want != elapsed() {
				t.Errorf("fired at %d, want %d, pending %v", elapsed(), want, ok)
			}
			delete(due, e)
		})
	}
	scale := []time.Duration{time.Millisecond, 30 * time.Millisecond, time.Second, time.Minute, time.Hour}
	for range 3000 {
		e := &entries[rnd.IntN(len(entries))]
		switch rnd.IntN(6) {
		case 0, 1, 2:
			delay := time.Duration(rnd.Int64N(int64(scale[rnd.IntN(len(scale))])) + 1)
			mu.Lock()
			timer.Add(e, delay)
			due[e] = int64((time.Since(start) + delay + tick - 1) / tick)
			mu.Unlock()
		case 3, 4:
			mu.Lock()
			_, pending := due[e]
			if got := timer.Cancel(e); got != pending {
				t.Errorf("cancel says %v, the model %v", got, pending)
			}
			delete(due, e)
			mu.Unlock()
		case 5:
			time.Sleep(time.Duration(rnd.Int64N(int64(scale[rnd.IntN(len(scale))]))))
			synctest.Wait()
		}
		mu.Lock()
		if timer.Len() != len(due) {
			t.Fatalf("%d pending, want %d", timer.Len(), len(due))
		}
		for e, at := range due {
			if at < elapsed() {
				t.Fatalf("entry of tick %d has not fired at %d: %+v", at, elapsed(), e)
			}
		}
		mu.Unlock()
	}
	time.Sleep(2 * time.Hour)
	synctest.Wait()
	if len(due) != 0 {
		t.Errorf("%d entries never fired", len(due))
	}
}

// TestASlowTaskMakesOthersLateNeverEarly adds entries while the goroutine is held up and buckets wait to be taken.
func TestASlowTaskMakesOthersLateNeverEarly(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 9))
			timer := New()
			defer timer.Close()
			var fired atomic.Int64
			const count = 2000
			for i := range count {
				delay := time.Duration(rnd.Int64N(int64(90 * time.Second)))
				if i%3 == 0 {
					delay %= 500 * time.Millisecond
				}
				due, hold := time.Now().Add(delay), time.Duration(0)
				if i%20 == 0 {
					hold = time.Duration(rnd.IntN(700)) * time.Millisecond
				}
				e := new(Entry)
				e.Init(func() {
					if time.Now().Before(due) {
						t.Errorf("%v early", time.Until(due))
					}
					fired.Add(1)
					time.Sleep(hold)
				})
				timer.Add(e, delay)
				if i%10 == 0 {
					time.Sleep(time.Duration(rnd.IntN(400)) * time.Millisecond)
				}
			}
			time.Sleep(5 * time.Minute)
			if fired.Load() != count {
				t.Errorf("%d fired of %d", fired.Load(), count)
			}
		})
	}
}

func TestATaskMayAddItsEntryAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		timer := New()
		defer timer.Close()
		var e Entry
		beats := 0
		e.Init(func() {
			if beats++; beats < 10 {
				timer.Add(&e, time.Second)
			}
		})
		timer.Add(&e, time.Second)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if beats != 10 {
			t.Errorf("%d beats, want 10", beats)
		}
	})
}

func TestAnEntryThatIsDueCanStillBeCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		timer := New()
		defer timer.Close()
		var slow, late Entry
		held := make(chan struct{})
		slow.Init(func() { <-held })
		late.Init(func() { t.Error("a cancelled task ran") })
		timer.Add(&slow, time.Millisecond)
		timer.Add(&late, time.Millisecond)
		time.Sleep(time.Second)
		if !timer.Cancel(&late) {
			t.Error("it should be waiting behind the slow one")
		}
		close(held)
	})
}

func TestAfterCloseNothingFires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		timer := New()
		var before, after Entry
		before.Init(func() { t.Error("fired") })
		after.Init(func() { t.Error("fired") })
		timer.Add(&before, time.Second)
		timer.Close()
		timer.Close()
		timer.Add(&after, time.Millisecond)
		time.Sleep(time.Minute)
	})
}

// TestRacingAddsAndCancels is for the race detector: each entry either fires or is cancelled, never both.
func TestRacingAddsAndCancels(t *testing.T) {
	timer := New()
	defer timer.Close()
	var fired, cancelled, added atomic.Int64
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(worker), 2))
			for range 5000 {
				e := new(Entry)
				e.Init(func() { fired.Add(1) })
				added.Add(1)
				timer.Add(e, time.Duration(rnd.IntN(30))*time.Millisecond/10)
				if rnd.IntN(2) == 0 && timer.Cancel(e) {
					cancelled.Add(1)
				}
			}
		})
	}
	all.Wait()
	last := make(chan struct{})
	var e Entry
	e.Init(func() { close(last) })
	timer.Add(&e, 10*time.Millisecond)
	<-last
	if got := fired.Load() + cancelled.Load(); got != added.Load() {
		t.Errorf("%d fired and %d were cancelled of %d", fired.Load(), cancelled.Load(), added.Load())
	}
}
