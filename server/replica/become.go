package replica

import (
	"errors"
	"slices"
	"time"

	"ottla/logdir"
	"ottla/zkcoord/cluster"
)

// makeLeader begins a reign of this broker. It reports whether another one led before.
func (p *Partition) makeLeader(d *decision) (newLeader bool, err error) {
	p.mu.Lock()
	r := p.mu.reign.Load()
	// The leader raises the partition epoch itself when its ISR is confirmed, so it may know a later state than the
	// controller did when it sent this.
	if d.state.ZKVersion < r.partitionEpoch {
		p.mu.Unlock()
		p.skipped(d, r)
		return false, nil
	}
	next := r.ruledBy(d)
	next.leads = true
	isr := brokerIDs(d.state.ISR)
	next.isr, next.maximalISR, next.asked = isr, isr, nil
	next.followers = p.followersOf(next, r)
	newLeader = !r.leads
	if d.state.LeaderEpoch > r.leaderEpoch {
		if err := next.beginEpoch(newLeader); err != nil {
			p.mu.Unlock()
			p.goOffline()
			p.owner.checkAll(p.tp)
			return false, err
		}
	}
	p.mu.reign.Store(next)
	p.raiseHighWatermark(next) // the ISR may have shrunk to this broker alone
	p.mu.Unlock()

	if d.state.LeaderRecoveryState == int8(cluster.LeaderRecovering) {
		p.owner.log.Warnf("%s: elected though it was not in sync: what others had beyond offset %d is lost", p.tp, d.log.LogEndOffset())
	}
	p.owner.log.Debugf("%s: leader since epoch %d at offset %d, high watermark %d, ISR %s of %s",
		p.tp, next.leaderEpoch, next.epochStart, d.log.HighWatermark(), idList(isr), idList(next.replicas))
	return newLeader, nil
}

// beginEpoch notes where a new leader epoch starts.
//
// Rule 2: the epoch goes into the log's epochs before the first batch carries it. A follower may know an epoch
// that is later than any of our records (its leader died before we had one of them); it asks where its epoch
// ended here, and the answer must be this start and not "I do not know that epoch" (KIP-101,
// TestEpochsOfAnEmptyReign).
//
// A full disk is no reason not to lead: the log knows the epoch, and writes it down before its records count as synced.
func (r *reign) beginEpoch(newLeader bool) error {
	r.epochStart = r.log.LogEndOffset()
	if newLeader {
		r.since = r.leaderEpoch
	}
	if err := r.log.AssignEpochStart(r.leaderEpoch, r.epochStart); err != nil && !errors.Is(err, logdir.ErrDiskFull) {
		return err
	}
	now := time.Now()
	for _, f := range r.followers {
		f.beginReign(now, r.epochStart, slices.Contains(r.isr, f.id), newLeader)
	}
	return nil
}

// followersOf are the other replicas, and what we know of those that were followers before.
func (p *Partition) followersOf(next, before *reign) []*follower {
	followers := make([]*follower, 0, len(next.replicas))
	for _, id := range next.replicas {
		if id == p.owner.id {
			continue
		}
		f, known := before.follower(id)
		if !known {
			f = newFollower(id)
		}
		followers = append(followers, f)
	}
	return followers
}

// makeFollower begins the reign of another broker, or of none. It reports whether the leader epoch is new, so
// that the fetchers must begin anew, even under the same leader: they truncate under the new epoch before they
// fetch.
func (p *Partition) makeFollower(d *decision) (newEpoch bool) {
	p.mu.Lock()
	r := p.mu.reign.Load()
	if d.state.ZKVersion < r.partitionEpoch {
		p.mu.Unlock()
		p.skipped(d, r)
		return false
	}
	next := r.ruledBy(d)
	next.leads, next.followers = false, nil
	next.isr, next.maximalISR, next.asked = nil, nil, nil
	next.epochStart, next.since = unknownOffset, noEpoch
	p.mu.reign.Store(next)
	p.mu.Unlock()

	p.owner.log.Debugf("%s: follower of %s in epoch %d, log end %d, high watermark %d",
		p.tp, next.leader, next.leaderEpoch, d.log.LogEndOffset(), d.log.HighWatermark())
	return d.state.LeaderEpoch > r.leaderEpoch
}

func (p *Partition) skipped(d *decision, r *reign) {
	p.owner.log.Debugf("%s: LeaderAndIsr of partition epoch %d passed over, we know of %d", p.tp, d.state.ZKVersion, r.partitionEpoch)
}

// ruledBy is the reign that the decision begins, as far as it is the same for leader and follower.
func (r *reign) ruledBy(d *decision) *reign {
	next := r.clone()
	next.log, next.failed = d.log, false
	next.topicID = d.log.TopicID()
	if !d.topicID.IsZero() {
		next.topicID = d.topicID
	}
	next.leader = cluster.BrokerID(d.state.Leader)
	next.leaderEpoch, next.partitionEpoch, next.controllerEpoch = d.state.LeaderEpoch, d.state.ZKVersion, d.state.ControllerEpoch
	next.replicas = brokerIDs(d.state.Replicas)
	next.adding, next.removing = brokerIDs(d.state.AddingReplicas), brokerIDs(d.state.RemovingReplicas)
	return next
}

// brokerIDs are the brokers that a controller names, each once: what an operator wrote into ZooKeeper is passed on by some
// controllers as it stands.
func brokerIDs(ids []int32) []cluster.BrokerID {
	return cluster.Once(cluster.BrokerIDs(ids))
}
