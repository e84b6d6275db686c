package controller

import (
	"errors"
	"slices"

	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// brokersChanged compares the live brokers with those known: new, gone, and gone and back again between
// two looks, which only the epoch shows.
func (c *Controller) brokersChanged() error {
	now, err := c.zk.Brokers(c.eventCtx)
	if err != nil {
		return err
	}
	var fresh, bounced, dead []cluster.BrokerID
	for id, b := range now {
		switch known := c.state.brokers[id]; {
		case known == nil:
			fresh = append(fresh, id)
		case known.Epoch != b.Epoch:
			bounced = append(bounced, id)
		}
	}
	for id := range c.state.brokers {
		if _, alive := now[id]; !alive {
			dead = append(dead, id)
		}
	}
	for _, ids := range [][]cluster.BrokerID{fresh, bounced, dead} {
		slices.Sort(ids)
	}
	if len(fresh)+len(bounced)+len(dead) == 0 {
		return nil
	}
	c.log.Infof("Brokers: new %v, restarted %v, gone %v; alive are now %d", fresh, bounced, dead, len(now))
	if err := c.brokersCame(now, fresh); err != nil {
		return err
	}
	if len(bounced) > 0 {
		if err := c.brokersWent(bounced); err != nil {
			return err
		}
		if err := c.brokersCame(now, bounced); err != nil {
			return err
		}
	}
	if len(dead) > 0 {
		return c.brokersWent(dead)
	}
	return nil
}

// addBroker makes a broker known and opens the way to it.
func (c *Controller) addBroker(b cluster.Broker) {
	endpoint, ok := b.Endpoint(c.options.ControlListener)
	if !ok {
		c.log.Errorf("Broker %d has no listener %s: it gets no requests of the controller", b.ID, c.options.ControlListener)
	}
	zk, listenerKnown := c.zk, ok
	mayAct := func() bool { return listenerKnown && zk.LeaseHolds() }
	c.state.brokers[b.ID] = &liveBroker{
		Broker:  b,
		failed:  make(map[*partition]bool),
		channel: openChannel(b, endpoint, c.options.Peer, mayAct, c.log),
		watch:   c.zk.WatchBroker(b.ID, c.changed("BrokerModifications", func() error { return c.brokerModified(b.ID) })),
	}
}

func (c *Controller) removeBroker(id cluster.BrokerID) {
	if b := c.state.brokers[id]; b != nil {
		b.watch.Stop()
		b.channel.close()
		delete(c.state.brokers, id)
	}
}

// brokersCame tells the others of new brokers and the new ones of everything, lets their replicas work,
// and tries again what waited for them.
func (c *Controller) brokersCame(now map[cluster.BrokerID]cluster.Broker, ids []cluster.BrokerID) error {
	if len(ids) == 0 {
		return nil
	}
	before := c.state.brokerIDs()
	for _, id := range ids {
		c.addBroker(now[id])
	}
	c.pending.tell(c.state, before)
	c.flush()
	everything := c.state.selectPartitions(func(*partition) bool { return true })
	c.pending.tell(c.state, ids, everything...)
	c.flush()

	if err := c.replicasOnline(c.notDeleting(c.state.replicasOn(ids...))); err != nil {
		return err
	}
	if err := c.electAllOffline(); err != nil {
		return err
	}
	if err := c.resumeReassignments(); err != nil {
		return err
	}
	return c.retryDeletions(func(t *topic) bool { return t.hasReplicaOn(ids) })
}

// notDeleting leaves out replicas of topics that are on their way out.
func (c *Controller) notDeleting(rs []replica) []replica {
	return slices.DeleteFunc(rs, func(r replica) bool { return c.state.isDeleting(r.Topic) })
}

func (t *topic) hasReplicaOn(ids []cluster.BrokerID) bool {
	for _, p := range t.partitions {
		for _, id := range p.assignment.Replicas {
			if slices.Contains(ids, id) {
				return true
			}
		}
	}
	return false
}

// brokersWent takes the replicas of dead brokers offline.
func (c *Controller) brokersWent(ids []cluster.BrokerID) error {
	for _, id := range ids {
		c.removeBroker(id)
	}
	return c.wentOffline(c.state.replicasOn(ids...))
}

// brokerModified looks whether a live broker changed its listeners, which a change of settings can do.
func (c *Controller) brokerModified(id cluster.BrokerID) error {
	known := c.state.brokers[id]
	if known == nil {
		return nil
	}
	b, err := c.zk.Broker(c.eventCtx, id)
	if errors.Is(err, zkcoord.ErrNoNode) || err == nil && b.Epoch != known.Epoch {
		return nil // brokersChanged sees to it
	}
	if err != nil {
		return err
	}
	if slices.Equal(b.Endpoints, known.Endpoints) && b.Rack == known.Rack {
		return nil
	}
	c.log.Infof("Broker %d now has listeners %v", id, b.Endpoints)
	known.Endpoints, known.Rack = b.Endpoints, b.Rack
	c.pending.tell(c.state, c.state.brokerIDs())
	c.flush()
	return nil
}
