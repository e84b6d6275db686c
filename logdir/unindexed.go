package logdir

import (
	"errors"
	"math"

	"ottla/logdir/batch"
)

// A start after a crash builds indexes, and a disk that was full when the broker died is full now. The records are there all the same,
// and indexes only save time: a segment for whose indexes there is no space goes without them, and is read from its beginning. What it
// has of files on the disk is no index, so that the next start builds one (TestRecoveryOnAFullDisk).

// noted takes in a batch that a walk through the segment has found, and goes without indexes where there is no space for them.
func (w *walker) noted(s *segment, h *batch.Header) error {
	interval := w.ld.cfg.IndexIntervalBytes
	if w.unindexed {
		interval = math.MaxInt
	}
	err := s.added(h, interval)
	if isFull(err) && !w.unindexed {
		w.unindexed = true
		if err = w.ld.goWithout(s, err); err == nil {
			err = s.added(h, math.MaxInt)
		}
	}
	return err
}

// closed gives a segment the form of one behind which others are.
func (w *walker) closed(s *segment) error {
	if !w.unindexed {
		err := errors.Join(s.seal(false), s.settle())
		if !isFull(err) {
			return err
		}
		if err := w.ld.goWithout(s, err); err != nil {
			return err
		}
	}
	// A single byte is no index, to nobody, and takes no space.
	return errors.Join(s.offsets.resize(1), s.times.resize(1))
}

// goWithout empties the indexes of a segment.
func (ld *loader) goWithout(s *segment, full error) error {
	d := ld.l.dir
	_ = d.outOfSpace(ld.l.tp, full) // that says it, once
	if d.space.unindexed.CompareAndSwap(false, true) {
		d.m.log.Warnf("there is no space for all indexes in %s: segments are read without them, at the cost of time, until the next start", d.path)
	}
	return errors.Join(s.offsets.reset(), s.times.reset())
}
