package logdir

import (
	"errors"
	"fmt"
	"sync"
)

// Close makes everything durable and leaves the directories as a clean shutdown does: the next start
// checks nothing. A second Close does nothing.
func (m *Manager) Close() error {
	if !m.shut() {
		return nil
	}
	err := m.closeLogs()
	for _, d := range m.liveDirs() {
		failed := m.closeDir(d, err == nil)
		err = errors.Join(err, failed)
	}
	m.files.close()
	m.unlock()
	return err
}

// shut ends the background work and reports whether it was this call that did.
func (m *Manager) shut() bool {
	m.mu.Lock()
	closed := m.mu.closed
	m.mu.closed = true
	m.mu.Unlock()
	if !closed {
		m.cleaners.close()
		m.background.close()
		m.notices.Wait()
	}
	return !closed
}

func (m *Manager) closeLogs() error {
	var mu sync.Mutex
	var failed error
	each(m.o.RecoveryThreads, append(m.Logs(), m.futures()...), func(l *Log) {
		if l.dir.err() != nil {
			return
		}
		if err := l.close(); err != nil {
			mu.Lock()
			failed = errors.Join(failed, err)
			mu.Unlock()
		}
	})
	return failed
}

// closeDir writes the checkpoints and, last of all, the marker of a clean shutdown.
func (m *Manager) closeDir(d *logDir, clean bool) error {
	if err := m.checkpointDir(d); err != nil {
		return err
	}
	if !clean || d.err() != nil {
		return nil
	}
	return writeFile(m.fs, d.file(cleanShutdownFile), []byte(cleanShutdownContent), true)
}

func (m *Manager) unlock() {
	for _, d := range m.dirs {
		if d.lock == nil {
			continue
		}
		if d.err() == nil {
			_ = m.fs.Remove(d.file(lockFile)) // it says nothing by being there
		}
		_ = d.lock.Close() // the lock goes with the descriptor
		d.lock = nil
	}
}

// Abandon ends the Manager as kill -9 would: descriptors and locks go, nothing is written.
func (m *Manager) Abandon() {
	if !m.shut() {
		return
	}
	for _, l := range append(m.Logs(), m.futures()...) {
		l.mu.Lock()
		l.mu.gone = fmt.Errorf("%v was abandoned: %w", l.tp, ErrClosed)
		l.mu.Unlock()
	}
	m.files.close()
	for _, d := range m.dirs {
		if d.lock != nil {
			_ = d.lock.Close() // the lock goes with the descriptor
			d.lock = nil
		}
	}
}

// close makes the log durable and gives its files the form of a closed log.
func (l *Log) close() error {
	if err := l.Flush(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.gone != nil {
		return nil
	}
	l.mu.gone = fmt.Errorf("%v: %w", l.tp, ErrClosed)
	if err := errors.Join(l.writeEpochsLocked(), l.active().seal(l.cfg.Load().Preallocate)); err != nil {
		return l.failing(err)
	}
	// The marker of a clean shutdown says that indexes are to be believed, so they are synced before it.
	// TestPowerFailureAfterACleanShutdown breaks without it.
	for _, s := range l.list() {
		if err := errors.Join(s.offsets.sync(), s.times.sync()); err != nil {
			return l.failing(err)
		}
	}
	if l.mu.written.offset > 0 {
		if err := l.writeSnapshotLocked(l.mu.written.offset); err != nil {
			return l.failing(err)
		}
	}
	return nil
}
