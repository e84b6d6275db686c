package logdir

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"ottla/zkcoord/cluster"
)

// Delete takes a log out of service at once, by renaming its directory, and removes its files after
// file.delete.delay.ms. One that is quarantined goes the same way. ErrUnknownLog if there is none.
func (m *Manager) Delete(tp cluster.TopicPartition) error {
	if err := m.CancelMove(tp); err != nil && !errors.Is(err, ErrStorage) {
		return err
	}
	m.mu.Lock()
	l, ok := m.mu.logs[tp]
	folders, quarantined := m.mu.folders[tp]
	delete(m.mu.logs, tp)
	delete(m.mu.preferred, tp)
	if !ok && quarantined {
		m.releaseLocked(tp)
	}
	delay := m.configLocked(tp.Topic).FileDeleteDelay
	m.mu.Unlock()
	if ok {
		return l.delete(delay)
	}
	if quarantined {
		var failed error
		for _, q := range folders {
			_, err := q.dir.retire(tp, q.folder, delay, func(string) {})
			failed = errors.Join(failed, err)
		}
		return failed
	}
	return fmt.Errorf("delete %v: %w", tp, ErrUnknownLog)
}

// delete ends the log's service. Readers that have files open read on.
func (l *Log) delete(delay time.Duration) error {
	defer l.exclude()()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.gone == nil {
		l.mu.gone = fmt.Errorf("%v was deleted: %w", l.tp, ErrClosed)
	}
	if _, err := l.dir.retire(l.tp, l.folder(), delay, l.movedLocked); err != nil {
		return err
	}
	for _, s := range l.list() {
		s.close()
	}
	return nil
}

// movedLocked notes that the log's directory has another name.
func (l *Log) movedLocked(folder string) {
	l.path.Store(&folder)
	for _, s := range l.list() {
		s.moved(folder)
	}
}

// retire renames a log's folder to the name of one on its way out, which moved is told, and sends it on it.
func (d *logDir) retire(tp cluster.TopicPartition, folder string, delay time.Duration, moved func(to string)) (to string, err error) {
	to = d.file(deletedName(tp))
	if err := d.m.files.renameFolder(folder, to, func() { moved(to) }); err != nil {
		return folder, d.failing(tp, err)
	}
	// In this order: what is left of it after half a removal must not come back under its old name.
	d.syncSoon()
	d.m.removeFolderLater(d, to, delay)
	return to, nil
}

// syncSoon makes the directory's names durable in the background: one sync for all the logs of a topic
// that are deleted together.
func (d *logDir) syncSoon() {
	if !d.syncing.CompareAndSwap(false, true) {
		return
	}
	d.m.later(func() {
		d.syncing.Store(false)
		if err := d.m.fs.SyncDir(d.path); err != nil {
			_ = d.failing(cluster.TopicPartition{}, err) // that says it, if it is the disk
		}
	})
}

// maxFileName is the longest name that file systems take.
const maxFileName = 255

// deletedName is the name of a partition's directory on its way out.
func deletedName(tp cluster.TopicPartition) string {
	suffix := fmt.Sprintf("-%d.%s-delete", tp.Partition, randomHex())
	topic := tp.Topic[:min(len(tp.Topic), maxFileName-len(suffix))]
	return topic + suffix
}

func randomHex() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // it never fails
	return hex.EncodeToString(id[:])
}

// futureName is the name of a directory with a copy that a partition is moved into.
func futureName(tp cluster.TopicPartition) string {
	return fmt.Sprintf("%v.%s%s", tp, randomHex(), suffixFuture)
}

// Movable reports whether the name of a partition's copy would not be longer than file systems allow.
func Movable(tp cluster.TopicPartition) bool { return len(futureName(tp)) <= maxFileName }

const suffixFuture = "-future"

// parseFuture reads what futureName wrote.
func parseFuture(name string) (tp cluster.TopicPartition, ok bool) {
	name, ok = strings.CutSuffix(name, suffixFuture)
	dot := strings.LastIndexByte(name, '.')
	if !ok || dot < 0 || len(name)-dot-1 != 32 {
		return tp, false
	}
	tp, err := cluster.ParseTopicPartition(name[:dot])
	return tp, err == nil
}

func (m *Manager) removeFolderLater(d *logDir, folder string, delay time.Duration) {
	m.background.after(delay, func() {
		if err := m.fs.RemoveAll(folder); err != nil {
			m.log.WithError(err).Warnf("could not remove %s", folder)
		}
	})
}

func (m *Manager) removeLater(delay time.Duration, names ...string) {
	m.background.after(delay, func() {
		for _, name := range names {
			if err := m.fs.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				m.log.WithError(err).Warnf("could not remove %s", name)
			}
		}
	})
}

// isDeleted reports whether a folder's name says that it is on its way out.
func isDeleted(name string) bool {
	return strings.HasSuffix(name, "-delete") && strings.Contains(name, ".")
}
