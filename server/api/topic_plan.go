package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"ottla/server/metadata"
	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// newTopic is a wish for a topic.
type newTopic struct {
	name string
	// partitions and replicationFactor are -1 for the broker's defaults.
	partitions        int32
	replicationFactor int16
	// assignment, if not empty, says which brokers hold each partition. Of a partition that is named twice,
	// the later counts.
	assignment map[int32][]cluster.BrokerID
	configs    map[string]string
}

// plannedTopic is a topic that could be made.
type plannedTopic struct {
	name     string
	replicas [][]cluster.BrokerID // by partition
	configs  map[string]string
	id       cluster.TopicID // zero until it is made
}

// plan checks a wish as Kafka does and in its order, which decides what a client is told, and assigns
// replicas. It writes nothing.
func (t *TopicCreator) plan(ctx context.Context, w newTopic) (plannedTopic, error) {
	p := plannedTopic{name: w.name, configs: w.configs}
	if _, exists := t.cache.Snapshot().Topic(w.name); exists {
		return p, topicExists(w.name)
	}
	if len(w.assignment) > 0 {
		if w.partitions != -1 || w.replicationFactor != -1 {
			return p, fail(codeInvalidRequest, "Both numPartitions or replicationFactor and replicasAssignments were set. Both cannot be used at the same time.")
		}
	} else {
		replicas, err := t.assign(w)
		if err != nil {
			return p, err
		}
		p.replicas = replicas
	}
	if err := t.checkName(ctx, w.name); err != nil {
		return p, err
	}
	if len(w.assignment) > 0 {
		replicas, err := manualReplicas(w.assignment)
		if err != nil {
			return p, err
		}
		p.replicas = replicas
	}
	if err := t.live.Current().CheckTopicConfigs(w.configs); err != nil {
		return p, fail(codeInvalidConfig, err.Error())
	}
	return p, nil
}

func topicExists(name string) error {
	return fail(codeTopicAlreadyExists, "Topic '"+name+"' already exists.")
}

// assign spreads the replicas over the brokers that live.
func (t *TopicCreator) assign(w newTopic) ([][]cluster.BrokerID, error) {
	c := t.live.Current()
	partitions, replicationFactor := int(w.partitions), int(w.replicationFactor)
	if w.partitions == -1 {
		partitions = int(c.NumPartitions)
	}
	if w.replicationFactor == -1 {
		replicationFactor = int(c.DefaultReplicationFactor)
	}
	if partitions > maxNewPartitions {
		return nil, fail(codeInvalidPartitions, fmt.Sprintf("Number of partitions must not be larger than %d.", maxNewPartitions))
	}
	return zkcoord.AssignReplicas(aliveBrokers(t.cache.Snapshot()), partitions, replicationFactor, -1, -1)
}

// maxNewPartitions bounds what one wish may make the broker allocate: a znode of four megabytes does not
// hold more.
const maxNewPartitions = 500_000

func aliveBrokers(s *metadata.Snapshot) []zkcoord.BrokerRack {
	var all []zkcoord.BrokerRack
	for id, b := range s.Brokers {
		all = append(all, zkcoord.BrokerRack{ID: id, Rack: b.Rack})
	}
	return all
}

// checkName refuses a bad name, one that is taken (the cache may not know yet), and one that differs from
// another only in what metrics cannot tell apart.
func (t *TopicCreator) checkName(ctx context.Context, name string) error {
	if err := zkcoord.CheckTopicName(name); err != nil {
		return err
	}
	switch _, err := t.zk.Topic(ctx, name); {
	case err == nil:
		return topicExists(name)
	case !errors.Is(err, zkcoord.ErrNoNode):
		return err
	}
	if !strings.ContainsAny(name, "._") {
		return nil
	}
	existing, err := t.zk.Topics(ctx)
	if err != nil {
		return err
	}
	return zkcoord.CheckTopicCollision(name, existing)
}

// manualReplicas checks an assignment. That the brokers exist is not asked, as in Kafka: the topic comes
// to life when they do.
func manualReplicas(assignment map[int32][]cluster.BrokerID) ([][]cluster.BrokerID, error) {
	partitions := slices.Sorted(maps.Keys(assignment))
	sizes := map[int]bool{}
	for _, p := range partitions {
		sizes[len(assignment[p])] = true
	}
	if len(sizes) > 1 {
		return nil, fail(codeInvalidReplicaAssignment, "All partitions should have the same number of replicas")
	}
	for _, p := range partitions {
		if hasTwins(assignment[p]) {
			return nil, fail(codeInvalidReplicaAssignment, "Duplicate replica assignment found: "+scalaMap(partitions, assignment))
		}
	}
	if len(partitions) == 1 && partitions[0] < 0 {
		// Kafka lets it pass its checks and fails on it afterwards.
		return nil, fail(codeUnknownServerError, "")
	}
	replicas := make([][]cluster.BrokerID, len(partitions))
	for i, p := range partitions {
		if int(p) != i {
			return nil, fail(codeInvalidReplicaAssignment, "partitions should be a consecutive 0-based integer sequence")
		}
		replicas[i] = assignment[p]
	}
	return replicas, nil
}

func hasTwins(ids []cluster.BrokerID) bool {
	seen := map[cluster.BrokerID]bool{}
	for _, id := range ids {
		if seen[id] {
			return true
		}
		seen[id] = true
	}
	return false
}

// scalaMap writes an assignment as Kafka's message shows it: HashMap(0 -> ArrayBuffer(1, 1)).
func scalaMap(partitions []int32, assignment map[int32][]cluster.BrokerID) string {
	parts := make([]string, len(partitions))
	for i, p := range partitions {
		parts[i] = strconv.Itoa(int(p)) + " -> ArrayBuffer(" + joinIDs(assignment[p]) + ")"
	}
	return "HashMap(" + strings.Join(parts, ", ") + ")"
}

func joinIDs(ids []cluster.BrokerID) string {
	parts := make([]string, len(ids))
	for i, id := range ids {
		parts[i] = id.String()
	}
	return strings.Join(parts, ", ")
}
