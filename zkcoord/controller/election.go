package controller

import (
	"errors"
	"slices"

	"ottla/zkcoord/cluster"
)

// electionKind is why a leader is elected.
type electionKind int8

const (
	// electOffline finds a leader for a partition that has none: the first replica that is alive and in
	// sync; where the topic allows it, one that is only alive.
	electOffline electionKind = iota
	// electUnclean is electOffline where somebody has asked for the loss.
	electUnclean
	// electReassigned moves the leader into the replicas that a reassignment leaves.
	electReassigned
	// electPreferred moves the leader to the first of the assigned replicas.
	electPreferred
	// electShutdown moves the leader away from brokers that are about to stop.
	electShutdown
)

func (k electionKind) String() string {
	return [...]string{"offline", "unclean", "reassigned", "preferred", "shutdown"}[k]
}

// candidates is all that an election looks at.
type candidates struct {
	// replicas is the assignment in order of preference; for electReassigned, what stays of it.
	replicas []cluster.BrokerID
	current  cluster.LeaderAndISR
	// online are the replicas whose broker is alive and whose log is not on a failed disk; leaving are
	// those of them whose broker is shutting down.
	online, leaving []cluster.BrokerID
	// uncleanAllowed is the topic's unclean.leader.election.enable.
	uncleanAllowed bool
	// noRecovery is set where the protocol does not know of leaders that recover from an unclean election.
	noRecovery bool
}

// errNoLeader says that no replica may lead.
var errNoLeader = errors.New("no eligible leader")

// elect chooses the next leader and ISR; the leader epoch is one higher. It is a pure function.
//
// Invariant LeaderInIsr: the leader is a member of the ISR it starts with, or is alone in it after an
// unclean election, which is marked as such. A leader outside would let members that are ahead of it
// vote on a high watermark that it cannot serve. TestElection breaks without it.
func elect(kind electionKind, c candidates) (cluster.LeaderAndISR, error) {
	next := c.current
	next.LeaderEpoch++
	staying := func(id cluster.BrokerID) bool {
		return slices.Contains(c.online, id) && !slices.Contains(c.leaving, id)
	}
	inSync := func(id cluster.BrokerID) bool { return staying(id) && slices.Contains(c.current.ISR, id) }

	pool := c.replicas
	if kind == electPreferred {
		pool = c.replicas[:min(1, len(c.replicas))]
	}
	if i := slices.IndexFunc(pool, inSync); i >= 0 {
		next.Leader = pool[i]
		next.ISR = isrAfter(kind, c)
		return next, nil
	}
	if kind == electUnclean || kind == electOffline && c.uncleanAllowed {
		if i := slices.IndexFunc(pool, staying); i >= 0 {
			next.Leader, next.ISR = pool[i], []cluster.BrokerID{pool[i]}
			if next.Recovery = cluster.LeaderRecovering; c.noRecovery {
				next.Recovery = cluster.LeaderRecovered
			}
			return next, nil
		}
	}
	return c.current, errNoLeader
}

// isrAfter is the ISR of a clean election, in its old order. Only who is known to be away is left out.
func isrAfter(kind electionKind, c candidates) []cluster.BrokerID {
	switch kind {
	case electShutdown:
		return keep(c.current.ISR, func(id cluster.BrokerID) bool { return !slices.Contains(c.leaving, id) })
	case electOffline, electUnclean:
		return keep(c.current.ISR, func(id cluster.BrokerID) bool {
			return slices.Contains(c.online, id) && !slices.Contains(c.leaving, id)
		})
	default:
		return c.current.ISR
	}
}

// withoutReplica is the state after a replica went away: it leaves the ISR, unless it is the last member,
// and leads no more. changed is false where it was no member,
// or is the last one and does not lead.
//
// Invariant LastInIsr: the last member stays recorded although it is away: only it is known to have every
// acknowledged record, and it alone may lead when it comes back. TestWithoutReplica breaks without it.
func withoutReplica(current cluster.LeaderAndISR, gone cluster.BrokerID) (next cluster.LeaderAndISR, changed bool) {
	last := len(current.ISR) == 1
	if !slices.Contains(current.ISR, gone) || last && current.Leader != gone {
		return current, false
	}
	next = current
	next.LeaderEpoch++
	if next.Leader == gone {
		next.Leader = cluster.NoBroker
	}
	if !last {
		next.ISR = keep(current.ISR, func(id cluster.BrokerID) bool { return id != gone })
	}
	return next, true
}

// firstState is the state of a partition that never had one: whoever is online is in sync with nothing.
func firstState(replicas, online []cluster.BrokerID) (cluster.LeaderAndISR, error) {
	isr := keep(replicas, func(id cluster.BrokerID) bool { return slices.Contains(online, id) })
	if len(isr) == 0 {
		return cluster.LeaderAndISR{}, errNoLeader
	}
	return cluster.LeaderAndISR{Leader: isr[0], ISR: isr}, nil
}

func keep(ids []cluster.BrokerID, f func(cluster.BrokerID) bool) []cluster.BrokerID {
	kept := make([]cluster.BrokerID, 0, len(ids))
	for _, id := range ids {
		if f(id) {
			kept = append(kept, id)
		}
	}
	return kept
}
