package replica

import (
	"cmp"
	"slices"

	"ottla/logdir"
	"ottla/zkcoord/cluster"
)

// LogDir is a log directory as DescribeLogDirs tells of it. Sizes are in bytes.
type LogDir struct {
	Dir string
	// Err is ErrStorage for a directory that is offline; then nothing else is known.
	Err        error
	Partitions []LogDirPartition
}

// LogDirPartition is a partition's log in its directory.
type LogDirPartition struct {
	cluster.TopicPartition
	Size int64
	// OffsetLag is how far the log ends below the high watermark: a replica that is not caught up yet.
	OffsetLag int64
}

// DescribeLogDirs tells of all log directories, in order.
func (m *Manager) DescribeLogDirs() []LogDir {
	byDir := make(map[string][]LogDirPartition)
	for _, l := range m.logs.Logs() {
		byDir[l.Dir()] = append(byDir[l.Dir()], LogDirPartition{TopicPartition: l.TopicPartition(), Size: l.Size(),
			OffsetLag: max(0, l.HighWatermark()-l.LogEndOffset())})
	}
	var dirs []LogDir
	for _, dir := range m.logs.LiveDirs() {
		dirs = append(dirs, LogDir{Dir: dir, Partitions: byDir[dir]})
	}
	for _, dir := range m.logs.OfflineDirs() {
		dirs = append(dirs, LogDir{Dir: dir, Err: ErrStorage})
	}
	slices.SortFunc(dirs, func(a, b LogDir) int { return cmp.Compare(a.Dir, b.Dir) })
	return dirs
}

// DescribeProducers tells of the producers whose sequences a partition remembers.
func (m *Manager) DescribeProducers(tp cluster.TopicPartition) ([]logdir.ProducerState, error) {
	p, err := m.Partition(tp)
	if err != nil {
		return nil, err
	}
	r := p.mu.reign.Load()
	if !r.leads {
		return nil, ErrNotLeader
	}
	return r.log.ActiveProducers(), nil
}

// ReadLog reads from this broker's replica up to the log's end, for a coordinator that loads what it has written. The caller releases.
func (m *Manager) ReadLog(tp cluster.TopicPartition, from int64, maxBytes int) (logdir.Data, error) {
	p, err := m.Partition(tp)
	if err != nil {
		return logdir.Data{}, err
	}
	l, ok := p.Log()
	if !ok {
		return logdir.Data{}, ErrNotLeader
	}
	return l.Read(from, maxBytes, true, logdir.LimitLogEnd)
}
