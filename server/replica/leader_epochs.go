package replica

import "ottla/zkcoord/cluster"

// EpochEndOffset answers for one partition of OffsetForLeaderEpoch: the largest epoch of the log that is not
// above the given one, and the offset at which it ended; -1 and -1 where the log knows of none. Only the leader
// answers: a follower's own log may have to be cut.
func (m *Manager) EpochEndOffset(tp cluster.TopicPartition, currentLeaderEpoch, epoch int32) (foundEpoch int32, end int64, err error) {
	p, err := m.Partition(tp)
	if err != nil {
		return -1, -1, err
	}
	l, err := p.mu.reign.Load().readable(currentLeaderEpoch, true)
	if err != nil {
		return -1, -1, err
	}
	foundEpoch, end = l.EndOffsetForEpoch(epoch)
	return foundEpoch, end, nil
}
