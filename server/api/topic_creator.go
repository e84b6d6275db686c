package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"ottla/server/config"
	"ottla/server/metadata"
	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// The topics that the broker makes for itself, and KRaft's, which nobody may have.
const (
	offsetsTopic         = "__consumer_offsets"
	transactionsTopic    = "__transaction_state"
	clusterMetadataTopic = "__cluster_metadata"
)

// TopicCreator makes topics: for CreateTopics, for a Metadata request that names one which does not
// exist, and for coordinators that need their own. Any broker may: the topic is written to ZooKeeper,
// and the controller does the rest. It owns no goroutine.
type TopicCreator struct {
	zk    ZooKeeper
	cache *metadata.Cache
	live  *config.Live
	log   logrus.FieldLogger

	waits cacheWaits
	mu    struct {
		sync.Mutex
		inWork map[string]bool // topics that AutoCreate is writing
	}
}

// NewTopicCreator makes topics in zk, on the brokers that live by the cache. Call MetadataUpdated after
// each update of the cache.
func NewTopicCreator(zk ZooKeeper, cache *metadata.Cache, live *config.Live, log logrus.FieldLogger) *TopicCreator {
	t := &TopicCreator{zk: zk, cache: cache, live: live, log: log}
	t.mu.inWork = map[string]bool{}
	return t
}

// MetadataUpdated wakes whoever waits for the metadata cache.
func (t *TopicCreator) MetadataUpdated() { t.waits.wake() }

// Await returns true as soon as ready finds what it wants in the metadata cache, false when the timeout
// or ctx ends before.
func (t *TopicCreator) Await(ctx context.Context, timeout time.Duration, ready func(*metadata.Snapshot) bool) bool {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		// Take the channel first: an update between the look and the wait must not be missed.
		changed := t.waits.changed()
		if ready(t.cache.Snapshot()) {
			return true
		}
		select {
		case <-changed:
		case <-timer.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// cacheWaits is a broadcast: changed returns a channel that the next wake closes.
type cacheWaits struct {
	mu      sync.Mutex
	waiting chan struct{} // nil while nobody waits
}

func (w *cacheWaits) changed() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting == nil {
		w.waiting = make(chan struct{})
	}
	return w.waiting
}

func (w *cacheWaits) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting != nil {
		close(w.waiting)
		w.waiting = nil
	}
}

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

// write makes a planned topic in ZooKeeper and gives it its id.
func (t *TopicCreator) write(ctx context.Context, p *plannedTopic) error {
	id := zkcoord.NewTopicID()
	err := t.zk.CreateTopic(ctx, p.name, p.replicas, p.configs, id)
	switch {
	case errors.Is(err, zkcoord.ErrNodeExists):
		return topicExists(p.name)
	case errors.Is(err, zkcoord.ErrTooLarge):
		return fail(codeInvalidPartitions, err.Error())
	case err != nil:
		return err
	}
	p.id = id
	for _, name := range slices.Sorted(maps.Keys(p.configs)) {
		if w := config.TopicWarning(name); w != "" {
			t.log.Warnf("%s: %s", p.name, w)
		}
	}
	return nil
}

// hasLeaders reports whether the cache knows a leader for each of the topic's partitions: then clients can use it.
func hasLeaders(s *metadata.Snapshot, topic string, partitions int) bool {
	known, ok := s.Topic(topic)
	if !ok {
		return partitions == 0
	}
	for p := range partitions {
		state, ok := known.Partition(int32(p))
		if !ok || state.Leader == cluster.NoBroker {
			return false
		}
	}
	return true
}

// AutoCreate makes a topic that somebody asked for, with the broker's defaults, or with their own settings
// __consumer_offsets and __transaction_state. Nil says that the topic is there or on its way, so that the
// asker may wait for it; an error knows the code to answer with. It does not ask auto.create.topics.enable.
func (t *TopicCreator) AutoCreate(ctx context.Context, topic string) error {
	// A bad name is the client's affair, and costs ZooKeeper nothing.
	if err := zkcoord.CheckTopicName(topic); err != nil {
		return fail(codeInvalidTopicException, err.Error())
	}
	if !t.begin(topic) {
		return nil // Somebody is writing it right now.
	}
	defer t.end(topic)
	p, err := t.plan(ctx, t.wish(topic))
	if err == nil {
		err = t.write(ctx, &p)
	}
	switch {
	case err == nil:
		t.log.Infof("%s: made on first use, %d partitions", topic, len(p.replicas))
		return nil
	case adminCode(err) == codeTopicAlreadyExists:
		return nil
	}
	return fail(adminCode(err), err.Error())
}

// wish is what a topic shall be like that nobody described.
func (t *TopicCreator) wish(topic string) newTopic {
	c := t.live.Current()
	switch topic {
	case offsetsTopic:
		return newTopic{name: topic, partitions: c.OffsetsTopicPartitions, replicationFactor: c.OffsetsTopicReplicationFactor, configs: map[string]string{
			"cleanup.policy":   "compact",
			"segment.bytes":    strconv.Itoa(int(c.OffsetsTopicSegmentBytes)),
			"compression.type": "producer",
		}}
	case transactionsTopic:
		return newTopic{name: topic, partitions: c.TransactionTopicPartitions, replicationFactor: c.TransactionTopicReplicationFactor, configs: map[string]string{
			"cleanup.policy":                 "compact",
			"segment.bytes":                  strconv.Itoa(int(c.TransactionTopicSegmentBytes)),
			"compression.type":               "uncompressed",
			"min.insync.replicas":            strconv.Itoa(int(c.TransactionTopicMinISR)),
			"unclean.leader.election.enable": "false",
		}}
	}
	return newTopic{name: topic, partitions: -1, replicationFactor: -1}
}

func (t *TopicCreator) begin(topic string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.inWork[topic] {
		return false
	}
	t.mu.inWork[topic] = true
	return true
}

func (t *TopicCreator) end(topic string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.mu.inWork, topic)
}
