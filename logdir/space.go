package logdir

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"time"

	"ottla/zkcoord/cluster"
)

// spaceCheck is how often a directory's file system is asked how much is free, if anybody needs to know.
const spaceCheck = time.Second

// space is what a log directory knows of the room that is left in it, so that no append has to ask the file system.
//
// There are two limits. At the first, storage.min.free.bytes, clients' records are refused, so that the rest is there for what
// a cluster cannot do without: copies of what others have acknowledged already, offsets, transactions, and
// the files that deleting itself takes. The second is ENOSPC.
type space struct {
	reserve int64 // storage.min.free.bytes; 0 is off
	// left is how much was free beyond the reserve at the last look, less what was appended since: between
	// two looks a fast disk takes gigabytes.
	left atomic.Int64
	low  atomic.Bool // at the last look there was less than the reserve
	// full: a write has found no space. struck: one has since the last look.
	full, struck atomic.Bool
	// unindexed: there are segments without indexes, see goWithout.
	unindexed atomic.Bool
	reloaded  time.Time // when reloadFull has tried last; the scheduler's
}

// took notes that n bytes were appended.
func (s *space) took(n int) {
	if s.reserve > 0 {
		s.left.Add(int64(-n))
	}
}

// scarce reports whether what is left is reserved.
func (s *space) scarce() bool { return s.reserve > 0 && (s.low.Load() || s.left.Load() < 0) }

// refusal is the answer to clients' records while space is scarce, and else nil.
//
// On the wire it is KAFKA_STORAGE_ERROR, as for a disk that is full: every client knows it, takes it for passing, and tries again until
// its own time is up, with fresh metadata, in case somebody else leads by then. POLICY_VIOLATION, the other error
// that would fit, is final, and would drop what can be written a minute later.
func (d *logDir) refusal(tp cluster.TopicPartition) error {
	if !d.space.scarce() {
		return nil
	}
	return fmt.Errorf("%v: less than storage.min.free.bytes=%d are free in %s: %w: %w", tp, d.space.reserve, d.path, ErrStorage, ErrLowSpace)
}

// outOfSpace passes on that a write found no space, and logs the first.
func (d *logDir) outOfSpace(tp cluster.TopicPartition, err error) error {
	d.space.struck.Store(true)
	if d.space.full.CompareAndSwap(false, true) {
		d.m.log.WithError(err).Errorf("log directory %s is full, as %v has met first: what does not fit is refused until there is space", d.path, tp)
		d.m.metrics.fullDirs.Inc()
	}
	return fmt.Errorf("%v: %w: %w: %w", tp, ErrStorage, ErrDiskFull, err)
}

// isFull tells a disk without space from one that fails.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, ErrDiskFull)
}

// watchSpace looks at the directories that want it.
func (m *Manager) watchSpace() {
	for _, d := range m.liveDirs() {
		if s := &d.space; s.reserve > 0 || s.full.Load() {
			d.look()
		}
		if !d.space.full.Load() {
			d.reloadFull(time.Now())
		}
	}
}

// look asks the file system, and logs what has changed.
func (d *logDir) look() {
	_, free, err := d.m.fs.Space(d.path)
	if err != nil {
		return // what the last look saw counts on; if the disk fails, the next write will tell
	}
	s := &d.space
	if !s.struck.Swap(false) && free > 0 && s.full.CompareAndSwap(true, false) {
		d.m.log.Infof("log directory %s has space again: %d bytes", d.path, free)
		d.m.metrics.fullDirs.Dec()
	}
	if s.reserve <= 0 {
		return
	}
	// What is appended between the two lines is counted by the next look.
	s.left.Store(free - s.reserve)
	if free < s.reserve && s.low.CompareAndSwap(false, true) {
		d.m.log.Warnf("log directory %s has %d bytes free, storage.min.free.bytes is %d: clients' records are refused", d.path, free, s.reserve)
		d.m.metrics.lowDirs.Inc()
	}
	// A twentieth more than the reserve ends it: or each small deletion would let a few records in, and back it goes.
	if free >= s.reserve+s.reserve/20 && s.low.CompareAndSwap(true, false) {
		d.m.log.Infof("log directory %s has %d bytes free, storage.min.free.bytes is %d: clients' records are taken again", d.path, free, s.reserve)
		d.m.metrics.lowDirs.Dec()
	}
}
