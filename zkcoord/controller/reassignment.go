package controller

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// A reassignment moves a partition to other replicas while it works. The topic's znode says what is going
// on, so that any controller can go on with it:
//
//	replicas [2 3 1], adding [3], removing [1]     1 and 2 had it, 2 and 3 will
//
//	1. write that; 2. raise the leader epoch and tell all of [2 3 1], so that 3 fetches; 3. wait until
//	all of the target is in the ISR; 4. move the leader into the target; 5. take 1 out of the ISR and
//	delete its replica; 6. write replicas [2 3] and nothing else.

// reassignTo is the assignment while replicas are moved to target.
func reassignTo(current zkcoord.ReplicaAssignment, target []cluster.BrokerID) zkcoord.ReplicaAssignment {
	origin := current.Origin()
	all := slices.Clone(target)
	for _, id := range origin {
		if !slices.Contains(all, id) {
			all = append(all, id)
		}
	}
	return zkcoord.ReplicaAssignment{
		Replicas: all,
		Adding:   keep(all, func(id cluster.BrokerID) bool { return !slices.Contains(origin, id) }),
		Removing: keep(all, func(id cluster.BrokerID) bool { return !slices.Contains(target, id) }),
	}
}

// caughtUp reports whether every replica of the target is in the ISR.
func caughtUp(p *partition) bool {
	for _, id := range p.assignment.Target() {
		if !slices.Contains(p.state.ISR, id) {
			return false
		}
	}
	return true
}

// beginReassignment writes the new assignment and takes the partition as far towards it as it can go.
func (c *Controller) beginReassignment(p *partition, next zkcoord.ReplicaAssignment) error {
	if p.garbled != nil {
		return p.garbled
	}
	before := p.assignment
	if !equalAssignments(before, next) {
		p.assignment = next
		if err := c.writeAssignment(p.topic); err != nil {
			p.assignment = before
			return err
		}
		c.note(logrus.InfoLevel, "Reassignment begins", p, fmt.Sprintf("replicas %v, adding %v, removing %v", next.Replicas, next.Adding, next.Removing))
		// A reassignment that changes its mind leaves replicas behind that it had just added.
		if unneeded := cluster.Without(before.Replicas, next.Replicas); len(unneeded) > 0 {
			if err := c.dropReplicas(p, unneeded); err != nil {
				return err
			}
		}
	}
	return c.continueReassignment(p)
}

// continueReassignment goes on from whatever stage a reassignment has reached.
func (c *Controller) continueReassignment(p *partition) error {
	if p.assignment.Reassigning() && !caughtUp(p) {
		p.movingSince = time.Now()
		if err := c.bumpEpoch(p); err != nil {
			return err
		}
		c.pending.lead(c.state, p, false, c.reachableReplicas(p)...)
		c.flush()
		var added []replica
		for _, id := range p.assignment.Adding {
			added = append(added, replica{p, id})
		}
		c.replicasNew(added)
		return nil
	}
	return c.completeReassignment(p)
}

func (c *Controller) completeReassignment(p *partition) error {
	removing := p.assignment.Removing
	for _, id := range p.assignment.Adding {
		p.replicas[id] = replicaOnline
	}
	target := p.assignment.Target()
	if err := c.moveLeaderInto(p, target); err != nil {
		return err
	}
	// From here on the requests name the target only.
	p.assignment = zkcoord.ReplicaAssignment{Replicas: target}
	if err := c.dropReplicas(p, removing); err != nil {
		return err
	}
	if err := c.writeAssignment(p.topic); err != nil {
		return err
	}
	c.note(logrus.InfoLevel, "Reassigned", p, fmt.Sprintf("replicas %v", target))
	c.pending.tell(c.state, c.state.brokerIDs(), p)
	c.flush()
	if err := c.forgetToolsRequest(p.TopicPartition); err != nil {
		return err
	}
	return c.retryDeletions(func(t *topic) bool { return t == p.topic })
}

// moveLeaderInto makes sure that one of the target leads, under a new epoch and told the new replica set.
func (c *Controller) moveLeaderInto(p *partition, target []cluster.BrokerID) error {
	if slices.Contains(target, p.state.Leader) && c.state.online(p, p.state.Leader) {
		if err := c.bumpEpoch(p); err != nil {
			return err
		}
		assignment := p.assignment
		p.assignment = zkcoord.ReplicaAssignment{Replicas: target}
		c.pending.lead(c.state, p, false, c.reachableReplicas(p)...)
		c.flush()
		p.assignment = assignment
		return nil
	}
	failed, err := c.partitionsOnline([]*partition{p}, electReassigned)
	if err == nil {
		err = failed[p]
	}
	return err
}

// dropReplicas takes replicas out of the ISR and deletes them. Whether their brokers are alive does not
// matter: one that is away finds out when it comes back.
func (c *Controller) dropReplicas(p *partition, ids []cluster.BrokerID) error {
	var rs []replica
	for _, id := range ids {
		rs = append(rs, replica{p, id})
	}
	if err := c.replicasOffline(rs); err != nil {
		return err
	}
	c.replicasDeletionStarted(rs)
	for _, id := range ids {
		delete(p.replicas, id)
	}
	return nil
}

// resumeReassignments goes on with every reassignment that the topics' znodes speak of.
func (c *Controller) resumeReassignments() error {
	for _, p := range c.state.selectPartitions(func(p *partition) bool { return p.assignment.Reassigning() && p.led }) {
		if c.state.isDeleting(p.Topic) || p.garbled != nil {
			continue
		}
		if err := c.reportOwn(p, c.continueReassignment(p)); err != nil {
			return err
		}
	}
	return nil
}

// advanceReassignments completes those of ps whose ISR has become what they waited for.
func (c *Controller) advanceReassignments(ps []*partition) error {
	for _, p := range ps {
		if p.assignment.Reassigning() && caughtUp(p) && !c.state.isDeleting(p.Topic) {
			if err := c.reportOwn(p, c.completeReassignment(p)); err != nil {
				return err
			}
		}
	}
	return nil
}

// reportOwn logs what concerns one partition only, and returns what concerns the controller.
func (c *Controller) reportOwn(p *partition, err error) error {
	if err == nil || concernsController(err) {
		return err
	}
	c.log.Errorf("%s: its reassignment cannot go on: %v", p, err)
	return nil
}

func concernsController(err error) bool {
	return errors.Is(err, zkcoord.ErrControllerMoved) || errors.Is(err, zkcoord.ErrSessionExpired) ||
		errors.Is(err, zkcoord.ErrClosed) || isContext(err)
}

// reassignmentAsked serves the znode that tools write. What is left to be done stays in it.
func (c *Controller) reassignmentAsked() error {
	asked, err := c.zk.Reassignment(c.eventCtx)
	if errors.Is(err, zkcoord.ErrMalformed) {
		c.log.Error(err)
		return c.zk.WriteReassignment(c.eventCtx, c.reign, nil)
	}
	if err != nil || asked == nil {
		return err
	}
	c.toolsRequest = asked
	for _, tp := range sortedKeys(asked) {
		p := c.state.partition(tp)
		why := c.checkTarget(p, asked[tp])
		if why == nil && p.assignment.Reassigning() && slices.Equal(p.assignment.Target(), asked[tp]) {
			continue // under way
		}
		if why == nil {
			why = c.beginReassignment(p, reassignTo(p.assignment, asked[tp]))
		}
		if why != nil {
			if concernsController(why) {
				return why
			}
			c.log.Errorf("%s is not reassigned to %v: %v", tp, asked[tp], why)
			if err := c.forgetToolsRequest(tp); err != nil {
				return err
			}
		}
	}
	return nil
}

// forgetToolsRequest takes a partition out of the tools' znode; the last one takes the znode along.
func (c *Controller) forgetToolsRequest(tp cluster.TopicPartition) error {
	if _, there := c.toolsRequest[tp]; !there {
		return nil
	}
	delete(c.toolsRequest, tp)
	return c.zk.WriteReassignment(c.eventCtx, c.reign, c.toolsRequest)
}

// refusal is what a client is told of one partition.
type refusal struct {
	code *kerr.Error
	text string
}

func (r *refusal) Error() string { return r.text }

// checkTarget says why a partition cannot be reassigned to target.
func (c *Controller) checkTarget(p *partition, target []cluster.BrokerID) error {
	invalid := func(format string, args ...any) error {
		return &refusal{kerr.InvalidReplicaAssignment, fmt.Sprintf(format, args...)}
	}
	switch {
	case p == nil:
		return &refusal{kerr.UnknownTopicOrPartition, "The partition does not exist."}
	case c.state.isDeleting(p.Topic):
		return &refusal{kerr.UnknownTopicOrPartition, "The topic is being deleted."}
	case len(target) == 0:
		return invalid("Empty replica list specified in partition reassignment.")
	case len(slices.Compact(slices.Sorted(slices.Values(target)))) != len(target):
		return invalid("Duplicate replica ids in partition reassignment replica list: %s", scalaBuffer(target))
	case slices.Min(target) < 0:
		return invalid("Invalid broker id in replica list: %s", scalaBuffer(target))
	}
	live := c.state.brokerIDs()
	for _, id := range target {
		if !slices.Contains(live, id) {
			return invalid("Replica assignment has brokers that are not alive. Replica list: %s, live broker list: Set(%s)",
				scalaBuffer(target), join(live))
		}
	}
	return nil
}

func scalaBuffer(ids []cluster.BrokerID) string { return "ArrayBuffer(" + join(ids) + ")" }

func join(ids []cluster.BrokerID) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	return strings.Join(texts, ", ")
}

// AlterPartitionAssignments starts, redirects or cancels reassignments.
func (c *Controller) AlterPartitionAssignments(req *kmsg.AlterPartitionAssignmentsRequest, reply func(*kmsg.AlterPartitionAssignmentsResponse)) {
	resp := req.ResponseKind().(*kmsg.AlterPartitionAssignmentsResponse)
	answered := newAnswer(func() { reply(resp) }, func() { resp.Topics = nil; resp.ErrorCode, resp.ErrorMessage = notController() })
	c.put("ApiPartitionReassignment", func() error {
		empty := ""
		for _, t := range req.Topics {
			rt := kmsg.NewAlterPartitionAssignmentsResponseTopic()
			rt.Topic = t.Topic
			for _, ap := range t.Partitions {
				rp := kmsg.NewAlterPartitionAssignmentsResponseTopicPartition()
				rp.Partition = ap.Partition
				err := c.alterAssignment(cluster.TopicPartition{Topic: t.Topic, Partition: ap.Partition}, ap.Replicas)
				if err != nil && concernsController(err) {
					return err
				}
				rp.ErrorCode, rp.ErrorMessage = clientError(err)
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		resp.ErrorMessage = &empty
		answered.reply()
		return nil
	}, answered.drop)
}

// alterAssignment starts one partition's reassignment; a nil target cancels it.
func (c *Controller) alterAssignment(tp cluster.TopicPartition, target []int32) error {
	p := c.state.partition(tp)
	if target != nil {
		if err := c.checkTarget(p, cluster.BrokerIDs(target)); err != nil {
			return err
		}
		return c.beginReassignment(p, reassignTo(p.assignment, cluster.BrokerIDs(target)))
	}
	if p == nil || c.state.isDeleting(tp.Topic) {
		return &refusal{kerr.UnknownTopicOrPartition, "The partition does not exist."}
	}
	if !p.assignment.Reassigning() {
		return &refusal{kerr.NoReassignmentInProgress, "No partition reassignment is in progress."}
	}
	return c.beginReassignment(p, zkcoord.ReplicaAssignment{Replicas: p.assignment.Origin()})
}

// ListPartitionReassignments tells which reassignments are under way.
func (c *Controller) ListPartitionReassignments(req *kmsg.ListPartitionReassignmentsRequest, reply func(*kmsg.ListPartitionReassignmentsResponse)) {
	resp := req.ResponseKind().(*kmsg.ListPartitionReassignmentsResponse)
	answered := newAnswer(func() { reply(resp) }, func() { resp.ErrorCode, resp.ErrorMessage = notController() })
	c.put("ListPartitionReassignments", func() error {
		asked := func(p *partition) bool {
			if req.Topics == nil {
				return true
			}
			for _, t := range req.Topics {
				if t.Topic == p.Topic && slices.Contains(t.Partitions, p.Partition) {
					return true
				}
			}
			return false
		}
		for _, p := range c.state.selectPartitions(func(p *partition) bool { return p.assignment.Reassigning() && asked(p) }) {
			if n := len(resp.Topics); n == 0 || resp.Topics[n-1].Topic != p.Topic {
				t := kmsg.NewListPartitionReassignmentsResponseTopic()
				t.Topic = p.Topic
				resp.Topics = append(resp.Topics, t)
			}
			rp := kmsg.NewListPartitionReassignmentsResponseTopicPartition()
			rp.Partition, rp.Replicas = p.Partition, int32s(p.assignment.Replicas)
			rp.AddingReplicas, rp.RemovingReplicas = int32s(p.assignment.Adding), int32s(p.assignment.Removing)
			t := &resp.Topics[len(resp.Topics)-1]
			t.Partitions = append(t.Partitions, rp)
		}
		empty := ""
		resp.ErrorMessage = &empty
		answered.reply()
		return nil
	}, answered.drop)
}

func equalAssignments(a, b zkcoord.ReplicaAssignment) bool {
	return slices.Equal(a.Replicas, b.Replicas) && slices.Equal(a.Adding, b.Adding) && slices.Equal(a.Removing, b.Removing)
}
