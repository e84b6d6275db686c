package logdir

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
)

// A copy that has everything takes the place of its source in steps. A crash between any two leaves one log that
// counts, and it has all that was synced:
//
//  1. The copy is synced, and the source's directory gets the file moving-to, which names the other directory.
//     A start that finds no log there removes the file, and goes on copying.
//  2. The copy is renamed from its -future name to the partition's, and that is synced. From here on there are two
//     logs of the partition; a start that finds both, one of them saying that it moves to the other, takes that one.
//     Kafka, which would not start with two, does not look at the file.
//  3. The source is renamed to a -delete name, and that is synced. The file goes with it.
//
// Nothing is appended between 2 and 3, so the two are equal until one of them is gone. Should step 2 fail half way,
// the copy's directory is offline, and the source goes on: the file now says that it stays. Should step
// 3 fail, the source's directory is offline and the copy goes on; when the directory is back, the file tells which
// of them is old.

// Prepare brings the copy to the disk and announces the swap, so that Swap is short.
func (mv *Move) Prepare() error {
	mv.mu.Lock()
	defer mv.mu.Unlock()
	if mv.mu.ended != nil {
		return mv.mu.ended
	}
	if err := mv.syncLocked(); err != nil {
		return err
	}
	return mv.announceLocked()
}

// syncLocked makes the copy durable, an empty one as well: its files' names are all that tells where it begins.
func (mv *Move) syncLocked() error {
	f := mv.future
	if err := f.Flush(); err != nil {
		return err
	}
	return f.failing(errors.Join(f.syncNames(), f.m.fs.SyncDir(f.dir.path)))
}

// swapSlices is how much Swap copies itself, while producers wait.
const swapSlices = 4

// Swap puts the copy in the place of the log, and returns it; nil if it has not got everything yet. It needs
// Prepare. The caller sees to it that nobody appends meanwhile, and uses the new log from then on: the old one takes
// nothing any more, but whoever reads it reads on. Settle is to be called afterwards.
func (mv *Move) Swap() (*Log, error) {
	mv.mu.Lock()
	defer mv.mu.Unlock()
	if mv.mu.ended == nil && !mv.mu.announced {
		return nil, nil
	}
	for i, near := 0, false; !near; i++ {
		if i == swapSlices {
			return nil, nil
		}
		var err error
		if _, near, err = mv.copyLocked(); err != nil {
			return nil, err
		}
	}
	if err := mv.syncLocked(); err != nil {
		return nil, err
	}
	defer mv.source.exclude()()
	done, err := mv.exchangeLocked()
	if !done {
		return nil, err
	}
	mv.mu.ended, mv.mu.spare = errMoveEnded, nil
	m, f := mv.m, mv.future
	m.mu.Lock()
	m.mu.logs[f.tp] = f
	delete(m.mu.moves, f.tp)
	m.compactLocked(f)
	m.mu.Unlock()
	return f, nil
}

// Settle writes the checkpoints of both directories after a Swap.
func (mv *Move) Settle() {
	mv.m.logError(errors.Join(mv.m.checkpointDir(mv.future.dir), mv.m.checkpointDir(mv.source.dir)))
}

// exchangeLocked does the renames, if the two logs agree. An error without done leaves the source as it is.
func (mv *Move) exchangeLocked() (done bool, err error) {
	s, f := mv.source, mv.future
	s.mu.Lock()
	defer s.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := errors.Join(s.usableLocked(), f.usableLocked()); err != nil {
		return false, err
	}
	if s.mu.cut != math.MaxInt64 || s.mu.written.offset != f.mu.written.offset || s.start.Load() != f.start.Load() ||
		f.recoveryPoint.Load() < f.mu.written.offset {
		return false, nil
	}
	if err := mv.inheritEpochsLocked(); err != nil {
		return false, f.failing(err)
	}
	name := f.dir.file(f.tp.String())
	if _, err := f.m.fs.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return false, f.failing(errors.Join(fmt.Errorf("%s is in the way of the copy of %v: %w", name, s, ErrStorage), err))
	}
	if err := f.m.files.renameFolder(f.folder(), name, func() { f.movedLocked(name) }); err != nil {
		return false, f.failing(err)
	}
	if err := f.m.fs.SyncDir(f.dir.path); err != nil {
		return false, f.dir.fail(f.tp, err) // whether the name will last, nobody knows
	}
	mv.inheritLocked()
	s.mu.gone = fmt.Errorf("%v has moved to %s: %w", s.tp, f.dir.path, ErrClosed)
	mv.retireSource()
	return true, nil
}

// inheritEpochsLocked gives the copy the reigns of the source: it knows only those that have left records.
func (mv *Move) inheritEpochsLocked() error {
	s, f := mv.source, mv.future
	if slices.Equal(s.epochs.list(), f.epochs.list()) && !f.epochs.unwritten {
		return nil
	}
	f.epochs.set(s.epochs.list())
	if err := f.writeEpochsLocked(); err != nil {
		return err
	}
	f.epochs.synced = f.epochs.writes
	return f.syncNames()
}

// inheritLocked gives the copy what the source keeps in memory. The producers may be older than any record that is
// left, and some may be in the middle of being verified.
func (mv *Move) inheritLocked() {
	s, f := mv.source, mv.future
	f.mu.producers = s.mu.producers
	f.mu.appendTime = s.mu.appendTime
	f.raise(s.HighWatermark())
	f.mu.producers.committed(f.HighWatermark())
	f.refreshUnstableLocked()
	f.cleanPoint.Store(s.cleanPoint.Load())
	f.cleanAfter.Store(0)
	// Without the snapshot a start reads the records; only of producers without any it would not know.
	if err := f.writeSnapshotLocked(f.mu.written.offset); err != nil {
		_ = f.failing(err) // that says it, if it is the disk; the next append will meet it
	}
}

// retireSource sends the source on its way out. It may fail: the copy is the log by now.
func (mv *Move) retireSource() {
	s := mv.source
	to := s.dir.file(deletedName(s.tp))
	err := s.m.files.renameFolder(s.folder(), to, func() { s.movedLocked(to) })
	if err == nil {
		// Durable before anything in it is removed: what is left must not come back under the log's name.
		err = s.m.fs.SyncDir(s.dir.path)
	}
	if err != nil {
		_ = s.dir.failing(s.tp, err) // that says it
		return
	}
	for _, each := range s.list() {
		each.close()
	}
	s.m.removeFolderLater(s.dir, to, s.cfg.Load().FileDeleteDelay)
}
