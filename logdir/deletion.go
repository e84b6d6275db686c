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
// file.delete.delay.ms. ErrUnknownLog if there is none.
func (m *Manager) Delete(tp cluster.TopicPartition) error {
	m.mu.Lock()
	l, ok := m.mu.logs[tp]
	delete(m.mu.logs, tp)
	m.mu.Unlock()
	if !ok {
		return fmt.Errorf("delete %v: %w", tp, ErrUnknownLog)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.gone == nil {
		l.mu.gone = fmt.Errorf("%v was deleted: %w", tp, ErrClosed)
	}
	folder := l.dir.file(deletedName(tp))
	if err := m.fs.Rename(l.folder(), folder); err != nil {
		return l.failing(err)
	}
	l.path.Store(&folder)
	for _, s := range l.list() {
		s.moved(folder)
		s.close()
	}
	m.removeFolderLater(l.dir, folder, l.cfg.Load().FileDeleteDelay)
	return m.fs.SyncDir(l.dir.path)
}

// maxFileName is the longest name that file systems take.
const maxFileName = 255

// deletedName is the name of a partition's directory on its way out.
func deletedName(tp cluster.TopicPartition) string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // it never fails
	suffix := fmt.Sprintf("-%d.%s-delete", tp.Partition, hex.EncodeToString(id[:]))
	topic := tp.Topic[:min(len(tp.Topic), maxFileName-len(suffix))]
	return topic + suffix
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

// isFuture reports whether a folder is a copy that another directory's replica is being moved into.
func isFuture(name string) bool {
	return (strings.HasSuffix(name, "-future") || strings.HasSuffix(name, "-stray")) && strings.Contains(name, ".")
}
