package logdir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"ottla/logdir/batch"
	"ottla/logdir/disk"
	"ottla/zkcoord/cluster"
)

// twoDirs are the options of a broker with two directories on a disk that can crash.
func twoDirs(fsys disk.FS) Options {
	o := crashOptions(fsys)
	o.Dirs = []string{"/a", "/b"}
	return o
}

// moveTo moves a log as the broker does, and returns the one that counts afterwards.
func moveTo(m *Manager, tp cluster.TopicPartition, dir string) (*Log, error) {
	mv, err := m.StartMove(tp, dir)
	if err != nil || mv == nil {
		l, _ := m.Log(tp)
		return l, err
	}
	return finishMove(m, mv)
}

func finishMove(m *Manager, mv *Move) (*Log, error) {
	for {
		if err := copyAll(mv); err != nil {
			return nil, err
		}
		if err := mv.Prepare(); err != nil {
			return nil, err
		}
		l, err := mv.Swap()
		if err != nil {
			return nil, err
		}
		if l != nil {
			mv.Settle()
			return l, nil
		}
	}
}

// copyAll copies until nothing is left for a moment.
func copyAll(mv *Move) error {
	for {
		if near, err := mv.Copy(); near || err != nil {
			return err
		}
	}
}

// other is the directory in which a log is not.
func other(l *Log) string {
	if l.Dir() == "/a" {
		return "/b"
	}
	return "/a"
}

// folderNames lists what lies in both directories, less what is on its way out.
func folderNames(t testing.TB, fsys disk.FS) (out []string) {
	t.Helper()
	for _, dir := range []string{"/a", "/b"} {
		entries, err := fsys.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.IsDir() && !isDeleted(e.Name()) {
				out = append(out, dir+"/"+e.Name())
			}
		}
	}
	return out
}

func TestMove(t *testing.T) {
	fsys := disk.NewCrashing()
	m := open(t, twoDirs(fsys))
	l := create(t, m)
	h := &history{}
	if err := errors.Join(l.AssignEpochStart(1, 0), appendAll(l, h, 20, 3)); err != nil {
		t.Fatal(err)
	}
	l.SetHighWatermark(40)
	if err := l.AdvanceLogStart(10); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.applyRetention(time.Now()), l.AssignEpochStart(5, l.LogEndOffset())); err != nil {
		t.Fatal(err)
	}
	reading, err := l.Read(12, 1<<20, true, LimitLogEnd)
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Release()
	to := other(l)
	moved, err := moveTo(m, orders, to)
	if err != nil {
		t.Fatal(err)
	}
	if current, _ := m.Log(orders); current != moved || moved.Dir() != to {
		t.Fatalf("the log is in %s", moved.Dir())
	}
	if got, want := fmt.Sprint(moved.LogStartOffset(), moved.HighWatermark(), moved.LogEndOffset(), moved.Epochs(), moved.TopicID()),
		fmt.Sprint(l.LogStartOffset(), l.HighWatermark(), l.LogEndOffset(), l.Epochs(), l.TopicID()); got != want {
		t.Errorf("moved: %s, it was %s", got, want)
	}
	if copied := testutil.ToFloat64(m.metrics.moved); copied != float64(moved.Size()) {
		t.Errorf("%v bytes were copied of %d", copied, moved.Size())
	}
	if _, err := l.AppendAsLeader(plain(0, 1, 0), 5, OriginClient, 9); !errors.Is(err, ErrClosed) {
		t.Errorf("the old log still takes records: %v", err)
	}
	if b, err := reading.Bytes(); err != nil || len(b) == 0 {
		t.Errorf("a reader under way: %v", err)
	}
	if got := values(t, l, 10); len(got) != 50 {
		t.Errorf("a reader of the old log finds %d records", len(got))
	}
	checkLog(t, moved)
	if err := appendAll(moved, h, 3, 2); err != nil {
		t.Fatal(err)
	}
	if got, want := folderNames(t, fsys), to+"/orders-0"; len(got) != 1 || got[0] != want {
		t.Errorf("directories %v, want %s", got, want)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, twoDirs(fsys))
	l, _ = again.Log(orders)
	if l == nil || l.Dir() != to || strings.Join(values(t, l, 10), " ") != strings.Join(h.values[10:], " ") {
		t.Errorf("after a restart: %v", l)
	}
}

// TestCopyFollowsATruncation cuts the source while it is copied, also below what a read under way has seen.
func TestCopyFollowsATruncation(t *testing.T) {
	for name, cut := range map[string]func(l *Log) error{
		"to the middle": func(l *Log) error { return l.TruncateTo(11) },
		"to nothing":    func(l *Log) error { return l.TruncateFullyAndStartAt(5) },
		"beyond":        func(l *Log) error { return l.TruncateFullyAndStartAt(500) },
	} {
		t.Run(name, func(t *testing.T) {
			m := open(t, twoDirs(disk.NewCrashing()))
			l := create(t, m)
			if err := appendAll(l, &history{}, 15, 2); err != nil {
				t.Fatal(err)
			}
			mv, err := m.StartMove(orders, other(l))
			if err != nil {
				t.Fatal(err)
			}
			if err := copyAll(mv); err != nil || mv.Lag() != 0 {
				t.Fatalf("lag %d: %v", mv.Lag(), err)
			}
			if err := cut(l); err != nil {
				t.Fatal(err)
			}
			if _, err := l.AppendAsLeader(plain(100, 40, 5), 7, OriginClient, 9); err != nil {
				t.Fatal(err)
			}
			want := values(t, l, l.LogStartOffset())
			moved, err := finishMove(m, mv)
			if err != nil {
				t.Fatal(err)
			}
			if got := values(t, moved, moved.LogStartOffset()); strings.Join(got, " ") != strings.Join(want, " ") || moved.LogStartOffset() != l.LogStartOffset() {
				t.Errorf("moved %d records from %d, want %d from %d", len(got), moved.LogStartOffset(), len(want), l.LogStartOffset())
			}
			checkLog(t, moved)
		})
	}
}

func TestMoveIsCalledOff(t *testing.T) {
	fsys := disk.NewCrashing()
	m := open(t, twoDirs(fsys))
	l := create(t, m)
	if err := appendAll(l, &history{}, 5, 2); err != nil {
		t.Fatal(err)
	}
	mv, err := m.StartMove(orders, other(l))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mv.Copy(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(mv.Prepare(), m.CancelMove(orders), m.CancelMove(orders)); err != nil {
		t.Fatal(err)
	}
	if _, err := mv.Copy(); !errors.Is(err, ErrClosed) {
		t.Errorf("it goes on: %v", err)
	}
	if l, err := mv.Swap(); l != nil || !errors.Is(err, ErrClosed) {
		t.Errorf("it swaps: %v", err)
	}
	if got := folderNames(t, fsys); len(got) != 1 || len(m.Moves()) != 0 {
		t.Errorf("left: %v", got)
	}
	if _, err := fsys.Stat(l.file(movingFile)); err == nil {
		t.Error("the log still says that it moves")
	}
	// The partition goes in the middle of another try.
	if mv, err = m.StartMove(orders, other(l)); err != nil {
		t.Fatal(err)
	}
	if err := m.Delete(orders); err != nil {
		t.Fatal(err)
	}
	if _, err := mv.Copy(); !errors.Is(err, ErrClosed) {
		t.Errorf("it goes on: %v", err)
	}
	if got := folderNames(t, fsys); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

func appendIn(l *Log, h *history, epoch int32) error {
	_, err := l.AppendAsLeader(h.batch(2), epoch, OriginClient, 9)
	return err
}

// movingScenario appends and moves there and back, with a truncation in the middle.
func movingScenario(fsys disk.FS, h *history) error {
	m, err := Open(context.Background(), twoDirs(fsys), nil)
	if err != nil {
		return err
	}
	defer m.Abandon()
	l, err := m.LogOrCreate(orders, cluster.TopicID{7}, true)
	if err != nil {
		return err
	}
	if err := errors.Join(l.AssignEpochStart(1, 0), appendAll(l, h, 6, 3)); err != nil {
		return err
	}
	epoch := int32(2)
	for range 2 {
		mv, err := m.StartMove(orders, other(l))
		if err != nil {
			return err
		}
		if err := copyAll(mv); err != nil {
			return err
		}
		if err := flush(l, h); err != nil {
			return err
		}
		if err := truncate(l, h, len(h.values)-4); err != nil {
			return err
		}
		// What a follower gets after a truncation is of a later epoch.
		epoch++
		if err := errors.Join(appendIn(l, h, epoch), appendIn(l, h, epoch), flush(l, h)); err != nil {
			return err
		}
		if err := m.checkpointAll(recoveryPointFile); err != nil {
			return err
		}
		if l, err = finishMove(m, mv); err != nil {
			return err
		}
		if err := errors.Join(appendIn(l, h, epoch), appendIn(l, h, epoch)); err != nil {
			return err
		}
	}
	if err := errors.Join(m.Close(), l.dir.err()); err != nil {
		return err
	}
	h.flushed = len(h.values)
	return nil
}

// TestCrashAtEveryStepOfAMove pulls the plug after each step: there is one log, never two and never none, with all
// that was flushed; a move that was under way can go on.
func TestCrashAtEveryStepOfAMove(t *testing.T) {
	every := 1
	if testing.Short() {
		every = 7
	}
	crashes{seed: [2]uint64{2, 1}, every: every, least: 150}.run(t, func(fsys *disk.Crashing) (afterwards, error) {
		h := &history{}
		check := func(step int, after *disk.Crashing) { afterMovingCrash(t, step, after, h) }
		return check, movingScenario(fsys, h)
	})
}

func afterMovingCrash(t *testing.T, step int, fsys *disk.Crashing, h *history) {
	t.Helper()
	m, err := Open(context.Background(), twoDirs(fsys), nil)
	if err != nil {
		t.Fatalf("crash after step %d: %v", step, err)
	}
	defer m.Abandon()
	if q := m.Quarantined(); len(q) > 0 {
		t.Fatalf("crash after step %d: %v", step, q)
	}
	l, ok := m.Log(orders)
	if !ok {
		if h.flushed > 0 {
			t.Fatalf("crash after step %d: the log is gone; there are %v", step, folderNames(t, fsys))
		}
		return
	}
	check := func(l *Log) {
		t.Helper()
		got := values(t, l, 0)
		for i := range min(h.flushed, len(h.values)) {
			if i >= len(got) || got[i] != h.values[i] {
				t.Fatalf("crash after step %d: record %d of %d flushed ones is lost; there are %q", step, i, h.flushed, got)
			}
		}
		checkLog(t, l)
	}
	check(l)
	for _, mv := range m.Moves() {
		moved, err := finishMove(m, mv)
		if err != nil {
			t.Fatalf("crash after step %d: the move does not go on: %v", step, err)
		}
		if l.LogEndOffset() != moved.LogEndOffset() {
			t.Fatalf("crash after step %d: moved %d of %d", step, moved.LogEndOffset(), l.LogEndOffset())
		}
		l = moved
	}
	check(l)
	if got := folderNames(t, fsys); len(got) != 1 {
		t.Fatalf("crash after step %d: there are %v", step, got)
	}
	if _, err := l.AppendAsLeader(plain(0, 2, 5000), 9, OriginClient, 9); err != nil {
		t.Fatalf("crash after step %d: append: %v", step, err)
	}
	if err := m.Close(); err != nil {
		t.Fatalf("crash after step %d: close: %v", step, err)
	}
}

// TestProducersMoveAlong: a producer whose records are all deleted is known by the log alone, and so is a
// verification under way.
func TestProducersMoveAlong(t *testing.T) {
	m := open(t, twoDirs(disk.NewCrashing()))
	l := create(t, m)
	idempotent := func(producer int64, sequence int32) []byte {
		o := batch.PlainOptions(batch.None)
		o.ProducerID, o.ProducerEpoch, o.BaseSequence = producer, 0, sequence
		b := batch.NewBuilder(o)
		b.Append(1000, nil, []byte("x"))
		return b.Bytes()
	}
	produce(t, l, idempotent(7, 0))
	for range 30 {
		produce(t, l, plain(0, 2, 1000))
	}
	l.SetHighWatermark(l.LogEndOffset())
	if err := errors.Join(l.AdvanceLogStart(l.LogEndOffset()), l.applyRetention(time.Now())); err != nil {
		t.Fatal(err)
	}
	guard := l.StartVerification(9, 0, 0)
	moved, err := moveTo(m, orders, other(l))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := moved.AppendAsLeader(idempotent(7, 0), 0, OriginClient, 9); err != nil || !r.Duplicate {
		t.Errorf("a duplicate: %+v, %v", r, err)
	}
	if _, err := moved.AppendAsLeader(idempotent(7, 5), 0, OriginClient, 9); !errors.Is(err, ErrOutOfOrderSequence) {
		t.Errorf("a gap in the sequence: %v", err)
	}
	if again := moved.StartVerification(9, 0, 0); again != guard {
		t.Errorf("the verification under way is forgotten: %v, it was %v", again, guard)
	}
}

// TestMovingLogIsNotCleaned: a tombstone that a cleaning dropped meanwhile would leave its record alive in the copy.
func TestMovingLogIsNotCleaned(t *testing.T) {
	fsys := disk.NewCrashing()
	o := compactedOptions(fsys)
	o.Dirs = []string{"/a", "/b"}
	m := open(t, o)
	l := create(t, m)
	k := &keyedLife{newest: map[string]string{}, flushed: map[string]string{}, offsets: map[string]int64{}}
	for range 12 {
		if err := k.append(l, 5); err != nil {
			t.Fatal(err)
		}
	}
	l.SetHighWatermark(l.LogEndOffset())
	const now = 1_700_000_000_000
	if _, err := m.StartMove(orders, other(l)); err != nil {
		t.Fatal(err)
	}
	if c, err := l.cleanable(now); err != nil || c.due() || c.dirtyBytes == 0 {
		t.Errorf("to be cleaned while it moves: %+v, %v", c, err)
	}
	if err := m.CancelMove(orders); err != nil {
		t.Fatal(err)
	}
	if !cleanNow(t, l, CleanerOptions{}, now) {
		t.Error("nothing to clean once the move is called off")
	}
	// A copy that was begun before a cleaning, and found by a start after it, is made anew.
	mv, err := m.StartMove(orders, other(l))
	if err != nil {
		t.Fatal(err)
	}
	if err := copyAll(mv); err != nil {
		t.Fatal(err)
	}
	mv.future.cleanPoint.Store(0)
	mv.mu.compared = false
	if _, err := mv.Copy(); err != nil || mv.future.cleanPoint.Load() != l.cleanPoint.Load() {
		t.Errorf("clean up to %d, the log up to %d: %v", mv.future.cleanPoint.Load(), l.cleanPoint.Load(), err)
	}
	moved, err := finishMove(m, mv)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(newestIn(t, moved)) != fmt.Sprint(newestIn(t, l)) || moved.cleanPoint.Load() != l.cleanPoint.Load() {
		t.Errorf("moved up to %d, clean up to %d", moved.LogEndOffset(), moved.cleanPoint.Load())
	}
	checkLog(t, moved)
}

// TestCopySkipsWhatCompactionTook: at the end of a log there may be no batch at all.
func TestCopySkipsWhatCompactionTook(t *testing.T) {
	for name, batches := range map[string]int{"behind records": 4, "in an empty log": 0} {
		t.Run(name, func(t *testing.T) {
			m := open(t, twoDirs(disk.NewCrashing()))
			l := create(t, m)
			if err := errors.Join(appendAll(l, &history{}, batches, 2), l.skipTo(300)); err != nil {
				t.Fatal(err)
			}
			moved, err := moveTo(m, orders, other(l))
			if err != nil || moved.LogEndOffset() != 300 {
				t.Fatalf("moved %v: %v", moved, err)
			}
			if r := produce(t, moved, plain(0, 2, 0)); r.FirstOffset != 300 {
				t.Errorf("the next record is at %d", r.FirstOffset)
			}
		})
	}
}

// TestWhatAStartFindsOfMoves: two logs of a partition, copies that belong to nothing, a copy that cannot be read, one
// that has parted from its log.
func TestWhatAStartFindsOfMoves(t *testing.T) {
	const copyName = "orders-0.0123456789abcdef0123456789abcdef-future"
	for name, tc := range map[string]struct {
		do          func(t *testing.T, fsys disk.FS, here, there string)
		quarantined bool
		moves       int
		arrives     bool
		left        int // directories of the partition afterwards
	}{
		"two logs, of which nobody says which is old": {quarantined: true, left: 2,
			do: func(t *testing.T, fsys disk.FS, _, there string) { put(t, fsys, there+"/orders-0", "") }},
		"two logs, one of which moves into the other": {arrives: true, left: 1,
			do: func(t *testing.T, fsys disk.FS, here, there string) {
				put(t, fsys, there+"/orders-0", "")
				put(t, fsys, here+"/orders-0/"+movingFile, there+"\n")
			}},
		"two logs, one of which stays": {left: 1,
			do: func(t *testing.T, fsys disk.FS, here, there string) {
				put(t, fsys, there+"/orders-0", "")
				put(t, fsys, here+"/orders-0/"+movingFile, staysHere+"\n")
			}},
		"two logs, one of which moves to elsewhere": {quarantined: true, left: 2,
			do: func(t *testing.T, fsys disk.FS, here, there string) {
				put(t, fsys, there+"/orders-0", "")
				put(t, fsys, here+"/orders-0/"+movingFile, "/elsewhere\n")
			}},
		"a log that said it would move": {left: 1,
			do: func(t *testing.T, fsys disk.FS, here, there string) {
				put(t, fsys, here+"/orders-0/"+movingFile, there+"\n")
			}},
		"an empty copy": {moves: 1, arrives: true, left: 1,
			do: func(t *testing.T, fsys disk.FS, _, there string) { put(t, fsys, there+"/"+copyName, "") }},
		"a copy that cannot be read": {moves: 1, arrives: true, left: 1,
			do: func(t *testing.T, fsys disk.FS, _, there string) {
				put(t, fsys, there+"/"+copyName+"/"+partitionMetaFile, "nonsense")
			}},
		"a copy of an earlier topic": {left: 2,
			do: func(t *testing.T, fsys disk.FS, _, there string) {
				put(t, fsys, there+"/"+copyName+"/"+partitionMetaFile, string(encodePartitionMeta(cluster.TopicID{9})))
			}},
		"a copy in the directory of its log": {left: 2,
			do: func(t *testing.T, fsys disk.FS, here, _ string) { put(t, fsys, here+"/"+copyName, "") }},
		"a copy of nothing": {left: 2,
			do: func(t *testing.T, fsys disk.FS, _, there string) {
				put(t, fsys, there+"/"+strings.Replace(copyName, "orders", "nobody", 1), "")
			}},
	} {
		t.Run(name, func(t *testing.T) {
			fsys := disk.NewCrashing()
			m := open(t, twoDirs(fsys))
			l := create(t, m)
			here, there := l.Dir(), other(l)
			h := &history{}
			if err := errors.Join(appendAll(l, h, 9, 3), m.Close()); err != nil {
				t.Fatal(err)
			}
			tc.do(t, fsys, here, there)
			m = open(t, twoDirs(fsys))
			if n := len(m.Quarantined()); (n == 1) != tc.quarantined {
				t.Fatalf("quarantined: %v", m.Quarantined())
			}
			if n := len(m.Moves()); n != tc.moves {
				t.Fatalf("%d moves", n)
			}
			for _, mv := range m.Moves() {
				if _, err := finishMove(m, mv); err != nil {
					t.Error(err)
				}
			}
			if got := folderNames(t, fsys); len(got) != tc.left {
				t.Errorf("left: %v", got)
			}
			l, ok := m.Log(orders)
			if ok == tc.quarantined || ok && (l.Dir() == there) != tc.arrives {
				t.Fatalf("the log: %v", l)
			}
			if tc.moves > 0 && strings.Join(values(t, l, 0), " ") != strings.Join(h.values, " ") {
				t.Errorf("moved %q", values(t, l, 0))
			}
			if !tc.quarantined {
				return
			}
			// An operator takes one away.
			if err := m.Reload(orders); err == nil {
				t.Error("both are there still")
			}
			if err := errors.Join(fsys.RemoveAll(there+"/orders-0"), m.Reload(orders)); err != nil {
				t.Fatal(err)
			}
			if l, ok := m.Log(orders); !ok || len(values(t, l, 0)) != len(h.values) {
				t.Errorf("after that: %v, %v", l, m.Quarantined())
			}
		})
	}
}

// put makes a file, or a directory where there is no content.
func put(t *testing.T, fsys disk.FS, name, content string) {
	t.Helper()
	if content == "" {
		if err := fsys.MkdirAll(name); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := errors.Join(fsys.MkdirAll(filepath.Dir(name)), writeFile(fsys, name, []byte(content), true)); err != nil {
		t.Fatal(err)
	}
}

// TestAStaleCopyIsCutWhereItParts: while the copy's directory was away, its log was cut and written anew.
func TestAStaleCopyIsCutWhereItParts(t *testing.T) {
	m := open(t, twoDirs(disk.NewCrashing()))
	l := create(t, m)
	h := &history{}
	if err := appendAll(l, h, 6, 2); err != nil {
		t.Fatal(err)
	}
	mv, err := m.StartMove(orders, other(l))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(copyAll(mv), truncate(l, h, 8), appendIn(l, h, 5), appendIn(l, h, 6), appendIn(l, h, 6)); err != nil {
		t.Fatal(err)
	}
	l.takeCut() // nobody has told the copy
	mv.mu.compared = false
	if end, ok := agreedEnd(l, mv.future); !ok || end != 8 {
		t.Errorf("they agree up to %d, %v", end, ok)
	}
	moved, err := finishMove(m, mv)
	if err != nil {
		t.Fatal(err)
	}
	if got := values(t, moved, 0); strings.Join(got, " ") != strings.Join(h.values, " ") {
		t.Errorf("moved %q, want %q", got, h.values)
	}
}

// TestADiskFailsAtEveryStepOfAMove: from some step on the disk of one directory takes nothing. The log goes on in the
// other one, if it was there or has just come there; and when the disk is back, what was written meanwhile counts.
func TestADiskFailsAtEveryStepOfAMove(t *testing.T) {
	for _, failing := range []string{"/a", "/b"} {
		survived := 0
		for n, done := 0, false; !done; n++ {
			fsys := disk.NewCrashing()
			m := open(t, twoDirs(fsys))
			l := create(t, m)
			h := &history{}
			if err := errors.Join(l.AssignEpochStart(1, 0), appendAll(l, h, 6, 3)); err != nil {
				t.Fatal(err)
			}
			steps := 0
			fsys.Fail(func(op disk.Op, name string) error {
				if op == disk.OpRead || name != failing && !strings.HasPrefix(name, failing+"/") {
					return nil
				}
				if steps++; steps <= n {
					return nil
				}
				return &fs.PathError{Op: string(op), Path: name, Err: syscall.EIO}
			})
			_, err := moveTo(m, orders, other(l))
			done = err == nil && len(m.OfflineDirs()) == 0
			m.AbandonMove(orders)
			l, _ = m.Log(orders)
			if l.dir.err() == nil {
				survived++
				if l.Dir() == failing {
					fsys.Fail(nil) // that the disk fails later is another story
				}
				if err := errors.Join(appendIn(l, h, 3), flush(l, h)); err != nil {
					t.Fatalf("%s fails at step %d: %v", failing, n, err)
				}
			}
			_ = m.Close() // a disk is broken
			fsys.Fail(nil)
			again := open(t, twoDirs(fsys))
			l, ok := again.Log(orders)
			if !ok {
				t.Fatalf("%s fails at step %d: %v, there are %v", failing, n, again.Quarantined(), folderNames(t, fsys))
			}
			if got := values(t, l, 0); strings.Join(got, " ") != strings.Join(h.values, " ") {
				t.Fatalf("%s fails at step %d: %q, want %q", failing, n, got, h.values)
			}
			again.Abandon()
		}
		if survived < 2 {
			t.Errorf("%s fails: the log went on %d times", failing, survived)
		}
	}
}
