package logdir

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"ottla/logdir/batch"
	"ottla/logdir/disk"
	"ottla/zkcoord/cluster"
)

// cleanNow cleans a log as a cleaner would, if there is anything to clean, and reports whether there was.
func cleanNow(t testing.TB, l *Log, o CleanerOptions, now int64) bool {
	t.Helper()
	o.fill()
	o.Threads = 1
	s := l.m.cleaners.sweeper(o, make(chan struct{}))
	l.cleaning.lock()
	defer l.cleaning.unlock()
	c, err := l.cleanable(now)
	if err != nil {
		t.Fatal(err)
	}
	if c.dirtyBytes == 0 {
		return false
	}
	if c.to > l.LastStableOffset() || c.to > l.active().base {
		t.Fatalf("would clean up to %d, beyond the last stable offset %d or the active segment %d", c.to, l.LastStableOffset(), l.active().base)
	}
	s.clean(c, now)
	return true
}

// keyedBatch is a batch as the model sees it: what a naive cleaner, with all of the log in memory and
// nothing to find out, decides by.
type keyedBatch struct {
	base, last    int64
	producer      int64 // -1 none
	epoch         int16
	transactional bool
	control       bool
	txn           int // which transaction it belongs to, or marks
	horizon       int64
	records       []keyedRecord
}

type keyedRecord struct {
	offset     int64
	key, value string
	tombstone  bool
}

// compacting is a log that is compacted, beside its model.
type compacting struct {
	t         *testing.T
	random    *rand.Rand
	fsys      *disk.Crashing
	o         Options
	m         *Manager
	l         *Log
	batches   []keyedBatch
	open      map[int64]int // transaction by producer
	aborted   map[int]bool
	ended     map[int]bool
	txns      int
	sequences map[int64]int32
	now       int64
	next      int
	did       []string
}

func (f *compacting) fatal(format string, args ...any) {
	f.t.Helper()
	for _, d := range f.did[max(0, len(f.did)-30):] {
		f.t.Log(d)
	}
	f.t.Fatalf(format, args...)
}

func (f *compacting) start() {
	m, err := Open(context.Background(), f.o, nil)
	if err != nil {
		f.fatal("open: %v", err)
	}
	if q := m.Quarantined(); len(q) > 0 {
		f.fatal("quarantined: %v", q)
	}
	f.m = m
	if f.l, err = m.LogOrCreate(orders, cluster.TopicID{7}, true); err != nil {
		f.fatal("log: %v", err)
	}
}

func (f *compacting) produce() string {
	o := batch.PlainOptions(batch.Codec(f.random.IntN(5)))
	kb := keyedBatch{producer: f.random.Int64N(5) - 1, epoch: -1, horizon: -1}
	if kb.producer >= 0 {
		kb.transactional, kb.epoch = kb.producer > 1, 0
		o.ProducerID, o.ProducerEpoch, o.BaseSequence, o.Transactional = kb.producer, 0, f.sequences[kb.producer], kb.transactional
	}
	b := batch.NewBuilder(o)
	for range 1 + f.random.IntN(4) {
		r := keyedRecord{key: fmt.Sprintf("k%d", f.random.IntN(8)), value: fmt.Sprintf("v%d", f.next)}
		f.next++
		value := []byte(r.value)
		if f.random.IntN(3) == 0 {
			r.value, r.tombstone, value = "", true, nil
		}
		b.Append(1_000_000+f.random.Int64N(1000), []byte(r.key), value)
		kb.records = append(kb.records, r)
	}
	res, err := f.l.AppendAsLeader(b.Bytes(), 0, OriginClient, 9)
	if err != nil {
		f.fatal("append: %v", err)
	}
	kb.base, kb.last = res.FirstOffset, res.LastOffset
	for i := range kb.records {
		kb.records[i].offset = kb.base + int64(i)
	}
	if kb.producer >= 0 {
		f.sequences[kb.producer] += int32(len(kb.records))
	}
	if kb.transactional {
		if _, ok := f.open[kb.producer]; !ok {
			f.txns++
			f.open[kb.producer] = f.txns
		}
		kb.txn = f.open[kb.producer]
	}
	f.batches = append(f.batches, kb)
	return fmt.Sprintf("produce [%d, %d] by %d: %v", kb.base, kb.last, kb.producer, kb.records)
}

func (f *compacting) mark() string {
	producer, commit := 2+f.random.Int64N(2), f.random.IntN(2) == 0
	r := end(f.t, f.l, producer, 0, commit)
	kb := keyedBatch{base: r.FirstOffset, last: r.LastOffset, producer: producer, transactional: true, control: true, horizon: -1,
		records: []keyedRecord{{offset: r.FirstOffset}}}
	if txn, ok := f.open[producer]; ok {
		kb.txn = txn
		f.ended[txn], f.aborted[txn] = true, !commit
		delete(f.open, producer)
	}
	f.batches = append(f.batches, kb)
	return fmt.Sprintf("marker of %d at %d, commit %v", producer, kb.base, commit)
}

func (f *compacting) raise() string {
	f.l.SetHighWatermark(f.l.LogEndOffset())
	return "high watermark"
}

// truncate cuts off what is not committed, as a follower may have to.
func (f *compacting) truncate() string {
	hw := f.l.HighWatermark()
	to := hw + f.random.Int64N(f.l.LogEndOffset()-hw+1)
	if err := f.l.TruncateTo(to); err != nil {
		f.fatal("truncate: %v", err)
	}
	f.batches = slices.DeleteFunc(f.batches, func(b keyedBatch) bool { return b.last >= to })
	f.reread()
	return fmt.Sprintf("truncate to %d", to)
}

// reread takes up what was cut off: sequences, and transactions whose markers are gone.
func (f *compacting) reread() {
	f.sequences = map[int64]int32{}
	for _, p := range f.l.ActiveProducers() {
		f.sequences[p.ProducerID] = batch.AddSequence(p.LastSequence, 1)
	}
	f.open = map[int64]int{}
	for _, b := range f.batches {
		if b.control {
			delete(f.open, b.producer)
		} else if b.transactional {
			f.open[b.producer] = b.txn
		}
	}
	for _, txn := range f.open {
		delete(f.ended, txn)
		delete(f.aborted, txn)
	}
}

func (f *compacting) reopen() string {
	if err := f.m.CheckpointHighWatermarks(); err != nil {
		f.fatal("%v", err)
	}
	how := "closed"
	if f.random.IntN(2) == 0 {
		if err := f.m.Close(); err != nil {
			f.fatal("close: %v", err)
		}
	} else {
		how = "killed"
		f.m.Abandon()
	}
	f.fsys = f.fsys.Killed()
	f.o.FS = f.fsys
	f.start()
	return how + " and opened"
}

func (f *compacting) clean() string {
	f.now += f.random.Int64N(1500)
	before := f.newest()
	c, err := f.l.cleanable(f.now)
	if err != nil {
		f.fatal("cleanable: %v", err)
	}
	last := f.l.lastBatches()
	if cleanNow(f.t, f.l, CleanerOptions{}, f.now) {
		f.cleanModel(c.from, c.to, last)
	}
	if u := f.l.uncleanable.Load(); u != nil {
		f.fatal("uncleanable: %v", u.Reason)
	}
	after := f.newest()
	for key, r := range before {
		if got := after[key]; got != r && !(r.tombstone && got == keyedRecord{}) {
			f.fatal("key %s: the newest was %+v and is %+v", key, r, got)
		}
	}
	return fmt.Sprintf("clean [%d, %d) at %d", c.from, c.to, f.now)
}

// newest is the newest committed record of each key, as it is in the log.
func (f *compacting) newest() map[string]keyedRecord {
	out := map[string]keyedRecord{}
	for _, b := range f.found() {
		m := f.modelBatch(b.base)
		if b.control || m != nil && m.transactional && (!f.ended[m.txn] || f.aborted[m.txn]) {
			continue
		}
		for _, r := range b.records {
			out[r.key] = r
		}
	}
	return out
}

func (f *compacting) modelBatch(base int64) *keyedBatch {
	for i := range f.batches {
		if f.batches[i].base == base {
			return &f.batches[i]
		}
	}
	return nil
}

// cleanModel does what Kafka's cleaner does, without files, indexes and memory to save.
func (f *compacting) cleanModel(from, to int64, last map[int64]lastBatch) {
	newest := map[string]int64{}
	met := map[int]bool{} // transactions that have data still
	for _, b := range f.batches {
		if b.base >= to {
			continue
		}
		if !b.control && b.transactional {
			met[b.txn] = true
		}
		if b.control || f.aborted[b.txn] {
			continue
		}
		for _, r := range b.records {
			if r.offset >= from {
				newest[r.key] = r.offset
			}
		}
	}
	var kept []keyedBatch
	for _, b := range f.batches {
		if b.base >= to {
			kept = append(kept, b)
			continue
		}
		if b, ok := f.cleanBatch(b, newest, met, last); ok {
			kept = append(kept, b)
		}
	}
	f.batches = kept
}

func (f *compacting) cleanBatch(b keyedBatch, newest map[string]int64, met map[int]bool, last map[int64]lastBatch) (keyedBatch, bool) {
	over := b.horizon >= 0 && b.horizon <= f.now
	idle := b.control && !met[b.txn]
	discard := !b.control && f.aborted[b.txn] || idle && over
	lb, known := last[b.producer]
	isLast := b.producer >= 0 && known && (lb.offset >= 0 && b.last == lb.offset || lb.offset < 0 && b.control && b.epoch == lb.epoch)
	var records []keyedRecord
	tombstones := false
	for _, r := range b.records {
		at, superseded := newest[r.key]
		keep := !discard && (b.control || !(superseded && at > r.offset) && !(r.tombstone && over))
		if keep {
			records = append(records, r)
			tombstones = tombstones || r.tombstone
		}
	}
	b.records = records
	if len(records) == 0 {
		b.horizon = -1
		return b, isLast
	}
	if b.horizon < 0 && (tombstones || idle) {
		b.horizon = f.now + f.o.Defaults.DeleteRetention.Milliseconds()
	}
	return b, true
}

// found reads the log's batches from its files.
func (f *compacting) found() (out []keyedBatch) {
	for _, s := range f.l.list() {
		c, err := s.scan(0, s.size.Load())
		if err != nil {
			f.fatal("%v", err)
		}
		for {
			h, position, ok, err := c.next()
			if err != nil {
				f.fatal("%v", err)
			}
			if !ok {
				break
			}
			b, err := c.batch(&h, position, nil)
			if err == nil {
				_, err = batch.Check(b)
			}
			if err != nil {
				f.fatal("%v", err)
			}
			out = append(out, f.foundBatch(&h, b))
		}
		c.close()
	}
	return out
}

func (f *compacting) foundBatch(h *batch.Header, b []byte) keyedBatch {
	kb := keyedBatch{base: h.BaseOffset, last: h.LastOffset(), producer: h.ProducerID, epoch: h.ProducerEpoch, transactional: h.IsTransactional(),
		control: h.IsControl(), horizon: -1}
	if at, ok := h.DeleteHorizon(); ok {
		kb.horizon = at
	}
	for r, err := range batch.Records(b) {
		if err != nil {
			f.fatal("%v", err)
		}
		kr := keyedRecord{offset: r.Offset}
		if !h.IsControl() {
			kr = keyedRecord{offset: r.Offset, key: string(r.Key), value: string(r.Value), tombstone: r.Value == nil}
			if r.Timestamp < 1_000_000 || r.Timestamp > 1_001_000 {
				f.fatal("timestamp %d at %d", r.Timestamp, r.Offset)
			}
		}
		kb.records = append(kb.records, kr)
	}
	return kb
}

func (f *compacting) check() {
	got := f.found()
	want := slices.Clone(f.batches)
	for i := range want {
		want[i].txn = 0
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || fmt.Sprint(got[i]) != fmt.Sprint(want[i]) {
			f.fatal("batch %d differs:\nthere are %v\nwant      %v", i, got[i:min(len(got), i+3)], want[i:min(len(want), i+3)])
		}
	}
	f.checkReads()
}

// checkReads reads committed from the log as a consumer does.
func (f *compacting) checkReads() {
	l := f.l
	stable := l.LastStableOffset()
	var want, got []int64
	for _, b := range f.batches {
		if b.control || b.transactional && f.aborted[b.txn] || b.base >= stable {
			continue
		}
		for _, r := range b.records {
			want = append(want, r.offset)
		}
	}
	for from := int64(0); from < stable; {
		d, err := l.Read(from, 300, true, LimitLastStable)
		if err != nil {
			f.fatal("read %d: %v", from, err)
		}
		b, err := d.Bytes()
		d.Release()
		if err != nil {
			f.fatal("read %d: %v", from, err)
		}
		if len(b) == 0 {
			break
		}
		from, got = consume(f.t, b, from, d.Aborted, got)
	}
	if !slices.Equal(got, want) {
		f.fatal("committed offsets\n%v, want\n%v", got, want)
	}
}

// TestCleaningAgainstModel lives random lives of compacted logs and compares every batch after every deed.
func TestCleaningAgainstModel(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			fsys := disk.NewCrashing()
			f := &compacting{t: t, random: rand.New(rand.NewPCG(seed, 3)), fsys: fsys, o: crashOptions(fsys), open: map[int64]int{},
				aborted: map[int]bool{}, ended: map[int]bool{}, sequences: map[int64]int32{}, now: 1_700_000_000_000}
			f.o.Defaults.Compact, f.o.Defaults.Delete = true, false
			f.o.Defaults.DeleteRetention = time.Second
			f.start()
			deeds := []func() string{f.produce, f.produce, f.produce, f.produce, f.produce, f.produce, f.mark, f.mark, f.truncate, f.raise, f.raise, f.clean, f.clean, f.reopen}
			for range 400 {
				f.did = append(f.did, deeds[f.random.IntN(len(deeds))]())
				f.check()
			}
			f.m.Abandon()
		})
	}
}
