package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/metadata"
	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// createPartitions grows topics in ZooKeeper and answers when the new partitions have leaders, or when
// the time is over: then the topics have grown all the same.
func (a *API) createPartitions(c *call, req *kmsg.CreatePartitionsRequest) {
	resp := kmsg.NewPtrCreatePartitionsResponse()
	timeout := millis(req.TimeoutMillis)
	ctx, cancel := c.adminContext(timeout)
	defer cancel()
	all, count := make([]growth, 0, len(req.Topics)), map[string]int{}
	for _, t := range req.Topics {
		count[t.Topic]++
	}
	deletions, err := a.queuedForDeletion(ctx)
	for i := range req.Topics {
		t := &req.Topics[i]
		if count[t.Topic] > 1 && slices.ContainsFunc(all, func(g growth) bool { return g.topic == t.Topic }) {
			continue // One answer is enough for twins.
		}
		g := growth{topic: t.Topic}
		switch {
		case !a.Controller.Active():
			g.err = fail(codeNotController, "")
		case count[t.Topic] > 1:
			g.err = fail(codeInvalidRequest, "Duplicate topic in request.")
		case err != nil:
			g.err = err
		case deletions[t.Topic]:
			g.err = fail(codeInvalidTopicException, "The topic is queued for deletion.")
		default:
			g.partitions, g.err = a.grow(ctx, t, req.ValidateOnly)
		}
		all = append(all, g)
	}
	if !req.ValidateOnly {
		a.awaitGrowth(ctx, all, timeout)
	}
	for _, g := range all {
		t := kmsg.NewCreatePartitionsResponseTopic()
		t.Topic = g.topic
		t.ErrorCode, t.ErrorMessage = a.explain("grow topic "+g.topic, g.err)
		resp.Topics = append(resp.Topics, t)
	}
	c.reply(resp)
}

// growth is one topic of a CreatePartitions request and what became of it.
type growth struct {
	topic      string
	partitions int // how many it has when it has grown
	err        error
}

func (a *API) queuedForDeletion(ctx context.Context) (map[string]bool, error) {
	if !a.Controller.Active() {
		return nil, nil
	}
	names, err := a.ZooKeeper.Deletions(ctx)
	queued := make(map[string]bool, len(names))
	for _, n := range names {
		queued[n] = true
	}
	return queued, err
}

// grow checks the wish as Kafka does and, unless it shall only be checked, writes the topic's larger assignment.
func (a *API) grow(ctx context.Context, t *kmsg.CreatePartitionsRequestTopic, validateOnly bool) (partitions int, err error) {
	assignment, err := a.ZooKeeper.Topic(ctx, t.Topic)
	if t.Topic == "" || errors.Is(err, zkcoord.ErrNoNode) {
		return 0, fail(codeUnknownTopicOrPartition, "The topic '"+t.Topic+"' does not exist.")
	}
	if err != nil {
		return 0, err
	}
	existing, err := existingReplicas(t.Topic, assignment)
	if err != nil {
		return 0, err
	}
	added, err := a.addedReplicas(t, existing)
	if err != nil || validateOnly {
		return len(existing) + len(added), err
	}
	for i, replicas := range added {
		assignment.Partitions[int32(len(existing)+i)] = zkcoord.ReplicaAssignment{Replicas: replicas}
	}
	switch err := a.ZooKeeper.AddPartitions(ctx, t.Topic, assignment); {
	case errors.Is(err, zkcoord.ErrTooLarge):
		return 0, fail(codeInvalidPartitions, err.Error())
	case err != nil:
		return 0, err
	}
	return len(existing) + len(added), nil
}

// existingReplicas are a topic's replicas by partition. While some are being moved the topic may not grow,
// since the controller writes the same znode.
func existingReplicas(topic string, a zkcoord.TopicAssignment) ([][]cluster.BrokerID, error) {
	existing := make([][]cluster.BrokerID, len(a.Partitions))
	for _, p := range slices.Sorted(maps.Keys(a.Partitions)) {
		r := a.Partitions[p]
		if len(r.Adding) > 0 || len(r.Removing) > 0 {
			return nil, fail(codeReassignmentInProgress, "A partition reassignment is in progress for the topic '"+topic+"'.")
		}
		if int(p) >= len(existing) || p < 0 {
			return nil, fmt.Errorf("grow %s: its partitions have gaps", topic)
		}
		existing[p] = r.Replicas
	}
	return existing, nil
}

// addedReplicas are the replicas of the new partitions, as the request says or as Kafka would go on.
func (a *API) addedReplicas(t *kmsg.CreatePartitionsRequestTopic, existing [][]cluster.BrokerID) ([][]cluster.BrokerID, error) {
	more := int(t.Count) - len(existing)
	switch {
	case more < 0:
		return nil, fail(codeInvalidPartitions, fmt.Sprintf("Topic currently has %d partitions, which is higher than the requested %d.", len(existing), t.Count))
	case more == 0:
		return nil, fail(codeInvalidPartitions, fmt.Sprintf("Topic already has %d partitions.", len(existing)))
	case more > maxNewPartitions:
		return nil, fail(codeInvalidPartitions, fmt.Sprintf("A topic cannot grow by more than %d partitions.", maxNewPartitions))
	}
	brokers := aliveBrokers(a.Metadata.Snapshot())
	if t.Assignment == nil {
		return zkcoord.AssignMoreReplicas(brokers, existing, more)
	}
	added := make([][]cluster.BrokerID, len(t.Assignment))
	for i, r := range t.Assignment {
		for _, id := range r.Replicas {
			added[i] = append(added[i], cluster.BrokerID(id))
		}
	}
	return added, checkAdded(added, existing, more, brokers)
}

// checkAdded holds an assignment to the brokers that live and to the topic's replication factor. Unlike for a
// new topic, its brokers must be there.
func checkAdded(added, existing [][]cluster.BrokerID, more int, brokers []zkcoord.BrokerRack) error {
	if unknown := unknownBrokers(added, brokers); len(unknown) > 0 {
		return fail(codeInvalidReplicaAssignment, "Unknown broker(s) in replica assignment: "+joinIDs(unknown)+".")
	}
	if len(added) != more {
		return fail(codeInvalidReplicaAssignment, fmt.Sprintf("Increasing the number of partitions by %d but %d assignments provided.", more, len(added)))
	}
	var bad, sizes []string
	for i, replicas := range added {
		p := len(existing) + i
		switch {
		case len(replicas) == 0:
			return fail(codeInvalidReplicaAssignment, fmt.Sprintf("Cannot have replication factor of 0 for partition id %d.", p))
		case hasTwins(replicas):
			return fail(codeInvalidReplicaAssignment, fmt.Sprintf("Duplicate brokers not allowed in replica assignment: %s for partition id %d.", joinIDs(replicas), p))
		case len(existing) > 0 && len(replicas) != len(existing[0]):
			bad, sizes = append(bad, fmt.Sprint(p)), append(sizes, fmt.Sprint(len(replicas)))
		}
	}
	if len(bad) > 0 {
		return fail(codeInvalidReplicaAssignment, fmt.Sprintf("Inconsistent replication factor between partitions, partition 0 has %d while "+
			"partitions [%s] have replication factors [%s], respectively.", len(existing[0]), strings.Join(bad, ", "), strings.Join(sizes, ", ")))
	}
	return nil
}

// unknownBrokers are the brokers of an assignment that do not live, each once, in the order in which they appear.
func unknownBrokers(added [][]cluster.BrokerID, brokers []zkcoord.BrokerRack) []cluster.BrokerID {
	var unknown []cluster.BrokerID
	for _, replicas := range added {
		for _, id := range replicas {
			lives := slices.ContainsFunc(brokers, func(b zkcoord.BrokerRack) bool { return b.ID == id })
			if !lives && !slices.Contains(unknown, id) {
				unknown = append(unknown, id)
			}
		}
	}
	return unknown
}

// awaitGrowth is awaitTopics for topics that have grown.
func (a *API) awaitGrowth(ctx context.Context, all []growth, timeout time.Duration) {
	deadline := time.Now().Add(timeout)
	waits := func(s *metadata.Snapshot, g *growth) bool {
		return g.err == nil && !hasLeaders(s, g.topic, g.partitions)
	}
	if timeout > 0 {
		a.Topics.Await(ctx, timeout, func(s *metadata.Snapshot) bool {
			return !slices.ContainsFunc(all, func(g growth) bool { return waits(s, &g) })
		})
	}
	var names []string
	snapshot := a.Metadata.Snapshot()
	for i := range all {
		g := &all[i]
		switch {
		case g.err != nil:
		case timeout == 0 || waits(snapshot, g):
			g.err = fail(codeRequestTimedOut, "")
		default:
			names = append(names, g.topic)
		}
	}
	if len(names) > 0 {
		a.waitForBroadcast(ctx, names, time.Until(deadline))
	}
}
