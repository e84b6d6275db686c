package logdir

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"

	"ottla/logdir/batch"
)

// recover finds the log's end. After a clean shutdown that is a look at the last segment. Otherwise, and
// from the first segment on whose index is damaged, it walks the batches, builds the indexes anew and
// cuts off what is torn. recovered says that it did, and that producers are loaded.
func (ld *loader) recover() (end int64, recovered bool, err error) {
	list := ld.l.list()
	from, err := ld.firstDamaged()
	if err != nil {
		return 0, false, err
	}
	if !ld.clean {
		from = min(from, ld.firstUnsynced())
	}
	if from == len(list) {
		last := list[from-1]
		if end, err = last.findEnd(); err != nil {
			return end, false, err
		}
		err := last.txns.within(last.base, end)
		if err == nil {
			return end, false, nil
		}
		from = ld.rebuilt(from-1, err)
	}
	end, err = ld.walk(from)
	return end, true, err
}

// firstDamaged is the number of the first segment whose indexes cannot be used, or the count of
// segments. Behind the recovery point of a crashed log all indexes are built anew in any case.
func (ld *loader) firstDamaged() (int, error) {
	l := ld.l
	for i, s := range l.list() {
		if !ld.clean && i == ld.firstUnsynced() {
			return i, nil
		}
		err := s.loadIndexes()
		if err == nil && i+1 < len(l.list()) {
			err = s.txns.within(s.base, l.list()[i+1].base)
		}
		if errors.Is(err, ErrCorruptIndex) {
			return ld.rebuilt(i, err), nil
		}
		if err != nil {
			return 0, err
		}
	}
	return len(l.list()), nil
}

// rebuilt tells that the indexes of segment i, and of those after it, are built anew.
func (ld *loader) rebuilt(i int, why error) int {
	l := ld.l
	l.m.log.WithError(why).Warnf("%v: indexes of the segments from %d on are rebuilt", l.tp, l.list()[i].base)
	return i
}

// firstUnsynced is the number of the segment from which on indexes are not trusted after a crash: the one
// that holds the last synced record, since an active segment is synced without its indexes.
func (ld *loader) firstUnsynced() int {
	return max(floorSegment(ld.l.list(), ld.point-1), 0)
}

// findEnd is the offset behind the segment's last batch.
func (s *segment) findEnd() (int64, error) {
	size := s.size.Load()
	if size == 0 {
		return s.base, nil
	}
	last := s.base
	if e, ok := s.offsets.latest(); ok {
		last += int64(e.relative)
	}
	c, err := s.scanFor(last, size)
	if err != nil {
		return 0, err
	}
	defer c.close()
	end := s.base
	for {
		h, _, ok, err := c.next()
		if err != nil || !ok {
			return end, err
		}
		end = h.NextOffset()
	}
}

// walk goes through the segments from the given one on. What lies below the recovery point was synced:
// it is believed, and if it makes no sense the partition stays offline, since cutting there would drop
// what was acknowledged. Behind it, the first batch that is not whole ends the log.
func (ld *loader) walk(from int) (end int64, err error) {
	l := ld.l
	list := l.list()
	// Later snapshots stay until the walk has come to them, see snapshotAt.
	if err := l.restoreBelowLocked(list[from].base); err != nil {
		return 0, err
	}
	w := &walker{ld: ld, next: list[from].base, epoch: -1}
	for i := from; i < len(list); i++ {
		s := list[i]
		if s.base < w.next {
			// The one before was cut off here, which the crash has undone.
			overlap := fmt.Errorf("segment %d begins before offset %d, where the one before it ends: %w", s.base, w.next, ErrCorruptBatch)
			if s.base < ld.trusted() {
				return 0, overlap
			}
			return w.next, ld.cut(i-1, overlap)
		}
		if i > from {
			if err := ld.snapshotAt(s.base); err != nil {
				return 0, err
			}
		}
		w.next = s.base
		torn, err := w.segment(s)
		if err != nil {
			return 0, err
		}
		if torn != nil {
			return w.next, ld.cut(i, torn)
		}
		if i+1 < len(list) {
			if err := w.closed(s); err != nil {
				return 0, err
			}
		}
	}
	return w.next, nil
}

// snapshotAt has the producers, and the snapshot, be what they were at the base of a segment that the walk has
// come to. Below the recovery point a snapshot that is there is better than what the batches tell: compaction may have
// taken a producer's newest one, for the sake of one that was truncated later (TestRecoveryKeepsWhatOnlyASnapshotKnows).
func (ld *loader) snapshotAt(base int64) error {
	l := ld.l
	if base <= ld.trusted() {
		restored, err := l.restoreLocked(base)
		if restored || err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return ld.snapshot(base)
}

// snapshot writes down what the walk has learned, if there is space: without it the next start learns it again.
func (ld *loader) snapshot(offset int64) error {
	if err := ld.l.writeSnapshotLocked(offset); err != nil && !isFull(err) {
		return err
	}
	return nil
}

// cut drops what stands behind the last whole batch of segment i, and the segments after it.
func (ld *loader) cut(i int, torn error) error {
	l := ld.l
	list := l.list()
	s := list[i]
	l.m.log.Warnf("%v: cut at position %d of segment %d, and %d segments after it: %v", l.tp, s.size.Load(), s.base, len(list)-i-1, torn)
	if err := s.resizeLog(s.size.Load()); err != nil {
		return err
	}
	kept := slices.Clone(list[:i+1])
	l.segments.Store(&kept)
	return l.dropSegmentsLocked(list[i+1:], 0)
}

// walker takes in the batches of segments one after another.
type walker struct {
	ld   *loader
	next int64 // the least offset the next batch may have
	// epoch is that of the batch before. Leader epochs never go back: where they do, a truncation was
	// lost in the crash and what follows was cut off before.
	epoch int32
	buf   []byte
	// unindexed: there was no space for the segment's indexes.
	unindexed bool
}

// segment takes in one segment. torn is why it ends earlier than its file.
func (w *walker) segment(s *segment) (torn, err error) {
	if err := errors.Join(s.offsets.reset(), s.times.reset(), s.txns.reset()); err != nil {
		return nil, err
	}
	size := s.size.Load()
	s.size.Store(0)
	s.latest.Store(nil)
	s.unconfirmed.Store(false)
	s.sinceIndexed, w.unindexed = 0, false
	c, err := s.scan(0, size)
	if err != nil {
		return nil, err
	}
	defer c.close()
	w.ld.l.m.metrics.recovered.Add(float64(size))
	for {
		h, position, ok, err := c.next()
		if err == nil && !ok {
			return nil, nil
		}
		if err == nil {
			err = w.check(c, &h, position)
		}
		if err != nil {
			return w.judge(err)
		}
		if err := w.take(c, s, &h, position); err != nil {
			return nil, err
		}
	}
}

// judge tells a torn tail from damage that must not be cut away.
func (w *walker) judge(err error) (torn, fatal error) {
	if !errors.Is(err, ErrCorruptBatch) {
		return nil, err
	}
	if w.next < w.ld.trusted() {
		return nil, fmt.Errorf("at offset %d, below the recovery point %d: %w", w.next, w.ld.trusted(), err)
	}
	return err, nil
}

// trusted is the offset below which the disk has promised to hold everything.
func (ld *loader) trusted() int64 {
	if ld.clean {
		return math.MaxInt64
	}
	return ld.point
}

// check holds a batch against its place, and behind the recovery point against its CRC.
func (w *walker) check(c *scanner, h *batch.Header, position int64) error {
	if h.BaseOffset < w.next || h.LastOffsetDelta < 0 {
		return &scanError{name: c.name, position: position,
			err: fmt.Errorf("batch [%d, %d] where offset %d is next: %w", h.BaseOffset, h.LastOffset(), w.next, ErrCorruptBatch)}
	}
	if h.LastOffset() < w.ld.trusted() {
		return nil
	}
	if h.Magic == 2 && h.LeaderEpoch < w.epoch {
		return &scanError{name: c.name, position: position,
			err: fmt.Errorf("leader epoch %d comes after %d: %w", h.LeaderEpoch, w.epoch, ErrCorruptBatch)}
	}
	b, err := c.batch(h, position, w.buf)
	if err != nil {
		return err
	}
	w.buf = b
	if _, err := batch.Check(b); err != nil {
		return &scanError{name: c.name, position: position, err: err}
	}
	return nil
}

func (w *walker) take(c *scanner, s *segment, h *batch.Header, position int64) error {
	l := w.ld.l
	m, isMarker, err := c.marker(h, position)
	if err != nil {
		return err
	}
	if err := w.noted(s, h); err != nil {
		return err
	}
	if h.LeaderEpoch >= 0 {
		l.epochs.assign(h.LeaderEpoch, h.BaseOffset)
	}
	if ended, ok := l.mu.producers.add(h, m, isMarker); ok && ended.aborted {
		if err := s.txns.add(l.txnEntryLocked(ended)); err != nil {
			return err
		}
	}
	w.next = h.NextOffset()
	l.m.checked.Add(int64(h.SizeInBytes()))
	if h.Magic == 2 { // the formats before tell no epoch
		w.epoch = h.LeaderEpoch
	}
	return nil
}
