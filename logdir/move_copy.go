package logdir

import (
	"errors"
	"fmt"
)

// moveSlice is how many bytes are copied at a time, unless one batch is larger.
const moveSlice = 1 << 20

// Copy copies one slice of the source and reports whether the copy had all of it for a moment: then Swap is worth a
// try. Before the next slice it is time to Rest.
//
// ErrClosed says that the move has ended, ErrStorage that a disk does not take more, or gives no more; a full one
// may be tried again.
func (mv *Move) Copy() (near bool, err error) {
	mv.mu.Lock()
	defer mv.mu.Unlock()
	n, near, err := mv.copyLocked()
	mv.mu.spent += n
	return near, err
}

// Rest waits as long as the throttle asks for after what was copied, or until stop.
func (mv *Move) Rest(stop <-chan struct{}) {
	mv.mu.Lock()
	n := mv.mu.spent
	mv.mu.spent = 0
	mv.mu.Unlock()
	if n > 0 {
		mv.m.moving.spend(n, stop, *mv.m.rateChanged.Load())
	}
}

func (mv *Move) copyLocked() (n int, near bool, err error) {
	if mv.mu.ended != nil {
		return 0, false, mv.mu.ended
	}
	if err := mv.alignLocked(); err != nil {
		return 0, false, err
	}
	from := max(mv.future.LogEndOffset(), mv.source.LogStartOffset())
	d, err := mv.source.Read(from, moveSlice, true, LimitLogEnd)
	if errors.Is(err, ErrOffsetOutOfRange) {
		return 0, false, nil // the source was cut or its start has moved: aligning comes first
	}
	if err != nil {
		return 0, false, err
	}
	b, err := d.appendTo(mv.mu.spare[:0])
	d.Release()
	if err != nil {
		return 0, false, mv.doubtLocked(err)
	}
	mv.mu.spare = b
	if len(b) == 0 && d.LogEndOffset > mv.future.LogEndOffset() {
		// There is no batch up to the source's end: compaction took it.
		return 0, true, mv.future.skipTo(d.LogEndOffset)
	}
	if _, err := mv.future.AppendAsFollower(b); err != nil {
		return 0, false, mv.doubtLocked(err)
	}
	mv.future.SetHighWatermark(d.HighWatermark)
	mv.m.metrics.moved.Add(float64(len(b)))
	return len(b), mv.future.LogEndOffset() >= d.LogEndOffset, nil
}

// doubtLocked judges an error of what was read: if the source was cut meanwhile, that was no record of it.
func (mv *Move) doubtLocked(err error) error {
	if mv.source.wasCut() && !errors.Is(err, ErrStorage) && !errors.Is(err, ErrClosed) {
		return nil
	}
	return fmt.Errorf("move %v: %w", mv, err)
}

// alignLocked brings the copy in line with what was done to the source besides appending. Whatever was read before
// a cut that is not known here yet is dropped by the next call: a cut is noted before anything is written in the
// place of what it took (TestCopyFollowsATruncation).
func (mv *Move) alignLocked() error {
	s, f := mv.source, mv.future
	if !mv.mu.compared {
		if err := mv.compareLocked(); err != nil {
			return err
		}
		mv.mu.compared = true
	}
	start := s.LogStartOffset()
	switch cut := s.takeCut(); {
	case cut == cutToNothing || f.list()[0].base > start:
		return mv.beginAnewLocked()
	case cut < f.LogEndOffset():
		if err := mv.cutLocked(cut); err != nil {
			return err
		}
	}
	if f.LogEndOffset() < start {
		// Deleted before it was copied; unless the log starts in the middle of the next batch.
		if begin, err := s.firstBatch(); err != nil || begin != f.LogEndOffset() {
			return mv.beginAnewLocked()
		}
	}
	return f.followStart(start)
}

// compareLocked finds how far a copy that a start has found agrees with its source, as a follower does with its
// leader: by the reigns that both know (KIP-101).
func (mv *Move) compareLocked() error {
	s, f := mv.source, mv.future
	agreed, ok := agreedEnd(s, f)
	if f.cleanPoint.Load() != s.cleanPoint.Load() {
		ok = false // it was cleaned while nobody copied: see Move
	}
	if !ok {
		return mv.beginAnewLocked()
	}
	return mv.cutLocked(agreed)
}

func (mv *Move) cutLocked(to int64) error {
	if err := mv.future.TruncateTo(to); err != nil {
		return err
	}
	return mv.noteCleanLocked()
}

// noteCleanLocked writes down that the copy is of the source as it was cleaned last: see compareLocked.
func (mv *Move) noteCleanLocked() error {
	mv.future.cleanPoint.Store(mv.source.cleanPoint.Load())
	return mv.m.checkpointDir(mv.future.dir, cleanerFile)
}

func agreedEnd(source, future *Log) (end int64, ok bool) {
	end = min(future.LogEndOffset(), source.LogEndOffset())
	epoch, ok := future.LatestEpoch()
	for ok {
		found, at := source.EndOffsetForEpoch(epoch)
		if found < 0 {
			return 0, false
		}
		own, ownEnd := future.EndOffsetForEpoch(found)
		end = min(end, ownEnd)
		if own == found {
			return min(end, at), true
		}
		epoch, ok = own, own >= 0
	}
	return 0, false
}

// beginAnewLocked empties the copy.
func (mv *Move) beginAnewLocked() error {
	mv.source.takeCut()
	begin, err := mv.source.firstBatch()
	if err != nil {
		return err
	}
	if err := errors.Join(mv.future.TruncateFullyAndStartAt(begin), mv.noteCleanLocked()); err != nil {
		return err
	}
	return mv.future.followStart(mv.source.LogStartOffset())
}

// followStart raises the log start and deletes the segments below it, at once: nobody reads a copy.
func (l *Log) followStart(start int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usableLocked(); err != nil {
		return err
	}
	if err := l.advanceStartLocked(min(start, l.mu.written.offset)); err != nil {
		return l.failing(err)
	}
	n := l.countBelowStart()
	if n == 0 {
		return nil
	}
	cfg := *l.cfg.Load()
	cfg.FileDeleteDelay = 0
	return l.failing(l.deleteOldestLocked(n, &cfg))
}

// skipTo has the log go on at a later offset, with nothing between.
func (l *Log) skipTo(offset int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usableLocked(); err != nil || offset <= l.mu.written.offset {
		return err
	}
	cfg, list := l.cfg.Load(), l.list()
	if l.active().size.Load() == 0 {
		return l.failing(l.replaceLocked(list, len(list)-1, offset))
	}
	if err := l.rollLocked(offset, cfg); err != nil {
		return l.failing(err)
	}
	l.publishLocked(l.mu.written)
	return nil
}

// SetMoveRate bounds how many bytes a second all moves together copy
// (replica.alter.log.dirs.io.max.bytes.per.second); zero or less is no bound. Who rests by the rate before is woken.
func (m *Manager) SetMoveRate(bytesPerSecond float64) {
	if bytesPerSecond == m.moving.bound() {
		return
	}
	m.moving.set(bytesPerSecond)
	changed := make(chan struct{})
	close(*m.rateChanged.Swap(&changed))
}
