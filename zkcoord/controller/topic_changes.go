package controller

import (
	"errors"
	"slices"

	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// topicsChanged compares the topics with those known.
func (c *Controller) topicsChanged() error {
	names, err := c.zk.Topics(c.eventCtx)
	if err != nil {
		return err
	}
	for name := range c.state.topics {
		if _, there := slices.BinarySearch(names, name); !there {
			// Somebody deleted its node by hand; we forget it, as Kafka does.
			c.log.Warnf("Topic %s is gone from ZooKeeper", name)
			c.state.removeTopic(name)
		}
	}
	for name, watch := range c.topicWatches {
		if _, there := slices.BinarySearch(names, name); !there {
			watch.Stop()
			delete(c.topicWatches, name)
		}
	}
	fresh := slices.DeleteFunc(names, func(name string) bool {
		return c.state.topics[name] != nil || c.topicWatches[name] != nil
	})
	return c.startTopics(fresh)
}

// startTopics makes topics known and leads their partitions.
func (c *Controller) startTopics(names []string) error {
	if len(names) == 0 {
		return nil
	}
	ps, err := c.learnTopics(names)
	if err != nil {
		return err
	}
	return c.startPartitions(ps)
}

// startPartitions leads partitions for the first time. One that has a state already, because a controller
// died right after it wrote it, goes on from that.
func (c *Controller) startPartitions(ps []*partition) error {
	if len(ps) == 0 {
		return nil
	}
	for _, p := range ps {
		p.setStatus(partitionNew)
		for _, id := range p.assignment.Replicas {
			p.replicas[id] = replicaNew
		}
	}
	failed, err := c.partitionsOnline(ps, electOffline)
	if err != nil {
		return err
	}
	var existing []*partition
	for p, why := range failed {
		if errors.Is(why, zkcoord.ErrNodeExists) {
			existing = append(existing, p)
			delete(failed, p)
		}
	}
	c.reportLeaderless(failed)
	for _, p := range ps {
		for id := range p.replicas {
			p.replicas[id] = replicaOnline
		}
	}
	if len(existing) == 0 {
		return nil
	}
	sortPartitions(existing)
	if err := c.learnStates(existing); err != nil {
		return err
	}
	return c.setPartitionsInMotion(existing)
}

// topicChanged looks for partitions that were added to a topic.
func (c *Controller) topicChanged(name string) error {
	t := c.state.topics[name]
	if t == nil {
		if c.topicWatches[name] == nil {
			return nil
		}
		return c.startTopics([]string{name}) // it may be readable now
	}
	a, err := c.zk.Topic(c.eventCtx, name)
	if errors.Is(err, zkcoord.ErrNoNode) {
		return nil // topicsChanged sees to it
	}
	if err != nil {
		return err
	}
	t.version = a.Version
	added := 0
	for n := range a.Partitions {
		if t.partitions[n] == nil {
			added++
		}
	}
	if added == 0 {
		return nil
	}
	if c.state.isDeleting(name) {
		c.log.Warnf("Topic %s is being deleted: its %d new partitions are taken back", name, added)
		return c.writeAssignment(t)
	}
	c.reportRepeated(name, a)
	ps := c.state.addPartitions(t, a)
	c.log.Infof("Topic %s has %d new partitions", name, len(ps))
	return c.startPartitions(ps)
}

// writeAssignment writes a topic's node as it is known here.
func (c *Controller) writeAssignment(t *topic) error {
	for range 3 {
		done, err := c.zk.WriteAssignments(c.eventCtx, c.reign, map[string]zkcoord.TopicAssignment{t.name: t.assignmentNow()})
		if err != nil {
			return err
		}
		r := done[t.name]
		if r.Err == nil {
			t.version = r.Version
			return nil
		}
		if !errors.Is(r.Err, zkcoord.ErrBadVersion) {
			return r.Err
		}
		// Somebody added partitions meanwhile: keep them.
		a, err := c.zk.Topic(c.eventCtx, t.name)
		if err != nil {
			return err
		}
		added := c.state.addPartitions(t, a)
		if !c.state.isDeleting(t.name) && len(added) > 0 {
			c.put("PartitionModifications", func() error { return c.startPartitions(added) }, nil)
		}
	}
	return zkcoord.ErrBadVersion
}

// isrChanges reads again what leaders of clusters older than 2.7 wrote themselves, and tells everybody.
func (c *Controller) isrChanges() error {
	tps, names, err := c.zk.ISRChanges(c.eventCtx)
	if err != nil || len(names) == 0 {
		return err
	}
	var ps []*partition
	for _, tp := range tps {
		if p := c.state.partition(tp); p != nil && !slices.Contains(ps, p) {
			ps = append(ps, p)
		}
	}
	if err := c.learnStates(ps); err != nil {
		return err
	}
	c.pending.tell(c.state, c.state.brokerIDs(), ps...)
	c.flush()
	if err := c.zk.ForgetISRChanges(c.eventCtx, c.reign, names); err != nil {
		return err
	}
	return c.advanceReassignments(ps)
}

// logDirEvents asks brokers that lost a log directory which replicas they still have: the answer to
// LeaderAndIsr tells.
func (c *Controller) logDirEvents() error {
	ids, names, err := c.zk.LogDirEvents(c.eventCtx)
	if err != nil || len(names) == 0 {
		return err
	}
	slices.Sort(ids)
	ids = slices.DeleteFunc(slices.Compact(ids), func(id cluster.BrokerID) bool { return c.state.brokers[id] == nil })
	c.log.Warnf("Log directories failed or came back on brokers %v", ids)
	if err := c.replicasOnline(c.notDeleting(c.state.replicasOn(ids...))); err != nil {
		return err
	}
	return c.zk.ForgetLogDirEvents(c.eventCtx, c.reign, names)
}

const (
	noError          = 0
	kafkaStorageCode = 56
)
