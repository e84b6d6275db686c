package replica

import (
	"time"

	"ottla/logdir"
	"ottla/zkcoord/cluster"
)

// deleteToHighWatermark is the offset that stands for the high watermark.
const deleteToHighWatermark int64 = -1

// RecordDeletion is a wish to delete a partition's records below an offset, and what became of it.
type RecordDeletion struct {
	cluster.TopicPartition
	// Offset -1 stands for the high watermark.
	Offset int64

	// LowWatermark is the smallest log start of all live replicas, -1 with an error.
	LowWatermark int64
	Err          error

	partition *Partition // nil once there is nothing more to wait for
}

// DeleteRecords moves the log starts, and calls done once when every live replica of every partition has moved
// its own, or the time is over.
func (m *Manager) DeleteRecords(timeout time.Duration, deletions []RecordDeletion, done func([]RecordDeletion)) {
	var keys []cluster.TopicPartition
	for i := range deletions {
		d := &deletions[i]
		d.LowWatermark = -1
		if d.Err = m.deleteRecords(d); d.Err != nil {
			continue
		}
		check(m.fetches, d.TopicPartition) // who waits behind the new log start waits for nothing
		if !d.settled() {
			keys = append(keys, d.TopicPartition)
		}
	}
	if len(keys) == 0 {
		done(deletions)
		return
	}
	op := &delayedDeleteRecords{done: done}
	op.mu.deletions = deletions
	m.deletions.Watch(op, timeout, keys...)
}

// deleteRecords moves the leader's log start.
func (m *Manager) deleteRecords(d *RecordDeletion) error {
	if isInternal(d.Topic) {
		return ErrInvalidTopic
	}
	p, err := m.Partition(d.TopicPartition)
	if err != nil {
		return err
	}
	d.partition = p
	p.mu.RLock()
	defer p.mu.RUnlock()
	r := p.mu.reign.Load()
	if !r.leads {
		return ErrNotLeader
	}
	if !r.log.Config().Delete {
		return logdir.ErrPolicyViolation
	}
	if d.Offset == deleteToHighWatermark {
		d.Offset = r.log.HighWatermark()
	}
	if d.Offset < 0 {
		return logdir.ErrOffsetOutOfRange
	}
	return r.log.AdvanceLogStart(d.Offset)
}

// settled reports whether all live replicas have moved, or one never will as far as this broker can tell.
func (d *RecordDeletion) settled() bool {
	if d.partition == nil || d.Err != nil {
		return true
	}
	low, err := d.partition.lowWatermark()
	if err == nil && low < d.Offset {
		return false
	}
	d.LowWatermark, d.Err, d.partition = low, err, nil
	return true
}

// lowWatermark is the smallest log start of the live replicas: what no replica can bring back any more.
func (p *Partition) lowWatermark() (int64, error) {
	r := p.mu.reign.Load()
	switch {
	case r.failed:
		return -1, ErrStorage
	case !r.leads:
		return -1, ErrNotLeader
	}
	low := r.log.LogStartOffset()
	for _, f := range r.followers {
		if s := f.state(); s.logStart < low && p.owner.eligible(f.id) {
			low = s.logStart
		}
	}
	return low, nil
}
