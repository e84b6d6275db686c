package logdir

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"ottla/logdir/batch"
)

// TruncateTo cuts the log off so that offset is its end, if it has more: a follower's way back to where
// it agrees with its leader. The batch that holds the offset goes as a whole.
func (l *Log) TruncateTo(offset int64) error {
	offset = max(offset, 0)
	return l.cutting(offset, func() error {
		if offset >= l.mu.written.offset {
			return nil
		}
		if hw := l.HighWatermark(); offset < hw {
			l.m.log.Warnf("%v: truncating to %d, below the high watermark %d", l.tp, offset, hw)
		}
		return l.truncateLocked(offset)
	})
}

// lowerRecoveryPoint has the recovery point, also on disk, not above offset.
func (l *Log) lowerRecoveryPoint(offset int64) error {
	if l.savedPoint.Load() <= offset {
		return nil
	}
	if err := l.dir.err(); err != nil {
		return err
	}
	l.mu.Lock()
	l.mu.truncations++ // a sync under way may not raise it again
	l.recoveryPoint.Store(min(l.recoveryPoint.Load(), offset))
	l.flushing.mu.Lock()
	l.flushing.synced = min(l.flushing.synced, offset)
	l.flushing.mu.Unlock()
	l.mu.Unlock()
	return l.m.checkpointDir(l.dir, recoveryPointFile)
}

// cutting runs a truncation to offset with mu held and no cleaning under way, once the recovery point on
// disk is not above it: records written later, and not synced, must not be taken for those that were.
func (l *Log) cutting(offset int64, cut func() error) error {
	defer l.exclude()()
	if err := l.cutWhenSafe(offset, cut); err != nil {
		return err
	}
	// What stands there now was never cleaned, nor found bad.
	l.uncleanable.Store(nil)
	if end := l.LogEndOffset(); l.cleanPoint.Load() > end {
		l.cleanPoint.Store(end)
		return l.m.checkpointDir(l.dir, cleanerFile)
	}
	return nil
}

func (l *Log) cutWhenSafe(offset int64, cut func() error) error {
	for {
		if err := l.lowerRecoveryPoint(offset); err != nil {
			return err
		}
		l.mu.Lock()
		if l.savedPoint.Load() > offset {
			l.mu.Unlock()
			continue // a checkpoint was written between
		}
		err := l.usableLocked()
		if err == nil {
			err = l.failing(cut())
		}
		l.mu.Unlock()
		return err
	}
}

func (l *Log) truncateLocked(offset int64) error {
	list := l.list()
	if list[0].base > offset {
		return l.startAtLocked(offset)
	}
	keep := floorSegment(list, offset) + 1
	s := list[keep-1]
	l.mu.truncations++
	// From here on nobody may read or count what is to go.
	position, end, err := l.cutPoint(s, offset)
	if err != nil {
		return err
	}
	if position == 0 && end > s.base {
		// The name of an empty segment is all that tells a restart where the log ends.
		return l.replaceLocked(list, keep-1, end)
	}
	l.backTo(&mark{offset: end, base: s.base, position: position})
	kept := slices.Clone(list[:keep])
	l.segments.Store(&kept)
	if keep < len(list) {
		if err := l.cutOffLocked(list[keep:]); err != nil {
			return err
		}
	}
	if err := s.truncate(position, end, l.cfg.Load()); err != nil {
		return err
	}
	return l.afterCutLocked(end)
}

// replaceLocked has an empty segment at offset end in the place of those from the given one on.
func (l *Log) replaceLocked(list []*segment, from int, end int64) error {
	s, err := createSegment(l.m.files, l.folder(), end, l.cfg.Load())
	if err != nil {
		return err
	}
	l.backTo(&mark{offset: end, base: end})
	kept := append(slices.Clone(list[:from]), s)
	l.segments.Store(&kept)
	l.start.Store(max(l.start.Load(), kept[0].base))
	l.raise(l.start.Load()) // there is nothing between
	if err := l.cutOffLocked(list[from:]); err != nil {
		return err
	}
	if err := l.afterCutLocked(end); err != nil {
		return err
	}
	return l.writeSnapshotLocked(end)
}

// cutPoint finds where the batch that holds the offset begins, and the offset behind the one before.
func (l *Log) cutPoint(s *segment, offset int64) (position, end int64, err error) {
	size := s.size.Load()
	h, position, ok, err := s.locate(offset, size)
	if err != nil {
		return 0, 0, err
	}
	if !ok {
		return size, min(offset, l.mu.written.offset), nil
	}
	base := h.BaseOffset
	if h.IsWrapper() {
		if base, err = s.firstOffset(&h, position); err != nil {
			return 0, 0, err
		}
	}
	return position, min(offset, base), nil
}

// firstOffset is that of the first message in a wrapper.
func (s *segment) firstOffset(h *batch.Header, position int64) (int64, error) {
	c, err := s.scan(position, s.size.Load())
	if err != nil {
		return 0, err
	}
	defer c.close()
	b, err := c.batch(h, position, nil)
	if err != nil {
		return 0, err
	}
	// What cannot be read goes as well; only where the log ends then is less sure.
	first, _ := batch.FirstOffset(b, h)
	return first, nil
}

// backTo lowers the published end, the high watermark and the recovery point, the watermark first:
// it is never above the end.
func (l *Log) backTo(m *mark) {
	l.marks.Lock()
	if l.hw.Load().offset > m.offset {
		l.hw.Store(m)
	}
	for i := range l.marks.recent {
		l.marks.recent[i].Store(nil)
	}
	l.end.Store(m)
	l.marks.Unlock()
	l.mu.cut = min(l.mu.cut, m.offset)
	l.mu.written = m
	l.recoveryPoint.Store(min(l.recoveryPoint.Load(), m.offset))
	l.start.Store(min(l.start.Load(), m.offset))
	l.flushing.mu.Lock()
	l.flushing.synced = min(l.flushing.synced, m.offset)
	l.flushing.mu.Unlock()
}

// afterCutLocked brings what the log remembers besides records in line with its new end.
func (l *Log) afterCutLocked(end int64) error {
	l.epochs.truncateEnd(end)
	if err := l.writeEpochsLocked(); err != nil {
		return err
	}
	if err := l.loadProducersLocked(end); err != nil {
		return err
	}
	l.mu.producers.committed(l.HighWatermark())
	l.refreshUnstableLocked()
	return nil
}

// truncate cuts the segment at a position, where a batch begins, and makes it the active one.
func (s *segment) truncate(position, end int64, cfg *Config) error {
	if err := s.resizeLog(position); err != nil {
		return err
	}
	s.size.Store(position)
	relative := end - s.base
	offsets, err := s.offsets.countBefore(func(e offsetEntry) bool { return int64(e.relative) >= relative || int64(e.position) >= position })
	if err != nil {
		return err
	}
	times, err := s.times.countBefore(func(e timeEntry) bool { return int64(e.relative) >= relative })
	if err != nil {
		return err
	}
	if err := errors.Join(s.offsets.truncate(offsets), s.times.truncate(times), s.txns.truncate(end)); err != nil {
		return err
	}
	if position == 0 {
		s.created, s.firstTime = nowMillis(), noTime
	}
	s.sinceIndexed = 0
	if err := s.findLatest(); err != nil {
		return err
	}
	return s.activate(cfg)
}

// findLatest finds the largest timestamp again: the last time entry knows it up to its offset, and the
// batches behind that one are read.
func (s *segment) findLatest() error {
	s.latest.Store(nil)
	s.unconfirmed.Store(true) // entries that nobody has looked at yet may be the last ones now
	start := int64(0)
	if e, ok := s.times.latest(); ok {
		at := s.base + int64(e.relative)
		s.latest.Store(&timeMark{e.timestamp, at})
		var err error
		if start, err = s.startFor(at); err != nil {
			return err
		}
	}
	size := s.size.Load()
	if start >= size {
		return nil
	}
	c, err := s.scan(start, size)
	if err != nil {
		return err
	}
	defer c.close()
	for {
		h, _, ok, err := c.next()
		if err != nil || !ok {
			return err
		}
		if h.MaxTimestamp > s.maxTimestamp().timestamp {
			s.latest.Store(&timeMark{h.MaxTimestamp, h.LastOffset()})
		}
	}
}

// TruncateFullyAndStartAt drops all records and goes on, empty, at offset: for a follower whose log has
// nothing in common with its leader's.
func (l *Log) TruncateFullyAndStartAt(offset int64) error {
	if offset < 0 {
		return fmt.Errorf("%v: start at %d: %w", l.tp, offset, ErrOffsetOutOfRange)
	}
	return l.cutting(offset, func() error { return l.startAtLocked(offset) })
}

func (l *Log) startAtLocked(offset int64) error {
	old := l.list()
	l.mu.truncations++
	l.mu.cut = cutToNothing
	// The old files go first: one of them may have the name of the new one.
	if err := l.cutOffLocked(old); err != nil {
		return err
	}
	s, err := createSegment(l.m.files, l.folder(), offset, l.cfg.Load())
	if err != nil {
		return err
	}
	list := []*segment{s}
	l.segments.Store(&list)
	m := &mark{offset: offset, base: offset}
	l.backTo(m)
	l.marks.Lock()
	l.hw.Store(m)
	l.end.Store(m)
	l.marks.Unlock()
	l.start.Store(offset)
	l.recoveryPoint.Store(offset)
	if err := l.removeSnapshots(); err != nil {
		return err
	}
	l.epochs.set(nil)
	return l.afterCutLocked(offset)
}

func (l *Log) removeSnapshots() error {
	offsets, err := l.snapshotOffsets()
	for _, at := range offsets {
		err = errors.Join(err, l.removeSnapshot(at))
	}
	return err
}

// cutOffLocked drops segments whose records may not come back: they are gone for good before others are
// written in their place. Else a power failure could bring them back, behind records that are newer.
func (l *Log) cutOffLocked(list []*segment) error {
	if err := l.dropSegmentsLocked(list, 0); err != nil {
		return err
	}
	return l.m.fs.SyncDir(l.folder())
}

// dropSegmentsLocked renames the files of segments and removes them after a delay, which a reader in
// mid-file does not need but an operator may be glad of.
func (l *Log) dropSegmentsLocked(list []*segment, delay time.Duration) error {
	var failed error
	for _, s := range list {
		names, err := s.markDeleted("")
		failed = errors.Join(failed, err)
		l.m.removeLater(delay, names...)
	}
	return failed
}
