package logdir

import (
	"errors"
	"slices"

	"ottla/logdir/batch"
)

// rollIfNeededLocked begins a new segment if n more bytes, the first of them the batch h, do not belong
// into the active one: too large, its first record too old, an index full, an offset out of its reach.
func (l *Log) rollIfNeededLocked(cfg *Config, n int, h *batch.Header, now int64) error {
	s := l.active()
	size := s.size.Load()
	if size == 0 && s.fits(h.LastOffset()) {
		return nil
	}
	full := size > int64(cfg.SegmentBytes-n) || s.offsets.full() || s.times.full() || !s.fits(h.LastOffset())
	if !full {
		age, err := s.age(h.MaxTimestamp, now)
		if err != nil {
			return err
		}
		full = age > millis(cfg.segmentAge())-s.jitter.Milliseconds()
	}
	if !full {
		return nil
	}
	base := l.mu.written.offset
	if !h.IsWrapper() { // whose header does not tell its first offset
		base = max(base, h.BaseOffset)
	}
	return l.rollLocked(base, cfg)
}

// age is how long the segment has been filled, by the timestamps of its first batch and of the one to
// come; without timestamps by the clock.
func (s *segment) age(timestamp, now int64) (int64, error) {
	if s.firstTime == noTime {
		c, err := s.scan(0, s.size.Load())
		if err != nil {
			return 0, err
		}
		defer c.close()
		h, _, ok, err := c.next()
		if err != nil {
			return 0, err
		}
		if s.firstTime = batch.NoTimestamp; ok {
			s.firstTime = h.MaxTimestamp
		}
	}
	if s.firstTime >= 0 {
		return timestamp - s.firstTime, nil
	}
	return now - s.created, nil
}

// rollLocked closes the active segment and begins another at base. The closed one is synced later, in
// the background; then the recovery point follows. What fails leaves the log as it was.
func (l *Log) rollLocked(base int64, cfg *Config) error {
	old := l.active()
	next, err := createSegment(l.m.files, l.folder(), base, cfg)
	if err != nil {
		return err
	}
	if err := l.writeSnapshotLocked(base); err != nil {
		next.close()
		return err
	}
	if err := errors.Join(old.seal(cfg.Preallocate), old.settle()); err != nil {
		next.close()
		return err
	}
	list := append(slices.Clip(l.list()), next)
	l.segments.Store(&list)
	l.mu.written = &mark{offset: base, base: base, position: 0}
	l.m.later(func() { l.flushRolled(base) })
	return nil
}
