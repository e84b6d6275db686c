package api

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"

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

// write makes a planned topic in ZooKeeper and gives it its id.
func (t *TopicCreator) write(ctx context.Context, p *plannedTopic) error {
	var id cluster.TopicID
	if t.live.Static().Protocol >= config.Protocol28IV0 { // KIP-516: before, topics have none
		id = zkcoord.NewTopicID()
	}
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
