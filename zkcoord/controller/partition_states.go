package controller

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/sirupsen/logrus"

	"ottla/zkcoord/cluster"
)

// errUnchanged says that a decision left a partition as it is.
var errUnchanged = errors.New("nothing to change")

// decision computes a partition's next state; it may be asked again when ZooKeeper had news.
type decision func(p *partition) (cluster.LeaderAndISR, error)

// change writes the next states of partitions, all in as few multis as possible, and remembers them. A
// partition whose state was written by somebody else meanwhile (a leader of an old cluster) is read again
// and decided again. It returns the partitions that changed; failed tells why others did not. A partition
// that nobody understands is left out.
func (c *Controller) change(ps []*partition, decide decision) (changed []*partition, failed map[*partition]error, err error) {
	failed = make(map[*partition]error)
	for round := 0; len(ps) > 0 && round < 3; round++ {
		next := make(map[cluster.TopicPartition]cluster.LeaderAndISR)
		for _, p := range ps {
			if p.garbled != nil {
				failed[p] = p.garbled
				continue
			}
			state, err := decide(p)
			if err != nil {
				failed[p] = err
				continue
			}
			next[p.TopicPartition] = state
		}
		if len(next) == 0 {
			return changed, failed, nil
		}
		done, err := c.zk.WriteStates(c.eventCtx, c.reign, next)
		if err != nil {
			return changed, failed, err
		}
		var again []*partition
		for _, p := range ps {
			r, tried := done[p.TopicPartition]
			switch {
			case !tried:
			case r.Err == nil:
				delete(failed, p)
				p.led, p.state = true, r.LeaderAndISR
				changed = append(changed, p)
			default:
				failed[p] = r.Err
				again = append(again, p)
			}
		}
		if len(again) > 0 {
			if err := c.learnStates(again); err != nil {
				return changed, failed, err
			}
		}
		ps = again
	}
	return changed, failed, nil
}

// partitionsOnline brings partitions to a leader: new ones to their first, others by an election. It
// returns why some have none; those stay as they are.
func (c *Controller) partitionsOnline(ps []*partition, kind electionKind) (map[*partition]error, error) {
	var fresh, led []*partition
	for _, p := range ps {
		switch {
		case p.garbled != nil:
		case !p.led:
			fresh = append(fresh, p)
		default:
			led = append(led, p)
		}
	}
	failed, err := c.lead(led, kind)
	if err != nil {
		return failed, err
	}
	more, err := c.firstLeaders(fresh)
	for p, why := range more {
		failed[p] = why
	}
	if err != nil {
		return failed, err
	}
	c.flush()
	return failed, nil
}

// firstLeaders creates the states of partitions that never had one.
func (c *Controller) firstLeaders(ps []*partition) (map[*partition]error, error) {
	failed := make(map[*partition]error)
	next := make(map[cluster.TopicPartition]cluster.LeaderAndISR)
	for _, p := range ps {
		state, err := firstState(p.assignment.Replicas, keep(p.assignment.Replicas, func(id cluster.BrokerID) bool { return c.state.online(p, id) }))
		if err != nil {
			failed[p] = err
			continue
		}
		next[p.TopicPartition] = state
	}
	if len(next) == 0 {
		return failed, nil
	}
	done, err := c.zk.CreateStates(c.eventCtx, c.reign, next)
	if err != nil {
		return failed, err
	}
	for _, p := range ps {
		r, tried := done[p.TopicPartition]
		if !tried {
			continue
		}
		if r.Err != nil {
			failed[p] = r.Err
			c.log.Errorf("%s: its first state could not be written: %v", p, r.Err)
			continue
		}
		p.led, p.state = true, r.LeaderAndISR
		p.setStatus(partitionOnline)
		c.pending.lead(c.state, p, true, p.state.ISR...)
	}
	return failed, nil
}

// lead elects leaders of partitions that have a state, and tells whom it concerns.
func (c *Controller) lead(ps []*partition, kind electionKind) (map[*partition]error, error) {
	unclean, err := c.uncleanTopics(ps, kind)
	if err != nil {
		return map[*partition]error{}, err
	}
	before := make(map[*partition]cluster.LeaderAndISR, len(ps))
	changed, failed, err := c.change(ps, func(p *partition) (cluster.LeaderAndISR, error) {
		before[p] = p.state
		cand := c.state.candidates(p)
		cand.uncleanAllowed, cand.noRecovery = unclean[p.Topic], !c.options.Protocol.LeaderRecovery
		if kind == electReassigned {
			cand.replicas = p.assignment.Target()
		}
		return elect(kind, cand)
	})
	for _, p := range changed {
		p.setStatus(partitionOnline)
		c.metrics.elections.Inc()
		if !slices.Contains(before[p].ISR, p.state.Leader) {
			c.metrics.uncleanElections.Inc()
			c.note(logrus.WarnLevel, "Unclean election", p, fmt.Sprintf("leader %d, epoch %d, what only %v had is lost", p.state.Leader, p.state.LeaderEpoch, before[p].ISR))
		} else {
			c.log.Debugf("%s: leader %d -> %d, ISR %v -> %v, epoch %d (%v)", p, before[p].Leader, p.state.Leader, before[p].ISR, p.state.ISR, p.state.LeaderEpoch, kind)
		}
		c.pending.lead(c.state, p, false, c.reachableReplicas(p)...)
	}
	return failed, err
}

func (c *Controller) reachableReplicas(p *partition) []cluster.BrokerID {
	return keep(p.assignment.Replicas, func(id cluster.BrokerID) bool { return c.state.reachable(p, id) })
}

// uncleanTopics finds out which topics allow an unclean election, where it matters: settings are read
// only for partitions that have no clean way.
func (c *Controller) uncleanTopics(ps []*partition, kind electionKind) (map[string]bool, error) {
	if kind != electOffline {
		return nil, nil
	}
	allowed := make(map[string]bool)
	var topics []string
	for _, p := range ps {
		if _, known := allowed[p.Topic]; known {
			continue
		}
		if _, err := elect(electOffline, c.state.candidates(p)); errors.Is(err, errNoLeader) {
			allowed[p.Topic] = false
			topics = append(topics, p.Topic)
		}
	}
	if len(topics) == 0 {
		return nil, nil
	}
	configs, err := c.zk.TopicConfigs(c.eventCtx, topics)
	if err != nil {
		return nil, err
	}
	for _, topic := range topics {
		switch configs[topic]["unclean.leader.election.enable"] {
		case "true":
			allowed[topic] = true
		case "false":
		default:
			allowed[topic] = c.options.Config().UncleanElection
		}
	}
	return allowed, nil
}

// electOffline tries to find leaders for all of ps that have none and are not being deleted.
func (c *Controller) electOffline(ps iter.Seq[*partition]) error {
	var leaderless []*partition
	for p := range ps {
		if p.garbled == nil && p.status != partitionOnline && !c.state.isDeleting(p.Topic) {
			leaderless = append(leaderless, p)
		}
	}
	failed, err := c.partitionsOnline(leaderless, electOffline)
	if err != nil {
		return err
	}
	c.reportLeaderless(failed)
	return nil
}

// electAllOffline is electOffline for the whole cluster: something came back that may help.
func (c *Controller) electAllOffline() error {
	return c.electOffline(func(yield func(*partition) bool) {
		for _, p := range c.state.selectPartitions(func(p *partition) bool { return p.status != partitionOnline }) {
			if !yield(p) {
				return
			}
		}
	})
}

// reportLeaderless says which partitions nobody can lead.
func (c *Controller) reportLeaderless(failed map[*partition]error) {
	ps := make(map[*partition]bool, len(failed))
	for p := range failed {
		ps[p] = true
	}
	for _, p := range sorted(ps) {
		c.note(logrus.WarnLevel, "No leader", p, fmt.Sprintf("(replicas %v, ISR %v: %v)", p.assignment.Replicas, p.state.ISR, failed[p]))
	}
}

// bumpEpoch writes the same leader and ISR under a new leader epoch, which makes brokers take note of
// another replica set.
func (c *Controller) bumpEpoch(p *partition) error {
	_, failed, err := c.change([]*partition{p}, func(p *partition) (cluster.LeaderAndISR, error) {
		next := p.state
		next.LeaderEpoch++
		return next, nil
	})
	if err == nil {
		err = failed[p]
	}
	return err
}
