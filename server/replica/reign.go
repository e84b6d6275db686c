package replica

import (
	"slices"

	"ottla/logdir"
	"ottla/zkcoord/cluster"
)

// noEpoch is the leader epoch and the partition epoch before the first LeaderAndIsr.
const noEpoch int32 = -1

// reign is who leads a partition and who is in sync, as of one moment. It never changes; a Partition points to the
// newest one.
type reign struct {
	// log is nil before the first LeaderAndIsr, and when the disk failed or the partition was deleted.
	log     *logdir.Log
	failed  bool
	topicID cluster.TopicID

	leader          cluster.BrokerID
	leads           bool // this broker does
	leaderEpoch     int32
	partitionEpoch  int32
	controllerEpoch int32
	replicas        []cluster.BrokerID
	adding          []cluster.BrokerID
	removing        []cluster.BrokerID

	// What follows is the leader's alone.

	// epochStart is where the log ended when this leader epoch began.
	epochStart int64
	// since is the leader epoch with which this broker became leader. Under a later epoch it may lead without a
	// break, and then its log was never cut; so a producer's records are still there.
	since int32
	// isr is what the controller has confirmed.
	isr []cluster.BrokerID
	// asked is the ISR that we want and have no answer about, or nil.
	asked *proposal
	// maximalISR is isr and the followers that asked adds.
	maximalISR []cluster.BrokerID
	followers  []*follower
}

// proposal is one AlterPartition in flight. It is known by its address.
type proposal struct {
	isr []cluster.BrokerID
}

func newReign() *reign {
	return &reign{leader: cluster.NoBroker, leaderEpoch: noEpoch, partitionEpoch: noEpoch, controllerEpoch: noEpoch}
}

// clone is a copy to change. The lists are shared, so they are replaced and never written to.
func (r *reign) clone() *reign {
	c := *r
	return &c
}

func (r *reign) offline() bool { return r.failed }

// checkEpoch compares the leader epoch that a request names with ours. -1 names none.
//
// Rule 3: who speaks of another reign must not read from this one, for its log may have to be cut first; and
// what it tells of its progress was measured against another log (TestFetchesOfAnotherEpochAreRefused).
func (r *reign) checkEpoch(epoch int32) error {
	switch {
	case epoch < 0 || epoch == r.leaderEpoch:
		return nil
	case epoch < r.leaderEpoch:
		return ErrFencedLeaderEpoch
	default:
		return ErrUnknownLeaderEpoch
	}
}

// readable is the log, if a request of this epoch may read it here.
func (r *reign) readable(epoch int32, onlyLeader bool) (*logdir.Log, error) {
	if r.failed {
		return nil, ErrStorage
	}
	if err := r.checkEpoch(epoch); err != nil {
		return nil, err
	}
	if r.log == nil || onlyLeader && !r.leads {
		return nil, ErrNotLeader
	}
	return r.log, nil
}

func (r *reign) follower(id cluster.BrokerID) (*follower, bool) {
	for _, f := range r.followers {
		if f.id == id {
			return f, true
		}
	}
	return nil, false
}

// counts reports whether the high watermark waits for the replica because it is, or may be already, in the ISR.
func (r *reign) counts(id cluster.BrokerID) bool { return slices.Contains(r.maximalISR, id) }

// enoughInSync reports whether the confirmed ISR has min.insync.replicas members. A topic with fewer
// replicas than that asks for all it has.
func (r *reign) enoughInSync(minISR int) bool { return len(r.isr) >= min(minISR, len(r.replicas)) }

// withISR is the reign with a confirmed ISR and nothing asked for.
func (r *reign) withISR(isr []cluster.BrokerID) *reign {
	next := r.clone()
	next.isr, next.maximalISR, next.asked = isr, isr, nil
	return next
}

// asking is the reign while another ISR is asked for. WeakISR: until the answer comes, the ISR in ZooKeeper may
// be either, so whoever is in one of them counts.
func (r *reign) asking(isr []cluster.BrokerID) *reign {
	next := r.clone()
	next.asked = &proposal{isr: isr}
	next.maximalISR = r.isr
	for _, id := range isr {
		if !slices.Contains(r.isr, id) {
			next.maximalISR = append(slices.Clone(next.maximalISR), id)
		}
	}
	return next
}
