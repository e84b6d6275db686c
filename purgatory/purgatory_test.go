package purgatory

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// waits is an Operation whose condition the test sets.
type waits struct {
	Base
	ready     func() bool
	asking    atomic.Int32
	completed atomic.Int32
	expired   atomic.Bool
	onAnswer  func()
}

func (w *waits) Ready() bool {
	if w.asking.Add(1) != 1 {
		panic("Ready overlaps")
	}
	defer w.asking.Add(-1)
	return w.ready()
}

func (w *waits) Complete(expired bool) {
	w.expired.Store(expired)
	if w.completed.Add(1) != 1 {
		panic("completed twice")
	}
	if w.onAnswer != nil {
		w.onAnswer()
	}
}

func never() bool  { return false }
func always() bool { return true }

func start(t testing.TB) (*Purgatory[string], *Timer) {
	timer := NewTimer()
	p := New[string]("Test", timer, nil)
	t.Cleanup(func() { p.Close(); timer.Close() })
	return p, timer
}

func TestWhatIsReadyIsAnsweredAtOnce(t *testing.T) {
	p, _ := start(t)
	op := &waits{ready: always}
	if !p.Watch(op, time.Hour, "a") || op.completed.Load() != 1 || op.expired.Load() {
		t.Error("not answered")
	}
	if p.Watched() != 0 || p.Pending() != 0 {
		t.Error("it is still there")
	}
}

func TestCheckAnswersWhatItsKeyFrees(t *testing.T) {
	p, timer := start(t)
	free := false
	ops := []*waits{{ready: func() bool { return free }}, {ready: never}, {ready: func() bool { return free }}}
	for i, keys := range [][]string{{"a", "b"}, {"a"}, {"b"}} {
		if p.Watch(ops[i], time.Hour, keys...) {
			t.Fatal("answered too early")
		}
	}
	if p.Watched() != 4 || p.Pending() != 3 || timer.Len() != 3 {
		t.Errorf("%d watched, %d pending", p.Watched(), p.Pending())
	}
	if n := p.Check("a"); n != 0 {
		t.Errorf("%d answered while nothing is free", n)
	}
	free = true
	if n := p.Check("a"); n != 1 || ops[0].completed.Load() != 1 {
		t.Errorf("%d answered by a, want 1", n)
	}
	if n := p.Check("c"); n != 0 {
		t.Errorf("%d answered by a key nobody watches", n)
	}
	if n := p.Check("b"); n != 1 || ops[2].completed.Load() != 1 {
		t.Errorf("%d answered by b, want 1", n)
	}
	if p.Watched() != 1 || p.Pending() != 1 || timer.Len() != 1 {
		t.Errorf("%d watched, %d pending", p.Watched(), p.Pending())
	}
}

func TestTimeEndsTheWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		timer := NewTimer()
		defer timer.Close()
		p := New[int]("Test", timer, nil)
		defer p.Close()
		op := &waits{ready: never}
		p.Watch(op, 30*time.Second, 1, 2)
		time.Sleep(30*time.Second - 1)
		synctest.Wait()
		if op.completed.Load() != 0 {
			t.Error("too early")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if op.completed.Load() != 1 || !op.expired.Load() || p.Pending() != 0 {
			t.Error("not expired")
		}
		if p.Check(1) != 0 || p.Check(2) != 0 || p.Watched() != 0 {
			t.Error("an expired operation was answered again, or stays listed")
		}
	})
}

func TestForceWinsOnce(t *testing.T) {
	p, timer := start(t)
	op := &waits{ready: always}
	op.ready = never
	p.Watch(op, time.Hour)
	if !p.Force(op) || p.Force(op) || op.expired.Load() || timer.Len() != 0 {
		t.Error("want one answer, not expired")
	}
}

func TestCancelKeyHandsOverWhatWaits(t *testing.T) {
	p, _ := start(t)
	gone, stays := &waits{ready: never}, &waits{ready: never}
	p.Watch(gone, time.Hour, "a", "b")
	p.Watch(stays, time.Hour, "a", "b")
	p.Force(gone)
	ops := p.CancelKey("a")
	if len(ops) != 1 || ops[0] != Operation(stays) || p.Pending() != 1 {
		t.Errorf("got %v", ops)
	}
	if p.CancelKey("a") != nil {
		t.Error("the key is still watched")
	}
	stays.ready = always
	if p.Check("b") != 1 || p.Watched() != 0 {
		t.Error("the other key was lost")
	}
}

// TestAChangeBetweenTryingAndWatchingIsSeen fails without Watch's second try.
func TestAChangeBetweenTryingAndWatchingIsSeen(t *testing.T) {
	p, _ := start(t)
	free := false
	op := &waits{}
	op.ready = func() bool {
		was := free
		if !free {
			free = true
			p.Check("a") // finds nobody: the operation is not listed yet
		}
		return was
	}
	if !p.Watch(op, time.Hour, "a") {
		t.Error("the wake-up was lost")
	}
}

// TestAChangeWhileAnotherAsksIsSeen fails without the note that a second Check leaves (KAFKA-6653).
func TestAChangeWhileAnotherAsksIsSeen(t *testing.T) {
	p, _ := start(t)
	var free atomic.Bool
	looked, goOn := make(chan struct{}), make(chan struct{})
	op := &waits{ready: never}
	p.Watch(op, time.Hour, "a")
	var first sync.Once
	op.ready = func() bool {
		was := free.Load()
		first.Do(func() { close(looked); <-goOn })
		return was
	}
	answered := make(chan int)
	go func() { answered <- p.Check("a") }()
	<-looked
	free.Store(true)
	if n := p.Check("a"); n != 0 { // does not wait for the other
		t.Errorf("%d answered", n)
	}
	close(goOn)
	if n := <-answered; n != 1 {
		t.Error("the wake-up was lost")
	}
}

func TestAnAnswerMayCheckAgain(t *testing.T) {
	p, _ := start(t)
	second := &waits{ready: never}
	first := &waits{ready: never, onAnswer: func() { second.ready = always; p.Check("a") }}
	p.Watch(first, time.Hour, "a")
	p.Watch(second, time.Hour, "a")
	first.ready = always
	p.Check("a")
	if second.completed.Load() != 1 {
		t.Error("the second was not freed by the first")
	}
}

func TestTheReaperSweepsWhatIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		timer := NewTimer()
		defer timer.Close()
		p := New[int]("Test", timer, nil)
		defer p.Close()
		for i := range 5000 {
			op := &waits{ready: never}
			p.Watch(op, time.Minute, i, -i-1)
			if i%10 != 0 {
				p.Force(op)
			}
		}
		synctest.Wait()
		if left := p.Watched(); left > 1000+2*reapAtLeast {
			t.Errorf("%d places for 500 operations", left)
		}
		time.Sleep(2 * time.Minute)
		for i := range 5000 {
			p.Check(i)
			p.Check(-i - 1)
		}
		if p.Watched() != 0 || p.Pending() != 0 || p.finished.Load() != 0 {
			t.Errorf("%d watched, %d pending, %d finished at the end", p.Watched(), p.Pending(), p.finished.Load())
		}
	})
}

// TestAgainstAList lets a naive model, one list that is walked after every deed, say who must be answered when.
func TestAgainstAList(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { modelRun(t, rand.New(rand.NewPCG(seed, 3))) })
		})
	}
}

type modelled struct {
	waits
	keys     []int
	need     int
	deadline time.Time
	want     string // "", "ready" or "expired"
}

// modelRun has counters that rise; an operation needs the sum of its keys' counters to reach a number.
func modelRun(t *testing.T, rnd *rand.Rand) {
	timer := NewTimer()
	defer timer.Close()
	p := New[int]("Test", timer, nil)
	defer p.Close()
	const keys = 12
	counters := make([]int, keys)
	var model []*modelled
	sum := func(op *modelled) (n int) {
		for _, k := range op.keys {
			n += counters[k]
		}
		return n
	}
	settle := func(check int) {
		now := time.Now()
		for _, op := range model {
			if op.want != "" {
				continue
			}
			watched := check < 0
			for _, k := range op.keys {
				watched = watched || k == check
			}
			if !op.deadline.After(now) {
				op.want = "expired"
			} else if check >= 0 && watched && sum(op) >= op.need {
				op.want = "ready"
			}
		}
	}
	for range 400 {
		check := -1
		switch rnd.IntN(4) {
		case 0, 1:
			op := &modelled{keys: rnd.Perm(keys)[:1+rnd.IntN(4)]}
			op.need = sum(op) + rnd.IntN(6)
			op.ready = func() bool { return sum(op) >= op.need }
			timeout := time.Duration(1+rnd.IntN(5000)) * time.Millisecond
			op.deadline = time.Now().Add(timeout)
			if sum(op) >= op.need {
				op.want = "ready"
			}
			if p.Watch(op, timeout, op.keys...) != (op.want == "ready") {
				t.Fatal("Watch and the model disagree")
			}
			model = append(model, op)
		case 2:
			check = rnd.IntN(keys)
			counters[check]++
			settle(check)
			p.Check(check)
		case 3:
			time.Sleep(time.Duration(rnd.IntN(1500)) * time.Millisecond)
			synctest.Wait()
			settle(-1)
		}
		pending := 0
		for i, op := range model {
			got := ""
			if op.completed.Load() == 1 {
				got = map[bool]string{false: "ready", true: "expired"}[op.expired.Load()]
			} else {
				pending++
			}
			if got != op.want {
				t.Fatalf("operation %d: %q, the model says %q", i, got, op.want)
			}
		}
		if p.Pending() != pending {
			t.Fatalf("%d pending, want %d", p.Pending(), pending)
		}
	}
}

// TestRacers is for the race detector and for lost wake-ups: counters are raised by some goroutines while others
// watch them; all must be answered, by a Check, long before their time.
func TestRacers(t *testing.T) {
	p, _ := start(t)
	const watchers, each, keys = 4, 2000, 7
	var counters [keys]atomic.Int64
	var left atomic.Int64
	left.Store(watchers * each)
	var all sync.WaitGroup
	for w := range watchers {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(w), 5))
			for range each {
				a, b := rnd.IntN(keys), rnd.IntN(keys)
				sum := func() int64 { return counters[a].Load() + counters[b].Load() }
				need := sum() + rnd.Int64N(4)
				op := &waits{onAnswer: func() { left.Add(-1) }}
				op.ready = func() bool { return sum() >= need }
				p.Watch(op, time.Hour, fmt.Sprint(a), fmt.Sprint(b))
				if rnd.IntN(50) == 0 {
					p.Force(op)
				}
			}
		})
	}
	for r := range 2 {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(r), 6))
			for left.Load() > 0 {
				k := rnd.IntN(keys)
				counters[k].Add(1)
				p.Check(fmt.Sprint(k))
				if rnd.IntN(1000) == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	all.Wait()
	for k := range keys {
		p.Check(fmt.Sprint(k))
	}
	if p.Pending() != 0 || p.Watched() != 0 || p.finished.Load() != 0 {
		t.Errorf("%d pending, %d watched, %d finished at the end", p.Pending(), p.Watched(), p.finished.Load())
	}
}

// TestTheLastWakeUpCounts raises each condition exactly once, at about the time of the Watch: a lost wake-up hangs.
func TestTheLastWakeUpCounts(t *testing.T) {
	p, _ := start(t)
	for i := range 3000 {
		key := fmt.Sprint(i % 5)
		var free [2]atomic.Bool
		answered := make(chan struct{})
		op := &waits{onAnswer: func() { close(answered) }}
		op.ready = func() bool { return free[0].Load() && free[1].Load() }
		for side := range free {
			go func() { free[side].Store(true); p.Check(key) }()
		}
		p.Watch(op, time.Hour, key)
		select {
		case <-answered:
		case <-time.After(20 * time.Second):
			t.Fatal("the wake-up was lost")
		}
	}
}

func TestMetrics(t *testing.T) {
	timer := NewTimer()
	defer timer.Close()
	registry := prometheus.NewRegistry()
	p := New[string]("Produce", timer, registry)
	p.Watch(&waits{ready: never}, time.Hour, "a", "b")
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		got[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue()
	}
	if got["kafka_server_delayedoperationpurgatory_purgatorysize"] != 2 || got["kafka_server_delayedoperationpurgatory_numdelayedoperations"] != 1 {
		t.Errorf("got %v", got)
	}
	p.Close()
	if families, _ := registry.Gather(); len(families) != 0 {
		t.Error("metrics stay after Close")
	}
}
