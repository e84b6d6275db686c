package replica

import (
	"cmp"
	"slices"

	"ottla/server/metadata"
	"ottla/zkcoord/cluster"
)

// preferredReplica is the replica that a consumer had better read from than from this leader, or
// cluster.NoBroker: one in the consumer's own rack (KIP-392) [RackAwareReplicaSelector].
func (m *Manager) preferredReplica(params *FetchParams, r *reign, offset int64) cluster.BrokerID {
	if params.ClientRack == "" || params.isFollower() || !r.leads || !m.config().RackAware {
		return cluster.NoBroker
	}
	brokers := m.options.Metadata.Snapshot()
	if brokers.Brokers[m.id].Rack == params.ClientRack {
		return cluster.NoBroker
	}
	return nearest(params, brokers, r, offset)
}

// candidate is a follower that a consumer may be sent to.
type candidate struct {
	id    cluster.BrokerID
	state followerState
}

// nearest chooses among the live followers of a rack that have the offset the one that is furthest. Who is not in
// sync is left out: it would lag more and more, and the consumer be sent back to it each time. So is who does not have the
// consumer's listener, and so no address for it.
func nearest(params *FetchParams, brokers *metadata.Snapshot, r *reign, offset int64) cluster.BrokerID {
	var there []candidate
	for _, f := range r.followers {
		_, reachable := brokers.Endpoint(f.id, params.Listener)
		if s := f.state(); reachable && brokers.Brokers[f.id].Rack == params.ClientRack && slices.Contains(r.isr, f.id) && s.logStart <= offset && offset <= s.logEnd {
			there = append(there, candidate{f.id, s})
		}
	}
	if len(there) == 0 {
		return cluster.NoBroker
	}
	return slices.MaxFunc(there, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.state.logEnd, b.state.logEnd), a.state.caughtUp.Compare(b.state.caughtUp), cmp.Compare(a.id, b.id))
	}).id
}
