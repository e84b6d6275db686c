package logdir

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"ottla/zkcoord/cluster"
)

// settleTwins finds partitions that several directories hold. Where a crash, or a disk that failed, has interrupted
// a Move between its steps 2 and 3 (move_swap.go), the source goes. Any other pair is no business of ours to choose
// from: the partition is kept offline until somebody has removed one of the two.
func (m *Manager) settleTwins(all []folderToLoad) []folderToLoad {
	byPartition := map[cluster.TopicPartition][]folderToLoad{}
	for _, f := range all {
		byPartition[f.tp] = append(byPartition[f.tp], f)
	}
	kept := all[:0]
	for _, f := range all {
		twins := byPartition[f.tp]
		if len(twins) == 1 {
			kept = append(kept, f)
			continue
		}
		delete(byPartition, f.tp)
		if len(twins) == 0 {
			continue // settled with the first of them
		}
		if winner, ok := m.outlived(twins); ok {
			kept = append(kept, winner)
		} else {
			m.quarantineTwins(twins)
		}
	}
	return kept
}

// outlived retires the one of two logs that says that it moves into the other, and returns the other; or it returns
// the one that says that it stays.
func (m *Manager) outlived(twins []folderToLoad) (winner folderToLoad, ok bool) {
	if len(twins) != 2 {
		return winner, false
	}
	for i, old := range twins {
		winner = twins[1-i]
		said, says := m.movesTo(old), m.movesTo(winner)
		if (said != winner.dir.path || says != "") && (said != "" || says != staysHere) {
			continue
		}
		m.log.Infof("%v is in %s by now; what is left of it in %s goes", old.tp, winner.dir.path, old.dir.path)
		_, err := old.dir.retire(old.tp, old.folder, m.o.Defaults.FileDeleteDelay, func(string) {})
		return winner, err == nil
	}
	return winner, false
}

// movesTo is the directory into which a log is about to move, as its own says; empty if it says nothing.
func (m *Manager) movesTo(f folderToLoad) string {
	b, err := m.fs.ReadFile(f.dir.file(f.tp.String() + "/" + movingFile))
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			_ = f.dir.failing(f.tp, err) // that says it
		}
		return ""
	}
	return strings.TrimSpace(string(b))
}

func (m *Manager) quarantineTwins(twins []folderToLoad) {
	var folders []quarantinedFolder
	var names []string
	for _, f := range twins {
		if f.dir.err() == nil {
			folders, names = append(folders, quarantinedFolder{f.dir, f.folder}), append(names, f.folder)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.quarantineLocked(twins[0].tp, fmt.Errorf("it is in %s: move one of them away: %w", strings.Join(names, " and in "), ErrStorage), folders...)
}

// movesToResume marks the logs that are moved, and lists the copies. One that belongs to no log here, or to one in the
// same directory, is left alone: it may be all that is left of something.
func (m *Manager) movesToResume(logs, futures []folderToLoad) (resumed []folderToLoad) {
	at := map[cluster.TopicPartition]int{}
	for i, f := range logs {
		at[f.tp] = i
	}
	for _, f := range futures {
		i, ok := at[f.tp]
		if !ok || logs[i].dir == f.dir || logs[i].moving {
			m.log.Warnf("%s is the copy of a log that is not here, or is there already, or moves elsewhere; it is left alone", f.folder)
			continue
		}
		logs[i].moving = true
		resumed = append(resumed, f)
	}
	return resumed
}

// resumeMove takes up a move that the last run had begun. A copy that cannot be read is made anew.
func (m *Manager) resumeMove(f folderToLoad) {
	source, ok := m.Log(f.tp)
	if !ok {
		m.log.Warnf("%s is the copy of a log that is offline; it is left alone", f.folder)
		return
	}
	future, err := loadLog(m, f.dir, f.folder, f.tp, source.Config())
	if err == nil && errors.Is(future.claim(source.TopicID()), ErrTopicID) {
		m.log.Warnf("%s is the copy of an earlier topic; it is left alone", f.folder)
		future.closeFiles()
		source.moving.Store(false)
		return
	}
	if err == nil {
		m.log.Infof("the move of %v from %s to %s goes on at offset %d of %d", f.tp, source.Dir(), f.dir.path, future.LogEndOffset(), source.LogEndOffset())
		m.mu.Lock()
		m.mu.moves[f.tp] = &Move{m: m, source: source, future: future}
		m.mu.Unlock()
		return
	}
	source.moving.Store(false)
	if isDiskError(err) && !errors.Is(err, fs.ErrNotExist) {
		_ = f.dir.failing(f.tp, err) // that says it
		return
	}
	m.log.WithError(err).Warnf("the copy of %v is made anew", f.tp)
	if _, err = f.dir.retire(f.tp, f.folder, m.o.Defaults.FileDeleteDelay, func(string) {}); err == nil {
		_, err = m.StartMove(f.tp, absolute(f.dir.path))
	}
	if err != nil {
		m.log.WithError(err).Warnf("%v stays in %s", f.tp, source.Dir())
	}
}
