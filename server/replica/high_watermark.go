package replica

import (
	"time"

	"ottla/zkcoord/cluster"
)

// raiseHighWatermark lifts the high watermark to where all replicas that count have come, and reports whether it
// rose. The caller holds Partition.mu, shared at least.
//
// Rule 1, three parts of it:
//
// The watermark never goes back on a leader: consumers have seen what lies below it (TestHighWatermarkProperties).
//
// With fewer members in sync than min.insync.replicas it stands still, for acks=1 too: what it covered would
// survive on fewer disks than the topic was promised, while consumers had acted on it (TestTooFewInSync).
//
// It is called wherever something changes on which it depends: the leader's log end, a follower's, the ISR, the
// minimum.
func (p *Partition) raiseHighWatermark(r *reign) (rose bool) {
	if !r.leads || !r.enoughInSync(int(p.minISR.Load())) {
		return false
	}
	logEnd := r.log.LogEndOffset()
	hw := logEnd
	for _, f := range r.followers {
		s := f.state()
		if s.logEnd < hw && (r.counts(f.id) || p.aboutToJoin(&s, f, logEnd)) {
			hw = s.logEnd
		}
	}
	return hw > r.log.HighWatermark() && r.log.SetHighWatermark(hw)
}

// aboutToJoin reports whether a follower outside the ISR is caught up and alive.
//
// Rule 1: it will ask to join with its next fetch, and counting it only from then on would let the watermark run
// away from it again and again on a busy partition, so that it never could (TestHighWatermark, "one about to
// join is waited for").
func (p *Partition) aboutToJoin(s *followerState, f *follower, logEnd int64) bool {
	return s.isCaughtUp(logEnd, time.Now(), p.owner.config().ReplicaLagTimeMax) && p.owner.eligible(f.id)
}

// eligible reports whether a follower may join an ISR: it must be alive, as far as the controller has told us.
func (m *Manager) eligible(id cluster.BrokerID) bool { return m.cache.Snapshot().Alive(id) }

// raiseAndCheck raises the high watermark, if it may rise, and wakes those that wait for it.
func (p *Partition) raiseAndCheck() {
	p.mu.RLock()
	rose := p.raiseHighWatermark(p.mu.reign.Load())
	p.mu.RUnlock()
	if rose {
		p.owner.checkAll(p.tp)
	}
}
