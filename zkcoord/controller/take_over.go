package controller

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// firstRebalance is how long after its election a controller first looks at the preferred leaders.
const firstRebalance = 5 * time.Second

// takeOver reads the cluster's state and goes on where the last controller stopped.
func (c *Controller) takeOver() error {
	if err := c.zk.EnsureFeature(c.eventCtx, c.options.Protocol.Feature); errors.Is(err, zkcoord.ErrMalformed) {
		c.log.Error(err)
	} else if err != nil {
		return err
	}
	if err := c.zk.EnsurePaths(c.eventCtx); err != nil {
		return err
	}
	// Interests come before reads: a change between the two is then told, not missed.
	c.watch(c.zk.WatchBrokers(c.changed("BrokerChange", c.brokersChanged)))
	c.watch(c.zk.WatchTopics(c.changed("TopicChange", c.topicsChanged)))
	c.watch(c.zk.WatchDeletions(c.changed("TopicDeletion", c.deletionsChanged)))
	c.watch(c.zk.WatchLogDirEvents(c.changed("LogDirEventNotification", c.logDirEvents)))
	c.watch(c.zk.WatchISRChanges(c.changed("IsrChangeNotification", c.isrChanges)))
	c.watch(c.zk.WatchPreferredElection(c.changed("PreferredReplicaLeaderElection", c.preferredElectionAsked)))
	c.watch(c.zk.WatchReassignment(c.changed("ZkPartitionReassignment", c.reassignmentAsked)))

	if err := c.forgetOldNotifications(); err != nil {
		return err
	}
	c.state = newState()
	if err := c.load(); err != nil {
		return err
	}
	c.active.Store(true)
	// Brokers learn of the new controller before it asks anything of them.
	c.pending.tell(c.state, c.state.brokerIDs())
	c.flush()
	if err := c.setInMotion(); err != nil {
		return err
	}
	c.scheduleRebalance(firstRebalance)
	return nil
}

// forgetOldNotifications removes letters to earlier controllers: what they tell of is about to be read.
func (c *Controller) forgetOldNotifications() error {
	_, names, err := c.zk.ISRChanges(c.eventCtx)
	if err != nil {
		return err
	}
	if err := c.zk.ForgetISRChanges(c.eventCtx, c.reign, names); err != nil {
		return err
	}
	if _, names, err = c.zk.LogDirEvents(c.eventCtx); err != nil {
		return err
	}
	return c.zk.ForgetLogDirEvents(c.eventCtx, c.reign, names)
}

// load reads brokers, topics and states.
func (c *Controller) load() error {
	brokers, err := c.zk.Brokers(c.eventCtx)
	if err != nil {
		return err
	}
	for _, b := range brokers {
		c.addBroker(b)
	}
	names, err := c.zk.Topics(c.eventCtx)
	if err != nil {
		return err
	}
	if _, err := c.learnTopics(names); err != nil {
		return err
	}
	return c.learnStates(c.state.selectPartitions(func(*partition) bool { return true }))
}

// learnTopics reads topics that are not known yet and returns their partitions. A topic without an id
// gets one, if the protocol knows of them; one that a topic has stays in any case. A topic whose node is garbled stays unknown, until the node changes.
func (c *Controller) learnTopics(names []string) ([]*partition, error) {
	c.watchTopics(names)
	assignments, err := c.zk.Assignments(c.eventCtx, names)
	if err != nil {
		return nil, err
	}
	withoutID := make(map[string]zkcoord.TopicAssignment)
	for name, a := range assignments {
		if c.options.Protocol.TopicIDs && a.Err == nil && a.ID.IsZero() {
			a.ID = zkcoord.NewTopicID()
			withoutID[name] = a.TopicAssignment
		}
	}
	if len(withoutID) > 0 {
		given, err := c.zk.WriteAssignments(c.eventCtx, c.reign, withoutID)
		if err != nil {
			return nil, err
		}
		for name, a := range given {
			assignments[name] = a
		}
	}
	var learned []*partition
	for _, name := range names {
		a := assignments[name]
		if a.Err != nil {
			if !errors.Is(a.Err, zkcoord.ErrNoNode) {
				c.log.Errorf("Topic %s is left alone: %v", name, a.Err)
			}
			continue
		}
		c.reportRepeated(name, a.TopicAssignment)
		_, ps := c.state.addTopic(name, a.TopicAssignment)
		learned = append(learned, ps...)
		c.state.topics[name].watch = c.topicWatches[name]
		delete(c.topicWatches, name)
	}
	return learned, nil
}

// reportRepeated says of which partitions somebody wrote an assignment with a broker in it more than once.
func (c *Controller) reportRepeated(topic string, a zkcoord.TopicAssignment) {
	if ps := repeated(a); len(ps) > 0 {
		c.log.Errorf("Topic %s: brokers stand more than once among the replicas of partitions %v; each counts once", topic, ps)
	}
}

// watchTopics sets up the interest in topics before they are read.
func (c *Controller) watchTopics(names []string) {
	if c.topicWatches == nil {
		c.topicWatches = make(map[string]*zkcoord.Watch)
	}
	for _, name := range names {
		if c.topicWatches[name] == nil {
			c.topicWatches[name] = c.zk.WatchTopic(name, c.changed("PartitionModifications", func() error { return c.topicChanged(name) }))
		}
	}
}

// learnStates reads the states of partitions. One that cannot be understood is reported and left alone.
func (c *Controller) learnStates(ps []*partition) error {
	tps := make([]cluster.TopicPartition, len(ps))
	for i, p := range ps {
		tps[i] = p.TopicPartition
	}
	states, err := c.zk.States(c.eventCtx, tps)
	if err != nil {
		return err
	}
	for _, p := range ps {
		if err := c.learnState(p, states[p.TopicPartition]); err != nil {
			return err
		}
	}
	return nil
}

func (c *Controller) learnState(p *partition, r zkcoord.StateResult) error {
	switch {
	case errors.Is(r.Err, zkcoord.ErrNoNode):
		p.led = false
	case errors.Is(r.Err, zkcoord.ErrMalformed):
		c.leaveAlone(p, r.Err)
	case r.Err != nil:
		return r.Err
	case r.ControllerEpoch > c.reign.Epoch:
		return c.learnLaterState(p, r)
	default:
		p.led, p.state, p.garbled = true, r.LeaderAndISR, nil
		p.state.ISR = cluster.Once(p.state.ISR)
	}
	return nil
}

// learnLaterState is for what a controller of a later epoch than ours has written. Usually there is one, and we are through;
// if there is none, somebody has set /controller_epoch back.
func (c *Controller) learnLaterState(p *partition, r zkcoord.StateResult) error {
	later := fmt.Errorf("%s was written in controller epoch %d, ours is %d", p, r.ControllerEpoch, c.reign.Epoch)
	holds, err := c.zk.Holds(c.eventCtx, c.reign)
	switch {
	case err != nil:
		return err
	case !holds:
		return fmt.Errorf("%w: %w", later, zkcoord.ErrControllerMoved)
	}
	c.leaveAlone(p, later)
	return nil
}

// leaveAlone reports a partition whose state is none to act on, once, and watches for another one.
func (c *Controller) leaveAlone(p *partition, why error) {
	if p.garbled == nil {
		c.log.Errorf("%s is left alone until its state can be read: %v", p, why)
		read := func() error { return c.stateMended(p) }
		c.watch(c.zk.WatchState(p.TopicPartition, c.changed("PartitionState", read)))
		c.put("PartitionState", read, nil) // the next read sets ZooKeeper's watch
		p.garbledSince = time.Now()
	}
	p.garbled = why
}

// stateMended reads again what could not be understood.
func (c *Controller) stateMended(p *partition) error {
	if c.state.partition(p.TopicPartition) != p || p.garbled == nil {
		return nil
	}
	if err := c.learnStates([]*partition{p}); err != nil || p.garbled != nil {
		return err
	}
	c.log.Infof("%s: its state can be read again", p)
	return c.setPartitionsInMotion([]*partition{p})
}

// setInMotion brings every partition and replica into the state that brokers and logs allow, and resumes
// what the last controller left unfinished.
func (c *Controller) setInMotion() error {
	names, err := c.zk.Deletions(c.eventCtx)
	if err != nil {
		return err
	}
	if err := c.adoptDeletions(names); err != nil {
		return err
	}
	if err := c.setPartitionsInMotion(c.state.selectPartitions(func(*partition) bool { return true })); err != nil {
		return err
	}
	for _, step := range []func() error{c.resumeReassignments, c.reassignmentAsked, c.resumeDeletions, c.preferredElectionAsked} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// setPartitionsInMotion is for partitions that this controller sees for the first time. Leaders are
// elected before dead replicas leave the ISRs, so that a fail-over writes each partition once.
func (c *Controller) setPartitionsInMotion(ps []*partition) error {
	var online, offline []replica
	for _, p := range ps {
		switch {
		case !p.led:
			p.setStatus(partitionNew)
		case c.state.online(p, p.state.Leader):
			p.setStatus(partitionOnline)
		default:
			p.setStatus(partitionOffline)
		}
		for _, id := range p.assignment.Replicas {
			if c.state.online(p, id) {
				p.replicas[id] = replicaOffline
				online = append(online, replica{p, id})
			} else {
				p.replicas[id] = replicaDeletionIneligible
				offline = append(offline, replica{p, id})
			}
		}
	}
	if err := c.replicasOnline(online); err != nil {
		return err
	}
	if err := c.electOffline(slices.Values(ps)); err != nil {
		return err
	}
	return c.replicasOffline(offline)
}
