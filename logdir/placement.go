package logdir

import (
	"fmt"
	"path/filepath"
	"slices"

	"ottla/zkcoord/cluster"
)

// CheckDir reports whether a directory, named by its absolute path, is one of log.dirs (ErrUnknownDir) and live
// (ErrOfflineDir).
func (m *Manager) CheckDir(path string) error {
	_, err := m.liveDir(path)
	return err
}

func (m *Manager) liveDir(path string) (*logDir, error) {
	for _, d := range m.dirs {
		if absolute(d.path) == path {
			return d, d.err()
		}
	}
	return nil, fmt.Errorf("%s is none of log.dirs: %w", path, ErrUnknownDir)
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// Prefer has a partition's log, once it is made, made in that directory. It is forgotten with the end of the
// process, and means nothing for a partition that has its log or its copy there.
func (m *Manager) Prefer(tp cluster.TopicPartition, path string) error {
	d, err := m.liveDir(path)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l, has := m.mu.logs[tp]
	mv, moves := m.mu.moves[tp]
	if has && l.dir == d || moves && mv.future.dir == d {
		return nil
	}
	m.mu.preferred[tp] = d
	return nil
}

// placeLocked chooses where to make a log: in the directory that Prefer named, if it lives still, else in the one
// with the fewest partitions.
func (m *Manager) placeLocked(tp cluster.TopicPartition, live []*logDir) *logDir {
	if d, ok := m.mu.preferred[tp]; ok && d.err() == nil {
		return d
	}
	if len(live) == 1 {
		return live[0]
	}
	count := map[*logDir]int{}
	for _, l := range m.mu.logs {
		count[l.dir]++
	}
	return slices.MinFunc(live, func(a, b *logDir) int { return count[a] - count[b] })
}
