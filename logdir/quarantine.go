package logdir

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"ottla/zkcoord/cluster"
)

// quarantinedFolder is where a partition is that could not be loaded.
type quarantinedFolder struct {
	dir    *logDir
	folder string
}

// Quarantined lists the partitions that could not be loaded, with the reason. Their files are untouched.
func (m *Manager) Quarantined() map[cluster.TopicPartition]error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	out := make(map[cluster.TopicPartition]error, len(m.mu.quarantined))
	for tp, err := range m.mu.quarantined {
		out[tp] = err
	}
	return out
}

// quarantineLocked keeps a partition offline and its files as they are.
func (m *Manager) quarantineLocked(tp cluster.TopicPartition, why error, folders ...quarantinedFolder) {
	if _, known := m.mu.quarantined[tp]; !known && !errors.Is(why, ErrDiskFull) { // for whose sake there is one line, see reportWaiting
		m.log.WithError(why).Errorf("%v is kept offline", tp)
	}
	m.mu.quarantined[tp] = why
	m.mu.folders[tp] = folders
	m.metrics.quarantined.Set(float64(len(m.mu.quarantined)))
}

// releaseLocked ends a quarantine, if there is one.
func (m *Manager) releaseLocked(tp cluster.TopicPartition) {
	delete(m.mu.folders, tp)
	delete(m.mu.quarantined, tp)
	m.metrics.quarantined.Set(float64(len(m.mu.quarantined)))
}

// Reload tries again to load a partition that is quarantined, after its files were mended. Until it is loaded it stays
// quarantined, so that nobody makes a log in its place (TestAQuarantineHoldsWhileItIsReloaded).
func (m *Manager) Reload(tp cluster.TopicPartition) error {
	m.mu.RLock()
	quarantined, ok := m.mu.folders[tp]
	m.mu.RUnlock()
	if !ok {
		return fmt.Errorf("reload %v: %w", tp, ErrUnknownLog)
	}
	var there []folderToLoad
	for _, q := range quarantined {
		if _, err := m.fs.Stat(q.folder); len(quarantined) == 1 || !errors.Is(err, fs.ErrNotExist) {
			there = append(there, folderToLoad{dir: q.dir, folder: q.folder, tp: tp, again: true})
		}
	}
	for _, f := range m.settleTwins(there) {
		m.loadOne(f)
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.mu.quarantined[tp]
}

// reloadPause is how long a directory that had too little space to load all is left alone before the next try.
const reloadPause = 30 * time.Second

// reloadFull loads the partitions that a directory had no space to load, once it has some.
func (d *logDir) reloadFull(now time.Time) {
	waiting := d.waitingForSpace()
	if len(waiting) == 0 || now.Sub(d.space.reloaded) < reloadPause {
		return
	}
	d.space.reloaded = now
	m, back := d.m, 0
	for _, tp := range waiting {
		if m.Reload(tp) == nil {
			back++
		}
	}
	if back == 0 {
		return
	}
	m.log.Infof("%d of %d partitions that %s had no space to load are there now", back, len(waiting), d.path)
	if f := m.o.OnReturn; f != nil {
		m.notices.Go(f)
	}
}

// reportWaiting tells how many partitions wait for space.
func (d *logDir) reportWaiting() {
	if waiting := d.waitingForSpace(); len(waiting) > 0 {
		d.m.log.Errorf("%d partitions of %s are kept offline until there is space, %v one of them", len(waiting), d.path, waiting[0])
	}
}

func (d *logDir) waitingForSpace() (tps []cluster.TopicPartition) {
	m := d.m
	m.mu.RLock()
	defer m.mu.RUnlock()
	for tp, why := range m.mu.quarantined {
		if folders := m.mu.folders[tp]; errors.Is(why, ErrDiskFull) && len(folders) == 1 && folders[0].dir == d {
			tps = append(tps, tp)
		}
	}
	return tps
}
