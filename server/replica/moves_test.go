package replica

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ottla/logdir"
	"ottla/logdir/disk"
	"ottla/zkcoord/cluster"
)

// settled waits until nothing moves any more.
func (r *rig) settled() {
	r.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); len(r.logs.Moves()) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("still moving: %v", r.logs.Moves())
		}
	}
}

func (r *rig) dir() string {
	l, ok := r.logs.Log(orders)
	if !ok {
		r.t.Fatal("there is no log")
	}
	return l.Dir()
}

// elsewhere is the other one of two directories.
func (r *rig) elsewhere() string {
	if r.dir() == "/a" {
		return "/b"
	}
	return "/a"
}

func TestAlterLogDir(t *testing.T) {
	r := openRig(t, disk.NewCrashing(), "/a,/b")
	r.lead(0, 1)
	r.mustProduce(3)
	alter := func(tp cluster.TopicPartition, dir string, want error) {
		t.Helper()
		if err := r.m.AlterLogDir(tp, dir); !errors.Is(err, want) {
			t.Errorf("%v to %s: %v, want %v", tp, dir, err, want)
		}
	}
	alter(orders, "/c", logdir.ErrUnknownDir)
	alter(orders, "a", logdir.ErrUnknownDir)
	alter(cluster.TopicPartition{Topic: strings.Repeat("x", 249)}, "/a", ErrInvalidTopic)
	alter(cluster.TopicPartition{Topic: "nobody"}, "/a", ErrUnknownPartition)
	from, to := r.dir(), r.elsewhere()
	alter(orders, from, nil)
	r.settled()
	if r.dir() != from {
		t.Fatal("it moved, though it was there already")
	}
	alter(orders, to, nil)
	alter(orders, to, nil)
	r.settled()
	if r.dir() != to {
		t.Fatalf("it is in %s", r.dir())
	}
	r.mustProduce(2)
	if fp := r.fetchFrom(cluster.NoBroker, 0, 0); fp.Err != nil || fp.Data.HighWatermark != 5 || fp.Data.Len() == 0 {
		t.Errorf("read from the moved log: %+v", fp)
	}
	// One that the controller has not sent us yet is made where it was wanted.
	second := cluster.TopicPartition{Topic: orders.Topic, Partition: 1}
	alter(second, to, ErrUnknownPartition)
	if code := r.decide(partitionOne(state(1, 0, 0, ids(1), ids(1)))); code != 0 {
		t.Fatal(code)
	}
	if l, _ := r.logs.Log(second); l.Dir() != to {
		t.Errorf("orders-1 is in %s, wanted was %s", l.Dir(), to)
	}
}

// TestMovesUnderLoad moves a log to and fro while it is written and read, and the controller raises its epoch. Nobody
// gets an error, every record keeps its offset.
func TestMovesUnderLoad(t *testing.T) {
	r := openRig(t, disk.NewCrashing(), "/a,/b")
	p := r.lead(0, 1)
	var stop atomic.Bool
	var wg sync.WaitGroup
	next := int64(0)
	wg.Go(func() {
		for !stop.Load() {
			e := <-r.produce(3, 1, time.Second)
			if e.Err != nil || e.Result.FirstOffset != next {
				t.Errorf("append at %d, want %d: %v", e.Result.FirstOffset, next, e.Err)
				return
			}
			next += 3
		}
	})
	wg.Go(func() {
		for offset := int64(0); !stop.Load(); {
			answer := make(chan FetchPartition, 1)
			r.m.Fetch(FetchParams{Replica: cluster.NoBroker, ReplicaEpoch: -1, MinBytes: 1, MaxBytes: 1 << 16, MaxWait: 10 * time.Millisecond},
				[]FetchPartition{wanted(-1, offset)}, func(parts []FetchPartition) { answer <- parts[0] })
			fp := <-answer
			b, err := fp.Data.Bytes()
			fp.Data.Release()
			if errors.Is(fp.Err, ErrNotLeader) {
				continue // an epoch began in the middle of the read
			}
			if err = errors.Join(fp.Err, err); err != nil {
				t.Errorf("read at %d: %v", offset, err)
				return
			}
			if len(b) > 0 {
				offset += 3
			}
		}
	})
	wg.Go(func() {
		for epoch := int32(1); !stop.Load(); epoch++ {
			if code := r.decide(state(1, epoch, epoch, ids(1), ids(1))); code != 0 {
				t.Errorf("LeaderAndIsr: %d", code)
			}
			time.Sleep(time.Millisecond)
		}
	})
	moves := 6
	if testing.Short() {
		moves = 2
	}
	for i := range moves {
		to := r.elsewhere()
		if err := r.m.AlterLogDir(orders, to); err != nil {
			t.Error(err)
		}
		r.settled()
		if r.dir() != to {
			t.Errorf("move %d: it is in %s", i, r.dir())
		}
	}
	stop.Store(true)
	wg.Wait()
	l, _ := p.Log()
	if current, _ := r.logs.Log(orders); l != current || l.LogEndOffset() != next {
		t.Errorf("the partition's log ends at %d, %d records were appended", l.LogEndOffset(), next)
	}
}

// TestMoveIsCalledOff by another wish, and by the end of either directory.
func TestMoveIsCalledOff(t *testing.T) {
	for name, tc := range map[string]struct {
		do      func(t *testing.T, r *rig, fsys *disk.Crashing, from, to string)
		offline bool
	}{
		"a wish for where it is": {do: func(t *testing.T, r *rig, _ *disk.Crashing, from, _ string) {
			if err := r.m.AlterLogDir(orders, from); err != nil {
				t.Error(err)
			}
		}},
		"the directory it goes to fails": {do: func(_ *testing.T, r *rig, fsys *disk.Crashing, _, to string) {
			fsys.Fail(failing(to))
		}},
		"the directory it comes from fails": {offline: true, do: func(_ *testing.T, r *rig, fsys *disk.Crashing, from, _ string) {
			fsys.Fail(failing(from))
			r.logs.FailDir(from, syscall.EIO)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			fsys := disk.NewCrashing()
			r := openRig(t, fsys, "/a,/b")
			p := r.lead(0, 1)
			for range 5 {
				r.mustProduce(3)
			}
			r.logs.SetMoveRate(1)
			from, to := r.dir(), r.elsewhere()
			if err := r.m.AlterLogDir(orders, to); err != nil {
				t.Fatal(err)
			}
			mv, ok := r.logs.Move(orders)
			if !ok || mv.TopicPartition() != orders || !mv.GoesTo(to) {
				t.Fatal("it does not move")
			}
			for deadline := time.Now().Add(10 * time.Second); mv.Lag() > 0 && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
			tc.do(t, r, fsys, from, to)
			r.logs.SetMoveRate(0)
			r.settled()
			if _, err := r.m.Partition(orders); (err != nil) != tc.offline {
				t.Errorf("the partition: %v", err)
			}
			if l, ok := p.Log(); !tc.offline && (!ok || l.Dir() != from || l.LogEndOffset() != 15) {
				t.Errorf("the log is %v", l)
			}
			if !tc.offline {
				r.mustProduce(1)
			}
		})
	}
}

// failing makes a directory's disk fail whatever is changed in it.
func failing(dir string) func(disk.Op, string) error {
	return func(op disk.Op, name string) error {
		if strings.HasPrefix(name, dir+"/") && op != disk.OpRead {
			return &fs.PathError{Op: string(op), Path: name, Err: syscall.EIO}
		}
		return nil
	}
}

// TestMoveGoesOnAfterARestart: what the last run had begun needs no second wish.
func TestMoveGoesOnAfterARestart(t *testing.T) {
	fsys := disk.NewCrashing()
	r := openRig(t, fsys, "/a,/b")
	r.lead(0, 1)
	for range 5 {
		r.mustProduce(3)
	}
	r.logs.SetMoveRate(1)
	to := r.elsewhere()
	if err := r.m.AlterLogDir(orders, to); err != nil {
		t.Fatal(err)
	}
	r.m.Close()
	r.logs.Abandon()

	r = openRig(t, fsys.Killed(), "/a,/b")
	if n := len(r.logs.Moves()); n != 1 {
		t.Fatalf("%d moves to go on with", n)
	}
	r.m.Start()
	r.lead(1, 1)
	r.settled()
	if r.dir() != to {
		t.Errorf("it is in %s", r.dir())
	}
	r.mustProduce(1)
	if fp := r.fetchFrom(cluster.NoBroker, 1, 0); fp.Err != nil || fp.Data.HighWatermark != 16 {
		t.Errorf("read from the moved log: %s", fmt.Sprint(fp.Err, fp.Data.HighWatermark))
	}
}
