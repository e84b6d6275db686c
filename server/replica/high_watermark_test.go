package replica

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"ottla/logdir/disk"
	"ottla/zkcoord/cluster"
)

func TestHighWatermark(t *testing.T) {
	// Each case begins with five records in the log of broker 1, the leader; then followers fetch, then five
	// more come.
	type fetch struct {
		from   cluster.BrokerID
		offset int64
	}
	for name, tc := range map[string]struct {
		isr           []int32
		minISR        int
		dead          int32
		before, after []fetch
		want          int64
	}{
		"a leader alone commits at once":              {isr: ids(1), want: 10},
		"it waits for a member that never came":       {isr: ids(1, 2), want: 0},
		"the slowest member decides":                  {isr: ids(1, 2, 3), after: []fetch{{2, 10}, {3, 7}}, want: 7},
		"who is not in sync may lag":                  {isr: ids(1, 2), after: []fetch{{2, 10}, {3, 7}}, want: 10},
		"one that asks to join is waited for":         {isr: ids(1), before: []fetch{{2, 5}}, want: 5},
		"one about to join is waited for":             {isr: ids(1), before: []fetch{{2, 5}, {3, 5}}, after: []fetch{{2, 10}}, want: 5},
		"a dead one is not about to join":             {isr: ids(1), dead: 3, before: []fetch{{2, 5}, {3, 5}}, after: []fetch{{2, 10}}, want: 10},
		"one that goes back does not take it along":   {isr: ids(1, 2), before: []fetch{{2, 5}}, after: []fetch{{2, 3}}, want: 5},
		"with too few in sync it stands still":        {isr: ids(1), minISR: 2, want: 0},
		"the minimum is capped by the replicas":       {isr: ids(1, 2, 3), minISR: 9, after: []fetch{{2, 10}, {3, 10}}, want: 10},
		"the offset fetched is the one that it lacks": {isr: ids(1, 2), after: []fetch{{2, 9}}, want: 9},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.minISR = max(1, tc.minISR)
			if tc.dead != 0 {
				r.alive(slices.DeleteFunc(ids(1, 2, 3), func(id int32) bool { return id == tc.dead })...)
			}
			p := r.leadWith(0, tc.isr, ids(1, 2, 3))
			r.mustProduce(5)
			for _, f := range tc.before {
				r.fetchFrom(f.from, 0, f.offset)
			}
			r.mustProduce(5)
			for _, f := range tc.after {
				r.fetchFrom(f.from, 0, f.offset)
			}
			if got := p.Snapshot().HighWatermark; got != tc.want {
				t.Errorf("high watermark %d, want %d: %+v", got, tc.want, p.Snapshot())
			}
		})
	}
}

// A follower that was about to join and fell silent counts no longer after replica.lag.time.max.ms.
func TestASilentFollowerLetsTheHighWatermarkGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.m.Start()
		p := r.leadWith(0, ids(1), ids(1, 2, 3))
		r.fetchFrom(2, 0, 0)
		w, _ := r.isr.take()
		w.answer(cluster.LeaderAndISR{}, 107) // INELIGIBLE_REPLICA: the ISR is [1] again
		waiting := r.produce(5, acksAll, time.Minute)
		if hw := p.Snapshot().HighWatermark; hw != 0 {
			t.Errorf("high watermark %d while 2 is about to join", hw)
		}
		time.Sleep(50 * time.Second)
		synctest.Wait()
		select {
		case e := <-waiting:
			if e.Err != nil {
				t.Error(e.Err)
			}
		default:
			t.Error("the producer still waits for a follower that is silent")
		}
	})
}

func TestTooFewInSync(t *testing.T) {
	r := newRig(t)
	r.minISR = 2
	p := r.leadWith(0, ids(1), ids(1, 2))
	if e := <-r.produce(1, acksAll, time.Second); !errors.Is(e.Err, ErrNotEnoughReplicas) || e.Result.LogStartOffset != 0 {
		t.Errorf("acks=all: %v, log start %d", e.Err, e.Result.LogStartOffset)
	}
	if end := p.LogEndOffset(); end != 0 {
		t.Errorf("refused records were appended: log end %d", end)
	}
	if e := <-r.produce(1, 1, time.Second); e.Err != nil || e.Result.FirstOffset != 0 {
		t.Errorf("acks=1: %+v", e)
	}
	if hw := p.Snapshot().HighWatermark; hw != 0 {
		t.Errorf("high watermark %d with one of two in sync", hw)
	}
	r.m.Reconfigure("orders", TopicConfig{MinInsyncReplicas: 1})
	if hw := p.Snapshot().HighWatermark; hw != 1 {
		t.Errorf("high watermark %d after the minimum was lowered", hw)
	}
}

// An operator wrote a broker twice into a topic's znode, and the controller, as Apache Kafka's does, passes on what it found. The
// broker is one copy: two in the ISR of one broker are too few, and nobody waits for a second follower that never comes.
func TestABrokerThatStandsTwiceInAListCountsOnce(t *testing.T) {
	r := newRig(t)
	r.minISR = 2
	r.leadWith(0, ids(1, 1), ids(1, 1, 2))
	if e := <-r.produce(1, acksAll, time.Second); !errors.Is(e.Err, ErrNotEnoughReplicas) {
		t.Errorf("acks=all with broker 1 twice in the ISR: %v", e.Err)
	}
	p := r.leadWith(1, ids(1, 2, 2), ids(1, 2, 2))
	r.mustProduce(5)
	r.fetchFrom(2, 1, 5)
	if s := p.Snapshot(); s.HighWatermark != 5 || len(s.Followers) != 1 {
		t.Errorf("with broker 2 twice among the followers: %+v", s)
	}
}

// Whatever followers do, the high watermark never goes back, and never passes a log end of the maximal ISR that
// the leader has seen under this reign.
func TestHighWatermarkProperties(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 4))
		r := newRig(t)
		p := r.lead(0, 1, 2, 3)
		seen := map[cluster.BrokerID]int64{2: -1, 3: -1}
		last, epoch := int64(0), int32(0)
		for step := range 200 {
			switch n := rnd.IntN(12); {
			case n < 4:
				r.mustProduce(1 + rnd.IntN(5))
			case n < 10:
				id, end := cluster.BrokerID(2+rnd.IntN(2)), p.LogEndOffset()
				offset := min(end, max(0, seen[id]+int64(rnd.IntN(8))-2))
				if fp := r.fetchFrom(id, epoch, offset); fp.Err == nil {
					seen[id] = offset
				}
			case n < 11:
				if w, ok := r.isr.take(); ok {
					w.want.PartitionEpoch++
					w.answer(w.want, 0)
				}
			default:
				p.shrinkISR(time.Now().Add(time.Hour))
			}
			reign := p.mu.reign.Load()
			hw := reign.log.HighWatermark()
			if hw < last || hw > p.LogEndOffset() {
				t.Fatalf("seed %d, step %d: high watermark %d after %d, log end %d", seed, step, hw, last, p.LogEndOffset())
			}
			for _, id := range reign.maximalISR {
				if end, ok := seen[id]; ok && hw > last && hw > end {
					t.Fatalf("seed %d, step %d: high watermark rose to %d, %d has come to %d", seed, step, hw, id, end)
				}
			}
			last = hw
		}
	}
}

func TestHighWatermarksOutliveARestart(t *testing.T) {
	fsys := disk.NewCrashing()
	first := openRig(t, fsys, "/data")
	first.lead(0, 1, 2)
	first.mustProduce(5)
	first.fetchFrom(2, 0, 3)
	first.close()

	second := openRig(t, fsys, "/data")
	p := second.follow(2, 1, 1, 2)
	if s := p.Snapshot(); s.HighWatermark != 3 || s.LogEnd != 5 {
		t.Errorf("after a restart: %+v", s)
	}
}

func TestHighWatermarksAreWrittenDownAsTimeGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := disk.NewCrashing()
		r := openRig(t, fsys, "/data")
		r.lead(0, 1)
		r.m.Start()
		r.mustProduce(3)
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if got := checkpointed(t, fsys, "/data"); got != "0\n1\norders 0 3\n" {
			t.Errorf("replication-offset-checkpoint holds %q", got)
		}
	})
}
