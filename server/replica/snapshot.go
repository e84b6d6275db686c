package replica

import (
	"cmp"
	"slices"

	"ottla/zkcoord/cluster"
)

// PartitionSnapshot is a partition as the web page and the test scripts show it.
type PartitionSnapshot struct {
	Topic       string             `json:"topic"`
	Partition   int32              `json:"partition"`
	Leader      cluster.BrokerID   `json:"leader"`
	Leads       bool               `json:"leads"`
	LeaderEpoch int32              `json:"leaderEpoch"`
	Offline     bool               `json:"offline"`
	Replicas    []cluster.BrokerID `json:"replicas"`
	// ISR and Asked are the leader's: what the controller has confirmed, and what it is asked for, if anything.
	ISR   []cluster.BrokerID `json:"isr,omitempty"`
	Asked []cluster.BrokerID `json:"asked,omitempty"`
	// Offsets, -1 without a log.
	LogStart         int64              `json:"logStart"`
	HighWatermark    int64              `json:"highWatermark"`
	LastStableOffset int64              `json:"lastStableOffset"`
	LogEnd           int64              `json:"logEnd"`
	Followers        []FollowerSnapshot `json:"followers,omitempty"`
}

// FollowerSnapshot is how far a follower has come, in offsets.
type FollowerSnapshot struct {
	ID     cluster.BrokerID `json:"id"`
	LogEnd int64            `json:"logEnd"`
}

// Snapshot is all partitions in order.
func (m *Manager) Snapshot() []PartitionSnapshot {
	partitions := m.Partitions()
	all := make([]PartitionSnapshot, len(partitions))
	for i, p := range partitions {
		all[i] = p.Snapshot()
	}
	slices.SortFunc(all, func(a, b PartitionSnapshot) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return all
}

// Snapshot is the partition at this moment.
func (p *Partition) Snapshot() PartitionSnapshot {
	r := p.mu.reign.Load()
	s := PartitionSnapshot{Topic: p.tp.Topic, Partition: p.tp.Partition, Leader: r.leader, Leads: r.leads, LeaderEpoch: r.leaderEpoch, Offline: r.failed,
		Replicas: r.replicas, ISR: r.isr, LogStart: -1, HighWatermark: -1, LastStableOffset: -1, LogEnd: -1}
	if r.asked != nil {
		s.Asked = r.asked.isr
	}
	if r.log != nil {
		s.LogStart, s.HighWatermark, s.LastStableOffset, s.LogEnd =
			r.log.LogStartOffset(), r.log.HighWatermark(), r.log.LastStableOffset(), r.log.LogEndOffset()
	}
	for _, f := range r.followers {
		s.Followers = append(s.Followers, FollowerSnapshot{ID: f.id, LogEnd: f.state().logEnd})
	}
	return s
}
