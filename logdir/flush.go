package logdir

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"sync"
)

// flushing lets those who wait for the disk share one sync: who comes while one is under way waits for
// the next, which then covers all that was written in between.
type flushing struct {
	mu     sync.Mutex
	done   sync.Cond // on mu: a sync has ended
	busy   bool
	synced int64 // all below this offset is synced
}

// Flush returns when every record written so far is on the disk.
func (l *Log) Flush() error {
	l.mu.Lock()
	m, err := l.mu.written, l.usableLocked()
	l.mu.Unlock()
	if err != nil {
		return err
	}
	return l.commit(m)
}

// commit returns when everything below m is synced and published.
func (l *Log) commit(m *mark) error {
	f := &l.flushing
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		if f.synced >= m.offset {
			return nil
		}
		if !f.busy {
			if err := l.syncOnceLocked(); err != nil {
				return err
			}
			continue
		}
		f.done.Wait()
	}
}

// syncOnceLocked does one sync for everyone. It needs flushing.mu, which it lets go meanwhile.
func (l *Log) syncOnceLocked() error {
	f := &l.flushing
	f.busy = true
	f.mu.Unlock()
	err := l.syncBelow(math.MaxInt64)
	f.mu.Lock()
	f.busy = false
	f.done.Broadcast()
	return err
}

// flushRolled syncs the segments below base, which a roll has closed, so that the recovery point can
// move there. It runs in the background.
func (l *Log) flushRolled(base int64) {
	if err := l.syncBelow(base); err != nil && !errors.Is(err, ErrClosed) {
		l.m.log.WithError(err).Errorf("%v: flush of the segments below %d failed", l.tp, base)
	}
}

// syncBelow syncs what is written below offset, moves the recovery point, and publishes.
func (l *Log) syncBelow(offset int64) error {
	w, err := l.collectSync(offset)
	if err != nil {
		return err
	}
	if err := w.run(); err != nil {
		if errors.Is(err, fs.ErrNotExist) && (w.replaced() || w.moved()) {
			return l.syncBelow(offset) // by a cleaning, which has synced what it put there, or by a Move
		}
		if l.closed() {
			return ErrClosed // the log was deleted meanwhile, and with it the files
		}
		// What is on the disk now, nobody knows, and asking again would not tell: the directory goes
		// offline, whatever the error.
		return l.dir.fail(l.tp, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.gone != nil {
		return l.mu.gone
	}
	l.syncedLocked(w)
	return nil
}

func (l *Log) closed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.gone != nil
}

// syncWork is what has to be synced so that everything below to is durable.
type syncWork struct {
	log         *Log
	folder      string
	to          *mark
	closed      []*segment // with their indexes
	active      *segment   // nil if to lies before it; its indexes are rebuilt after a crash
	names       bool       // files were made since the last sync: their names must be durable too
	epochs      int        // see leaderEpochs.writes
	meta        bool
	records     int64
	truncations int
}

func (l *Log) collectSync(below int64) (*syncWork, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usableLocked(); err != nil {
		return nil, err
	}
	// The recovery point is about to pass records whose epochs only memory may have.
	if err := l.writeEpochsLocked(); err != nil {
		return nil, l.failing(err)
	}
	w := &syncWork{log: l, folder: l.folder(), to: l.mu.written, epochs: l.epochs.writes, meta: l.mu.metaDirty, records: l.mu.unflushed, truncations: l.mu.truncations}
	list := l.list()
	point := l.recoveryPoint.Load()
	// The segment that holds the last synced record was perhaps active when it was synced, and its indexes
	// were not: only that of a closed one is.
	from, last := max(floorSegment(list, point-1), 0), len(list)-1
	if below < w.to.offset {
		// Only closed segments are meant; a truncation may have put others in the place of those that
		// were when the roll asked for this.
		last = max(floorSegment(list, below), 0)
		w.to, w.records = &mark{offset: list[last].base, position: -1}, 0
		w.closed = list[min(from, last):last]
	} else {
		w.closed, w.active = list[from:last], list[last]
	}
	// Without a new segment all names are durable already: a sync of the directory at each of many
	// small flushes would double their price.
	w.names = len(w.closed) > 0 || list[len(list)-1].base >= point || w.meta || w.epochs != l.epochs.synced
	return w, nil
}

// replaced reports whether a segment of the work is no part of the log any more.
func (w *syncWork) replaced() bool {
	list := w.log.list()
	if w.active != nil && !slices.Contains(list, w.active) {
		return true
	}
	return slices.ContainsFunc(w.closed, func(s *segment) bool { return !slices.Contains(list, s) })
}

// moved reports whether the log's directory has got another name since.
func (w *syncWork) moved() bool {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	return w.log.folder() != w.folder
}

func (w *syncWork) run() error {
	for _, s := range w.closed {
		if err := s.syncClosed(); err != nil {
			return err
		}
	}
	if w.active != nil {
		if err := errors.Join(syncFile(w.active.log), w.active.txns.sync()); err != nil {
			return err
		}
	}
	if !w.names {
		return nil
	}
	l := w.log
	if err := l.syncNames(); err != nil || !w.meta {
		return err
	}
	return l.m.fs.SyncDir(l.dir.path)
}

// syncNames makes the small files durable, and the names of all in the log's directory.
func (l *Log) syncNames() error {
	if err := errors.Join(l.syncSmall(leaderEpochFile), l.syncSmall(partitionMetaFile)); err != nil {
		return err
	}
	return l.m.fs.SyncDir(l.folder())
}

func (l *Log) syncSmall(name string) error {
	f, err := l.m.fs.Open(l.file(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", l.file(name), err)
	}
	return nil
}

// syncedLocked takes note of a sync that succeeded. A truncation meanwhile may have taken what was
// synced, and other records may stand in its place: then nothing is believed.
func (l *Log) syncedLocked(w *syncWork) {
	if w.truncations != l.mu.truncations {
		return
	}
	l.recoveryPoint.Store(max(l.recoveryPoint.Load(), w.to.offset))
	l.epochs.synced = max(l.epochs.synced, w.epochs)
	l.mu.metaDirty = l.mu.metaDirty && !w.meta
	l.mu.unflushed -= w.records
	l.mu.flushedAt = nowMillis()
	l.flushing.mu.Lock()
	l.flushing.synced = max(l.flushing.synced, w.to.offset)
	l.flushing.mu.Unlock()
	if w.to.offset > l.end.Load().offset {
		l.publishLocked(w.to)
	}
}

// syncClosed makes a closed segment durable. Its indexes were written when it was closed.
func (s *segment) syncClosed() error {
	return errors.Join(syncFile(s.log), s.offsets.sync(), s.times.sync(), s.txns.sync())
}
