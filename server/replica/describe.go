package replica

import (
	"ottla/logdir"
	"ottla/zkcoord/cluster"
)

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

// ReadLog reads from this broker's replica up to the log's end, for a coordinator that loads what it has
// written. The caller releases.
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
