package logdir

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"ottla/logdir/batch"
	"ottla/logdir/disk"
	"ottla/zkcoord/cluster"
)

// crashOptions are those of a broker with small files on a disk that can crash.
func crashOptions(fsys disk.FS) Options {
	o := testOptions("/logs")
	o.FS = fsys
	o.RecoveryThreads = 1
	o.Defaults.SegmentBytes = 700
	o.Defaults.IndexBytes = 240
	o.Defaults.IndexIntervalBytes = 120
	o.Defaults.RetentionAge = -1 // the tests live in 1970
	o.ProducerIDExpiration = 200 * 365 * 24 * time.Hour
	return o
}

// history is what a scenario has done to one log: the value of each record by offset, and how many of
// them were flushed since the last truncation below.
type history struct {
	values  []string
	flushed int
	next    int // for values that never repeat
}

func (h *history) batch(n int) []byte {
	b := batch.NewBuilder(batch.PlainOptions(batch.None))
	for range n {
		b.Append(int64(1000+h.next), nil, fmt.Appendf(nil, "v%d", h.next))
		h.values = append(h.values, fmt.Sprintf("v%d", h.next))
		h.next++
	}
	return b.Bytes()
}

// scenario is a life of a log with everything in it that touches the disk. It ends early with the error of
// the disk; h then tells what had been done.
func scenario(fsys disk.FS, h *history) error {
	m, err := Open(context.Background(), crashOptions(fsys), nil)
	if err != nil {
		return err
	}
	defer m.Abandon()
	l, err := m.LogOrCreate(orders, cluster.TopicID{7}, true)
	if err != nil {
		return err
	}
	steps := []func() error{
		func() error { return l.AssignEpochStart(1, 0) },
		func() error { return appendAll(l, h, 3, 2) },
		func() error { return flush(l, h) },
		func() error { return appendAll(l, h, 10, 3) },
		func() error { return m.checkpointAll(recoveryPointFile) },
		func() error { l.flushRolled(l.active().base); return l.dir.err() },
		func() error { return m.checkpointAll(recoveryPointFile) },
		func() error { return truncate(l, h, len(h.values)-5) },
		func() error { return l.AssignEpochStart(2, l.LogEndOffset()) },
		func() error { return appendAll(l, h, 4, 1) },
		func() error { return flush(l, h) },
		func() error { return m.checkpointAll(recoveryPointFile) },
		func() error { return truncate(l, h, 9) },
		func() error { return appendAll(l, h, 12, 2) },
		func() error { l.SetHighWatermark(l.LogEndOffset()); return m.CheckpointHighWatermarks() },
		func() error { return errors.Join(m.Close(), l.dir.err()) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	h.flushed = len(h.values)
	return nil
}

func appendAll(l *Log, h *history, batches, records int) error {
	for range batches {
		if _, err := l.AppendAsLeader(h.batch(records), 2, OriginClient, 9); err != nil {
			return err
		}
	}
	return nil
}

func flush(l *Log, h *history) error {
	err := l.Flush()
	if err == nil {
		h.flushed = len(h.values)
	}
	return err
}

func truncate(l *Log, h *history, to int) error {
	h.flushed = min(h.flushed, to-2) // the batch that holds the offset goes as a whole
	if err := l.TruncateTo(int64(to)); err != nil {
		return err
	}
	h.values = h.values[:l.LogEndOffset()]
	return nil
}

// TestCrashAtEveryStep pulls the plug after the first step of the scenario, the second, the third ... Each
// time the log opens, what was flushed is there, and the indexes agree with the records.
func TestCrashAtEveryStep(t *testing.T) {
	for seed := range uint64(3) {
		crashes{seed: [2]uint64{seed, 1}, every: 1, least: 100}.run(t, func(fsys *disk.Crashing) (afterwards, error) {
			h := &history{}
			check := func(step int, after *disk.Crashing) { afterCrash(t, step, after, h, h.flushed) }
			return check, scenario(fsys, h)
		})
	}
}

// crashes pulls the plug after every so many steps of a life, until one comes to its end.
type crashes struct {
	seed  [2]uint64
	every int
	least int // steps that the life must have, or it is not what it was meant to be
}

// afterwards checks what a start finds.
type afterwards func(step int, fsys *disk.Crashing)

// run begins a new life for each crash, and has both looked at: what a power failure leaves, and what kill -9 leaves.
func (c crashes) run(t *testing.T, live func(*disk.Crashing) (afterwards, error)) {
	t.Helper()
	random := rand.New(rand.NewPCG(c.seed[0], c.seed[1]))
	for n := 0; ; n += c.every {
		fsys := disk.NewCrashing()
		fsys.CrashAfter(n)
		check, err := live(fsys)
		if err != nil && !errors.Is(err, disk.ErrCrashed) && !errors.Is(err, ErrStorage) && !errors.Is(err, ErrClosed) {
			t.Fatalf("step %d: %v", n, err)
		}
		check(n, fsys.PowerFailure(random))
		check(n, fsys.Killed())
		if err == nil {
			if n < c.least {
				t.Fatalf("the scenario has only %d steps", n)
			}
			return
		}
	}
}

// TestPowerFailureAfterACleanShutdown: the marker says that nothing needs a check, so nothing may be lost that the
// next start believes, be it of the active segment or of one closed since the last sync.
func TestPowerFailureAfterACleanShutdown(t *testing.T) {
	fsys := disk.NewCrashing()
	m, err := Open(context.Background(), crashOptions(fsys), nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := m.LogOrCreate(orders, cluster.TopicID{7}, true)
	if err != nil {
		t.Fatal(err)
	}
	h := &history{}
	if err := errors.Join(appendAll(l, h, 7, 2), flush(l, h)); err != nil {
		t.Fatal(err)
	}
	m.background.close() // so that the roll's own sync does not come first
	l.mu.Lock()
	err = l.rollLocked(l.mu.written.offset, l.cfg.Load())
	l.mu.Unlock()
	if err := errors.Join(err, m.Close()); err != nil {
		t.Fatal(err)
	}
	afterCrash(t, 0, fsys.PowerFailure(nil), h, h.flushed)

	again := fsys.PowerFailure(nil)
	if m, err = Open(context.Background(), crashOptions(again), nil); err != nil {
		t.Fatal(err)
	}
	l, _ = m.Log(orders)
	if err := errors.Join(appendAll(l, h, 5, 2), m.Close()); err != nil {
		t.Fatal(err)
	}
	afterCrash(t, 1, again.PowerFailure(nil), h, len(h.values))
}

func afterCrash(t *testing.T, step int, fsys *disk.Crashing, h *history, flushed int) {
	t.Helper()
	o := crashOptions(fsys)
	m, err := Open(context.Background(), o, nil)
	if err != nil {
		t.Fatalf("crash after step %d: %v", step, err)
	}
	defer m.Abandon()
	if q := m.Quarantined(); len(q) > 0 {
		t.Fatalf("crash after step %d: %v", step, q)
	}
	l, ok := m.Log(orders)
	if !ok {
		if flushed > 0 {
			t.Fatalf("crash after step %d: the log is gone", step)
		}
		return
	}
	got := values(t, l, 0)
	for i := range min(flushed, len(h.values)) {
		if i >= len(got) || got[i] != h.values[i] {
			t.Fatalf("crash after step %d: record %d of %d flushed ones is lost; there are %q", step, i, flushed, got)
		}
	}
	checkLog(t, l)
	if _, err := l.AppendAsLeader(plain(0, 2, 5000), 9, OriginClient, 9); err != nil {
		t.Fatalf("crash after step %d: append: %v", step, err)
	}
	checkLog(t, l)
	if err := m.Close(); err != nil {
		t.Fatalf("crash after step %d: close: %v", step, err)
	}
	again, err := Open(context.Background(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Abandon()
	if l, ok := again.Log(orders); !ok || len(values(t, l, 0)) != len(got)+2 {
		t.Fatalf("crash after step %d: after a clean restart: %v, %v", step, ok, again.Quarantined())
	}
}

// checkLog holds what a log keeps besides records against its records.
func checkLog(t testing.TB, l *Log) {
	t.Helper()
	next := l.list()[0].base
	fresh := producers{}
	for _, s := range l.list() {
		if s.base < next {
			t.Fatalf("segment %d begins before %d", s.base, next)
		}
		next = checkSegment(t, l, s, next, &fresh)
	}
	if end := l.LogEndOffset(); end < next { // more is a gap, see takeGap
		t.Fatalf("log end %d, the records end at %d", end, next)
	}
	if !epochsAscend(l.epochs.list()) {
		t.Fatalf("epochs %v", l.epochs.list())
	}
	if l.list()[0].base == 0 { // else some may be known from records that are deleted
		checkProducers(t, l, &fresh)
	}
}

func epochsAscend(list []epochEntry) bool {
	for i := 1; i < len(list); i++ {
		if list[i-1].epoch >= list[i].epoch || list[i-1].start > list[i].start {
			return false
		}
	}
	return true
}

// checkSegment: each index entry names the start of the batch that ends with its offset; each time entry
// the largest timestamp up to its offset.
func checkSegment(t testing.TB, l *Log, s *segment, next int64, fresh *producers) int64 {
	t.Helper()
	lastOffsets := map[int64]int64{} // by position
	largest := map[int64]int64{}     // by last offset
	most := timeMark{batch.NoTimestamp, -1}
	c, err := s.scan(0, s.size.Load())
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for {
		h, position, ok, err := c.next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		if h.BaseOffset < next {
			t.Fatalf("batch [%d, %d] where %d is next", h.BaseOffset, h.LastOffset(), next)
		}
		next = h.NextOffset()
		if h.MaxTimestamp > most.timestamp {
			most = timeMark{h.MaxTimestamp, h.LastOffset()}
		}
		lastOffsets[position], largest[h.LastOffset()] = h.LastOffset(), most.timestamp
		m, isMarker, err := c.marker(&h, position)
		if err != nil {
			t.Fatal(err)
		}
		fresh.add(&h, m, isMarker)
	}
	for i, e := range entriesOf(t, s.offsets) {
		if last, ok := lastOffsets[int64(e.position)]; !ok || last != s.base+int64(e.relative) {
			t.Fatalf("segment %d: index entry %d says offset %d at %d, there is %d", s.base, i, s.base+int64(e.relative), e.position, last)
		}
	}
	for i, e := range entriesOf(t, s.times) {
		if ts, ok := largest[s.base+int64(e.relative)]; !ok || ts != e.timestamp {
			t.Fatalf("segment %d: time entry %d says %d at %d, there is %d", s.base, i, e.timestamp, s.base+int64(e.relative), ts)
		}
	}
	if got := s.maxTimestamp(); got.timestamp != most.timestamp {
		t.Fatalf("segment %d: largest timestamp %v, want %v", s.base, got, most)
	}
	return next
}

// checkProducers compares with what all records together say. Only the newest batch of a producer
// survives a restart.
func checkProducers(t testing.TB, l *Log, fresh *producers) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(fresh.byID) != len(l.mu.producers.byID) {
		t.Fatalf("%d producers, the records have %d", len(l.mu.producers.byID), len(fresh.byID))
	}
	for id, want := range fresh.byID {
		got := l.mu.producers.byID[id]
		if got == nil || got.state() != want.state() {
			t.Fatalf("producer %d is %+v, the records say %+v", id, got, want.state())
		}
	}
	if fmt.Sprint(l.mu.producers.ongoing) != fmt.Sprint(fresh.ongoing) {
		t.Fatalf("open transactions %v, the records say %v", l.mu.producers.ongoing, fresh.ongoing)
	}
}
