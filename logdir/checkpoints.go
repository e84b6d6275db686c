package logdir

import (
	"errors"
	"maps"

	"ottla/zkcoord/cluster"
)

// The checkpoint files of a directory, and what each says of a log. They must not outlive what they
// tell of: a log that is truncated below its recovery point, or made anew under an old name, would be
// trusted, or cut, where it should be checked. So whoever does that writes the files first.
var checkpointed = []struct {
	file string
	of   func(*Log) (offset int64, ok bool)
}{
	{recoveryPointFile, func(l *Log) (int64, bool) { return l.RecoveryPoint(), true }},
	{logStartFile, logStartToKeep},
	{cleanerFile, func(l *Log) (int64, bool) { at := l.cleanPoint.Load(); return at, at >= 0 }},
	{highWatermarkFile, func(l *Log) (int64, bool) { return l.HighWatermark(), true }},
}

// logStartToKeep: the first segment's name tells the log start unless DeleteRecords has raised it.
func logStartToKeep(l *Log) (int64, bool) {
	start := l.LogStartOffset()
	return start, start > l.list()[0].base
}

// checkpointDir writes the named checkpoint files of a directory, or all.
func (m *Manager) checkpointDir(d *logDir, files ...string) error {
	m.checkpointing.Lock()
	defer m.checkpointing.Unlock()
	for _, c := range checkpointed {
		if len(files) > 0 && files[0] != c.file {
			continue
		}
		if err := m.checkpointLocked(d, c.file, c.of); err != nil {
			return err
		}
	}
	return nil
}

// checkpointLocked writes one file. What quarantined partitions had in it stays in it.
func (m *Manager) checkpointLocked(d *logDir, file string, of func(*Log) (int64, bool)) error {
	if d.err() != nil {
		return nil
	}
	offsets := map[cluster.TopicPartition]int64{}
	m.mu.RLock()
	for _, l := range m.logsInLocked(d) {
		if offset, ok := of(l); ok {
			offsets[l.tp] = offset
		}
	}
	for tp, quarantined := range m.mu.folders {
		for _, q := range quarantined {
			if offset, ok := d.saved[file][tp]; ok && q.dir == d {
				offsets[tp] = offset
			}
		}
	}
	m.mu.RUnlock()
	if maps.Equal(offsets, d.saved[file]) {
		return nil
	}
	if file == recoveryPointFile {
		// Should the write fail, the file may say the old or the new.
		m.notePoints(d, func(l *Log) int64 { return max(l.savedPoint.Load(), offsets[l.tp]) })
	}
	err := d.present()
	if err == nil {
		err = writeFile(m.fs, d.file(file), encodeOffsets(offsets), true)
	}
	if err != nil {
		return d.failing(cluster.TopicPartition{}, err)
	}
	d.saved[file] = offsets
	if file == recoveryPointFile {
		m.notePoints(d, func(l *Log) int64 { return offsets[l.tp] })
	}
	return nil
}

func (m *Manager) notePoints(d *logDir, point func(*Log) int64) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, l := range m.logsInLocked(d) {
		l.savedPoint.Store(point(l))
	}
}

// logsInLocked lists the logs of a directory, with those that a Move is copying there: a partition is never both.
func (m *Manager) logsInLocked(d *logDir) []*Log {
	var out []*Log
	for _, l := range m.mu.logs {
		if l.dir == d {
			out = append(out, l)
		}
	}
	for _, mv := range m.mu.moves {
		if mv.future.dir == d {
			out = append(out, mv.future)
		}
	}
	return out
}

// savedOffset is what a checkpoint file says of a partition.
func (m *Manager) savedOffset(d *logDir, file string, tp cluster.TopicPartition) (int64, bool) {
	m.checkpointing.Lock()
	defer m.checkpointing.Unlock()
	offset, ok := d.saved[file][tp]
	return offset, ok
}

// forget has the checkpoint files say nothing of a partition that this broker does not hold.
func (m *Manager) forget(tp cluster.TopicPartition) error {
	for _, d := range m.liveDirs() {
		for _, c := range checkpointed {
			if _, ok := m.savedOffset(d, c.file, tp); !ok {
				continue
			}
			if err := m.checkpointDir(d, c.file); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *Manager) checkpointAll(file string) error {
	var failed error
	for _, d := range m.liveDirs() {
		failed = errors.Join(failed, m.checkpointDir(d, file))
	}
	return failed
}

func (m *Manager) checkpointRecoveryPoints() { m.logError(m.checkpointAll(recoveryPointFile)) }

func (m *Manager) checkpointLogStarts() { m.logError(m.checkpointAll(logStartFile)) }

// logError says nothing of a full disk, which has been told of once.
func (m *Manager) logError(err error) {
	if err != nil && !errors.Is(err, ErrDiskFull) {
		m.log.WithError(err).Error("checkpoint")
	}
}

// CheckpointHighWatermarks writes replication-offset-checkpoint in every live directory.
func (m *Manager) CheckpointHighWatermarks() error { return m.checkpointAll(highWatermarkFile) }

// readCheckpoints believes no damaged checkpoint: recovery then starts at the beginning, the log start at
// the first segment, and the high watermark is found again by replication.
func (d *logDir) readCheckpoints() error {
	d.saved = map[string]map[cluster.TopicPartition]int64{}
	for _, c := range checkpointed {
		offsets, err := readOffsets(d.m.fs, d.file(c.file))
		if errors.Is(err, ErrCorruptCheckpoint) {
			d.m.log.WithError(err).Warn("a damaged checkpoint is not used")
			offsets, err = map[cluster.TopicPartition]int64{}, nil
		}
		if err != nil {
			return err
		}
		d.saved[c.file] = offsets
	}
	maps.Copy(d.m.watermarks, d.saved[highWatermarkFile])
	return nil
}
