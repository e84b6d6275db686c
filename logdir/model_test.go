package logdir

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"ottla/logdir/batch"
	"ottla/logdir/disk"
	"ottla/zkcoord/cluster"
)

// model is a log as anyone would write it who need not store anything: the batches, in order.
type model struct {
	batches []modelBatch
	start   int64
	end     int64
	hw      int64
	next    int // for values that never repeat
}

type modelBatch struct {
	first, last int64
	timestamp   int64
	values      []string
}

func (m *model) add(b modelBatch) {
	m.batches = append(m.batches, b)
	m.end = b.last + 1
}

func (m *model) truncate(to int64) {
	if to >= m.end {
		return
	}
	for len(m.batches) > 0 && m.batches[len(m.batches)-1].last >= to {
		to = min(to, m.batches[len(m.batches)-1].first)
		m.batches = m.batches[:len(m.batches)-1]
	}
	m.end, m.hw, m.start = to, min(m.hw, to), min(m.start, to)
}

func (m *model) values(from int64) (out []string) {
	for _, b := range m.batches {
		for i, v := range b.values {
			if b.first+int64(i) >= from {
				out = append(out, v)
			}
		}
	}
	return out
}

func (m *model) timestampAtLeast(ts int64) (offset int64, found bool) {
	for _, b := range m.batches {
		for i := range b.values {
			if o := b.first + int64(i); o >= m.start && b.timestamp+int64(i) >= ts {
				return o, true
			}
		}
	}
	return -1, false
}

// life is a log under test beside its model.
type life struct {
	t      *testing.T
	random *rand.Rand
	fsys   *disk.Crashing
	m      *Manager
	l      *Log
	model  model
	// sequences of three producers; an epoch each.
	sequences [3]int32
	epoch     int32
	did       []string
}

func (f *life) open() {
	m, err := Open(context.Background(), crashOptions(f.fsys), nil)
	if err != nil {
		f.fatal("open: %v", err)
	}
	f.m = m
	l, err := m.LogOrCreate(orders, cluster.TopicID{7}, true)
	if err != nil {
		f.fatal("log: %v", err)
	}
	f.l = l
}

func (f *life) fatal(format string, args ...any) {
	f.t.Helper()
	for _, d := range f.did[max(0, len(f.did)-40):] {
		f.t.Log(d)
	}
	f.t.Fatalf(format, args...)
}

// build makes a batch of one of the producers, or of none.
func (f *life) build() (b []byte, mb modelBatch, producer int) {
	o := batch.PlainOptions(batch.Codec(f.random.IntN(5)))
	producer = f.random.IntN(6) - 3
	if producer >= 0 {
		o.ProducerID, o.ProducerEpoch, o.BaseSequence, o.Transactional = int64(producer), 0, f.sequences[producer], producer > 0
	}
	builder := batch.NewBuilder(o)
	mb.timestamp = int64(1_000_000 + f.random.IntN(100_000))
	for range 1 + f.random.IntN(5) {
		v := fmt.Sprintf("v%d", f.model.next)
		f.model.next++
		builder.Append(mb.timestamp+int64(len(mb.values)), []byte("k"), []byte(v))
		mb.values = append(mb.values, v)
	}
	return builder.Bytes(), mb, producer
}

func (f *life) produce() string {
	b, mb, producer := f.build()
	r, err := f.l.AppendAsLeader(b, f.epoch, OriginClient, 9)
	if err != nil {
		f.fatal("append: %v", err)
	}
	if producer >= 0 {
		f.sequences[producer] += int32(len(mb.values))
	}
	mb.first, mb.last = r.FirstOffset, r.LastOffset
	if r.FirstOffset != f.model.end {
		f.fatal("appended at %d, want %d", r.FirstOffset, f.model.end)
	}
	f.model.add(mb)
	return fmt.Sprintf("produce [%d, %d] by %d", mb.first, mb.last, producer)
}

// follow appends several batches, with a gap before one of them, as a follower of a compacted topic does.
func (f *life) follow() string {
	var all []byte
	next := f.model.end
	var added []modelBatch
	for range 1 + f.random.IntN(6) {
		b := batch.NewBuilder(batch.PlainOptions(batch.None))
		mb := modelBatch{first: next + int64(f.random.IntN(3)), timestamp: 1_050_000}
		for range 1 + f.random.IntN(3) {
			v := fmt.Sprintf("v%d", f.model.next)
			f.model.next++
			b.Append(mb.timestamp+int64(len(mb.values)), nil, []byte(v))
			mb.values = append(mb.values, v)
		}
		mb.last = mb.first + int64(len(mb.values)) - 1
		next = mb.last + 1
		one := b.Bytes()
		batch.SetOffset(one, mb.first)
		batch.SetLeaderEpoch(one, f.epoch)
		all = append(all, one...)
		added = append(added, mb)
	}
	if f.random.IntN(2) == 0 {
		all = append(all, all[:f.random.IntN(40)]...) // cut in the middle, as fetch answers are
	}
	if _, err := f.l.AppendAsFollower(all); err != nil {
		f.fatal("follow: %v", err)
	}
	for _, mb := range added {
		f.model.add(mb)
	}
	return fmt.Sprintf("follow to %d", f.model.end)
}

func (f *life) mark() string {
	producer := 1 + f.random.IntN(2)
	r := end(f.t, f.l, int64(producer), f.epoch, f.random.IntN(2) == 0)
	f.model.add(modelBatch{first: r.FirstOffset, last: r.LastOffset, timestamp: 1700000000001, values: []string{markerValue(f.t, f.l, r.FirstOffset)}})
	return fmt.Sprintf("marker of %d at %d", producer, r.FirstOffset)
}

func markerValue(t *testing.T, l *Log, offset int64) string { return values(t, l, offset)[0] }

func (f *life) truncate() string {
	to := f.model.end - int64(f.random.IntN(12))
	if f.random.IntN(8) == 0 {
		to = int64(f.random.IntN(int(f.model.end) + 1))
	}
	to = max(to, 0)
	first := f.l.list()[0].base
	if err := f.l.TruncateTo(to); err != nil {
		f.fatal("truncate: %v", err)
	}
	if to < first || f.l.LogEndOffset() < f.model.batchesStart() {
		f.model.batches = nil
		f.model.end, f.model.start, f.model.hw = f.l.LogEndOffset(), f.l.LogStartOffset(), f.l.HighWatermark()
	} else {
		f.model.truncate(to)
	}
	f.takeGap()
	f.model.start = max(f.model.start, f.l.list()[0].base) // no records were below
	f.model.hw = max(f.model.hw, f.model.start)
	f.forgetSequences()
	return fmt.Sprintf("truncate to %d", to)
}

// takeGap: behind the last batch a log may have a gap, when it was truncated to an offset that compaction
// took; a restart does not know of it.
func (f *life) takeGap() {
	m := &f.model
	last := m.end
	if n := len(m.batches); n > 0 {
		last = m.batches[n-1].last + 1
	}
	if end := f.l.LogEndOffset(); end >= last && end < m.end {
		m.end = end
	}
	m.hw, m.start = min(m.hw, m.end), min(m.start, m.end)
}

func (m *model) batchesStart() int64 {
	if len(m.batches) == 0 {
		return m.end
	}
	return m.batches[0].first
}

// forgetSequences takes up the sequences where the log has them now.
func (f *life) forgetSequences() {
	f.sequences = [3]int32{}
	for _, p := range f.l.ActiveProducers() {
		f.sequences[p.ProducerID] = batch.AddSequence(p.LastSequence, 1)
	}
}

func (f *life) raise() string {
	f.l.SetHighWatermark(f.model.end)
	f.model.hw = f.model.end
	return "high watermark"
}

func (f *life) deleteRecords() string {
	to := f.model.start + f.random.Int64N(f.model.hw-f.model.start+1)
	if err := f.l.AdvanceLogStart(to); err != nil {
		f.fatal("delete records: %v", err)
	}
	f.model.start = max(f.model.start, to)
	f.m.applyRetention()
	first := f.l.list()[0].base
	f.model.batches = slices.DeleteFunc(f.model.batches, func(b modelBatch) bool { return b.last < first })
	return fmt.Sprintf("delete records below %d", to)
}

func (f *life) newEpoch() string {
	f.epoch++
	if err := f.l.AssignEpochStart(f.epoch, f.l.LogEndOffset()); err != nil {
		f.fatal("epoch: %v", err)
	}
	return fmt.Sprintf("epoch %d", f.epoch)
}

func (f *life) reopen() string {
	if err := f.m.CheckpointHighWatermarks(); err != nil {
		f.fatal("%v", err)
	}
	f.m.checkpointLogStarts()
	before := f.l.ActiveProducers()
	how := "closed"
	if f.random.IntN(2) == 0 {
		if err := f.m.Close(); err != nil {
			f.fatal("close: %v", err)
		}
	} else {
		how = "killed"
		f.m.checkpointRecoveryPoints()
		f.m.Abandon()
	}
	f.fsys = f.fsys.Killed()
	f.open()
	// A log start in a gap behind the last batch has the log begin anew there, without producers.
	begunAnew := f.l.list()[0].base == f.model.start && f.l.Size() == 0
	if after := f.l.ActiveProducers(); !begunAnew && !slices.Equal(after, before) {
		f.fatal("%s: producers %+v, before %+v", how, after, before)
	}
	f.takeGap()
	f.forgetSequences()
	return how + " and opened"
}

func (f *life) flush() string {
	if err := f.l.Flush(); err != nil {
		f.fatal("flush: %v", err)
	}
	return "flush"
}

func (f *life) check() {
	l, m := f.l, &f.model
	if l.LogEndOffset() != m.end || l.LogStartOffset() != m.start || l.HighWatermark() != max(m.hw, m.start) {
		f.fatal("start %d, high watermark %d, end %d; want %d, %d, %d", l.LogStartOffset(), l.HighWatermark(), l.LogEndOffset(), m.start, m.hw, m.end)
	}
	from := m.start + f.random.Int64N(m.end-m.start+1)
	if got, want := values(f.t, l, from), m.values(from); !slices.Equal(got, want) {
		f.fatal("from %d there is\n%q, want\n%q", from, got, want)
	}
	ts := int64(1_000_000 + f.random.IntN(110_000))
	want, wantFound := m.timestampAtLeast(ts)
	if got, _, _, found, err := l.OffsetForTimestamp(ts); err != nil || found != wantFound || got != want {
		f.fatal("timestamp %d at %d, %v, %v; want %d, %v", ts, got, found, err, want, wantFound)
	}
}

// TestLogAgainstModel lives random lives and compares after every deed.
func TestLogAgainstModel(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			f := &life{t: t, random: rand.New(rand.NewPCG(seed, 9)), fsys: disk.NewCrashing()}
			f.open()
			deeds := []func() string{f.produce, f.produce, f.produce, f.produce, f.follow, f.mark, f.truncate, f.raise, f.deleteRecords, f.newEpoch, f.flush, f.reopen}
			for range 400 {
				f.did = append(f.did, deeds[f.random.IntN(len(deeds))]())
				f.check()
			}
			checkLog(t, f.l)
			f.m.Abandon()
		})
	}
}
