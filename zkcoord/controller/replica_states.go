package controller

import (
	"errors"
	"maps"
	"slices"

	"ottla/zkcoord/cluster"
)

// replicasNew makes replicas that a reassignment adds: their brokers create an empty log and follow.
func (c *Controller) replicasNew(rs []replica) {
	for _, r := range rs {
		r.replicas[r.broker] = replicaNew
		if r.led && r.state.Leader != r.broker {
			c.pending.lead(c.state, r.partition, true, r.broker)
		}
	}
	c.flush()
}

// replicasOnline tells brokers that have a replica, or have it again, who leads.
func (c *Controller) replicasOnline(rs []replica) error {
	for _, r := range rs {
		was, known := r.replicas[r.broker]
		r.replicas[r.broker] = replicaOnline
		if r.garbled != nil || !r.led || known && was == replicaNew {
			continue
		}
		c.pending.lead(c.state, r.partition, false, r.broker)
	}
	c.flush()
	return nil
}

// replicasOffline stops replicas: they leave the ISRs, and lead no more. Whoever else has the partition
// is told.
func (c *Controller) replicasOffline(rs []replica) error {
	gone := make(map[cluster.BrokerID][]*partition)
	var order []cluster.BrokerID
	for _, r := range rs {
		c.pending.stopReplica(c.state, r.partition, r.broker, false)
		if r.led {
			if gone[r.broker] == nil {
				order = append(order, r.broker)
			}
			gone[r.broker] = append(gone[r.broker], r.partition)
		}
		r.replicas[r.broker] = replicaOffline
	}
	for _, id := range order {
		changed, failed, err := c.takeOut(gone[id], id)
		if err != nil {
			return err
		}
		for p, why := range failed {
			if !errors.Is(why, errUnchanged) {
				c.log.Errorf("%s: replica %d could not be taken out of ISR %v: %v", p, id, p.state.ISR, why)
			}
		}
		for _, p := range changed {
			if p.state.Leader == cluster.NoBroker {
				p.setStatus(partitionOffline)
			}
			c.log.Debugf("%s: replica %d is away, ISR %v, leader %d, epoch %d", p, id, p.state.ISR, p.state.Leader, p.state.LeaderEpoch)
			if !c.state.isDeleting(p.Topic) {
				others := keep(p.assignment.Replicas, func(other cluster.BrokerID) bool { return other != id && c.state.reachable(p, other) })
				c.pending.lead(c.state, p, false, others...)
			}
		}
		// Those that changed nothing have one more replica that is offline, which clients learn.
		for _, p := range gone[id] {
			if !c.state.isDeleting(p.Topic) {
				c.pending.tell(c.state, c.state.brokerIDs(), p)
			}
		}
	}
	c.flush()
	return nil
}

// takeOut writes ISRs without a replica. Where it seems to be in none, that is read again first: leaders of clusters older than
// 2.7 write ISRs themselves, and may have let it in since they last said so. It would hold back the high watermark until it
// has been away for too long (TestADeadReplicaLeavesAnISRThatItsLeaderWrote).
func (c *Controller) takeOut(ps []*partition, id cluster.BrokerID) (changed []*partition, failed map[*partition]error, err error) {
	without := func(p *partition) (cluster.LeaderAndISR, error) {
		next, changed := withoutReplica(p.state, id)
		if !changed || !p.led {
			return next, errUnchanged
		}
		return next, nil
	}
	changed, failed, err = c.change(ps, without)
	if err != nil {
		return changed, failed, err
	}
	doubtful := slices.DeleteFunc(slices.Clone(ps), func(p *partition) bool { return !errors.Is(failed[p], errUnchanged) })
	if err := c.learnStates(doubtful); err != nil {
		return changed, failed, err
	}
	more, moreFailed, err := c.change(doubtful, without)
	for _, p := range more {
		delete(failed, p)
	}
	maps.Copy(failed, moreFailed)
	return append(changed, more...), failed, err
}

// replicasDeletionStarted asks brokers to delete replicas.
func (c *Controller) replicasDeletionStarted(rs []replica) {
	for _, r := range rs {
		r.replicas[r.broker] = replicaDeletionStarted
		c.pending.stopReplica(c.state, r.partition, r.broker, true)
	}
	c.flush()
}

// wentOffline is what follows when replicas stop working, because their broker or their disk died:
// partitions that lost their leader get another first, then the dead leave the remaining ISRs.
func (c *Controller) wentOffline(rs []replica) error {
	var doomed, kept []replica
	var leaderless []*partition
	for _, r := range rs {
		if c.state.isDeleting(r.Topic) {
			doomed = append(doomed, r)
			continue
		}
		kept = append(kept, r)
		if r.led && r.status == partitionOnline && !c.state.online(r.partition, r.state.Leader) {
			r.setStatus(partitionOffline)
			leaderless = append(leaderless, r.partition)
		}
	}
	if err := c.electAllOffline(); err != nil {
		return err
	}
	if err := c.replicasOffline(kept); err != nil {
		return err
	}
	if len(doomed) > 0 {
		if err := c.deletionFailed(doomed, "their broker or disk went away"); err != nil {
			return err
		}
	}
	if len(leaderless) == 0 {
		// Nothing told the others that a broker is gone.
		c.pending.tell(c.state, c.state.brokerIDs())
		c.flush()
	}
	return nil
}
