package controller

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// deletion is a topic on its way out. Its partitions stop, every replica is deleted, and only when all
// are does the topic leave ZooKeeper: a broker that was away must not find a topic of the same name and
// take its old log for the new topic's.
type deletion struct {
	since   time.Time
	started bool // brokers have been told that it is going
	// waitingFor says why it cannot go on; "" if it can.
	waitingFor string
}

// deletionsChanged looks for topics that are to be deleted.
func (c *Controller) deletionsChanged() error {
	names, err := c.zk.Deletions(c.eventCtx)
	if err != nil {
		return err
	}
	if err := c.adoptDeletions(names); err != nil {
		return err
	}
	return c.resumeDeletions()
}

// adoptDeletions takes note of requests to delete; those for topics that do not exist, and all of them
// where deletion is disabled, are thrown away.
func (c *Controller) adoptDeletions(names []string) error {
	var unknown []string
	for _, name := range names {
		t := c.state.topics[name]
		if t == nil || c.options.Config().DisableTopicDeletion {
			unknown = append(unknown, name)
			continue
		}
		if c.state.isDeleting(name) {
			continue
		}
		d := &deletion{since: time.Now()}
		if t.reassigning() {
			d.waitingFor = "a reassignment is in progress"
		}
		c.log.Infof("Topic %s is to be deleted: %d partitions", name, len(t.partitions))
		c.state.deleting[name] = d
	}
	if len(unknown) == 0 {
		return nil
	}
	c.log.Infof("Requests to delete %q are dropped: there is no such topic, or delete.topic.enable=false", unknown)
	return c.zk.ForgetDeletions(c.eventCtx, c.reign, unknown)
}

// resumeDeletions takes every deletion as far as it can go now.
func (c *Controller) resumeDeletions() error {
	names := make([]string, 0, len(c.state.deleting))
	for name := range c.state.deleting {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := c.resumeDeletion(c.state.topics[name], c.state.deleting[name]); err != nil {
			return err
		}
	}
	return nil
}

func (c *Controller) resumeDeletion(t *topic, d *deletion) error {
	count := t.countReplicas()
	switch {
	case count.total == count.of[replicaDeletionSuccessful]:
		return c.completeDeletion(t, d)
	case count.of[replicaDeletionStarted] > 0 || d.waitingFor != "":
		return nil
	}
	if !d.started {
		d.started = true
		for _, p := range t.sorted() {
			p.setStatus(partitionOffline)
		}
		c.pending.tell(c.state, c.state.brokerIDs(), t.sorted()...)
		c.flush()
	}
	return c.deleteReplicas(t, d)
}

// deleteReplicas stops and deletes the replicas that can be reached; if some cannot, the topic waits.
func (c *Controller) deleteReplicas(t *topic, d *deletion) error {
	var alive []replica
	for _, p := range t.sorted() {
		for _, id := range slices.Sorted(slices.Values(p.assignment.Replicas)) {
			switch {
			case p.replicas[id] == replicaDeletionSuccessful:
			case c.state.online(p, id):
				alive = append(alive, replica{p, id})
			default:
				p.replicas[id] = replicaDeletionIneligible
				d.waitingFor = "broker " + id.String() + " is away, or its disk failed"
			}
		}
	}
	if err := c.replicasOffline(alive); err != nil {
		return err
	}
	c.replicasDeletionStarted(alive)
	if d.waitingFor != "" {
		c.log.Infof("Deletion of topic %s waits: %s", t.name, d.waitingFor)
	}
	return nil
}

func (c *Controller) completeDeletion(t *topic, d *deletion) error {
	if err := c.zk.DeleteTopic(c.eventCtx, c.reign, t.name); err != nil {
		return err
	}
	c.state.removeTopic(t.name)
	c.log.Infof("Topic %s is deleted, %v after it was asked for", t.name, time.Since(d.since).Round(time.Millisecond))
	return nil
}

// stopReplicaAnswered notes which replicas a broker has deleted.
func (c *Controller) stopReplicaAnswered(id cluster.BrokerID, req *kmsg.StopReplicaRequest, resp *kmsg.StopReplicaResponse) error {
	if resp.ErrorCode != noError {
		c.log.Errorf("Broker %d answered StopReplica with error %d", id, resp.ErrorCode)
		return nil
	}
	codes := make(map[string]map[int32]int16)
	for _, p := range resp.Partitions {
		if codes[p.Topic] == nil {
			codes[p.Topic] = make(map[int32]int16)
		}
		codes[p.Topic][p.Partition] = p.ErrorCode
	}
	var failed []replica
	progress := false
	for _, asked := range req.Topics {
		t := c.state.topics[asked.Topic]
		if t == nil || !c.state.isDeleting(asked.Topic) {
			continue
		}
		for _, ps := range asked.PartitionStates {
			p := t.partitions[ps.Partition]
			if !ps.Delete || p == nil || p.replicas[id] != replicaDeletionStarted {
				continue
			}
			if codes[asked.Topic][ps.Partition] != noError {
				failed = append(failed, replica{p, id})
				continue
			}
			p.replicas[id] = replicaDeletionSuccessful
			progress = true
		}
	}
	if len(failed) > 0 {
		if err := c.deletionFailed(failed, "broker "+id.String()+" could not delete a replica"); err != nil {
			return err
		}
	}
	if progress {
		return c.resumeDeletions()
	}
	return nil
}

// deletionFailed lets topics wait whose replicas cannot be deleted now.
func (c *Controller) deletionFailed(rs []replica, why string) error {
	for _, r := range rs {
		if r.replicas[r.broker] != replicaDeletionSuccessful {
			r.replicas[r.broker] = replicaDeletionIneligible
		}
		if d := c.state.deleting[r.Topic]; d != nil && d.waitingFor == "" {
			d.waitingFor = why
			c.log.Infof("Deletion of topic %s waits: %s", r.Topic, why)
		}
	}
	return c.resumeDeletions()
}

// retryDeletions lets deletions go on that waited, where something came back.
func (c *Controller) retryDeletions(concerned func(*topic) bool) error {
	for name, d := range c.state.deleting {
		t := c.state.topics[name]
		if !concerned(t) || t.reassigning() {
			continue
		}
		d.waitingFor = ""
		for _, p := range t.partitions {
			for id, status := range p.replicas {
				if status == replicaDeletionIneligible {
					p.replicas[id] = replicaOffline
				}
			}
		}
	}
	return c.resumeDeletions()
}

type replicaCount struct {
	total int
	of    map[replicaStatus]int
}

func (t *topic) countReplicas() replicaCount {
	n := replicaCount{of: make(map[replicaStatus]int)}
	for _, p := range t.partitions {
		for _, id := range p.assignment.Replicas {
			n.total++
			n.of[p.replicas[id]]++
		}
	}
	return n
}

func (t *topic) reassigning() bool {
	for _, p := range t.partitions {
		if p.assignment.Reassigning() {
			return true
		}
	}
	return false
}
