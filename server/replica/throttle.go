package replica

import (
	"slices"

	"ottla/zkcoord/cluster"
)

// holdsBack reports whether a follower gets no records at present: it is throttled, the quota is used up, and it is not in
// sync. A member of the ISR is never held back, since it would leave it, and producers wait for it.
func (p *Partition) holdsBack(r *reign, f *follower) bool {
	t := p.owner.options.Throttle
	if t == nil || f == nil || !t.Throttled(p.tp) || slices.Contains(r.isr, f.id) {
		return false
	}
	return t.Delay() > 0
}

// sent counts what a follower is sent of a throttled partition, in sync or not.
func (m *Manager) sent(tp cluster.TopicPartition, bytes int) {
	if t := m.options.Throttle; t != nil && t.Throttled(tp) {
		t.Record(bytes)
	}
}
