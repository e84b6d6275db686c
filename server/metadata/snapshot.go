package metadata

import (
	"maps"
	"slices"
	"sync"

	"ottla/zkcoord/cluster"
)

// Snapshot is the cluster at one moment. It never changes.
type Snapshot struct {
	// ControllerID is cluster.NoBroker until a controller has spoken.
	ControllerID cluster.BrokerID
	// Brokers are the live ones.
	Brokers map[cluster.BrokerID]cluster.Broker

	topics map[string]*Topic
	byID   map[cluster.TopicID]*Topic
	// names sorts the topics' names when somebody asks for them the first time.
	names func() []string
}

func emptySnapshot() *Snapshot {
	return newSnapshot(cluster.NoBroker, map[cluster.BrokerID]cluster.Broker{},
		map[string]*Topic{}, map[cluster.TopicID]*Topic{})
}

func newSnapshot(controller cluster.BrokerID, brokers map[cluster.BrokerID]cluster.Broker,
	topics map[string]*Topic, byID map[cluster.TopicID]*Topic) *Snapshot {
	return &Snapshot{
		ControllerID: controller, Brokers: brokers, topics: topics, byID: byID,
		names: sync.OnceValue(func() []string { return slices.Sorted(maps.Keys(topics)) }),
	}
}

// Topic finds a topic by its name.
func (s *Snapshot) Topic(name string) (*Topic, bool) {
	t, ok := s.topics[name]
	return t, ok
}

// TopicByID finds a topic by its id. The zero id is nobody's.
func (s *Snapshot) TopicByID(id cluster.TopicID) (*Topic, bool) {
	t, ok := s.byID[id]
	return t, ok
}

// TopicNames are all topics' names in order. The slice is shared: callers do not change it.
func (s *Snapshot) TopicNames() []string { return s.names() }

// Partition finds one partition's state.
func (s *Snapshot) Partition(tp cluster.TopicPartition) (PartitionState, bool) {
	t, ok := s.topics[tp.Topic]
	if !ok {
		return PartitionState{}, false
	}
	return t.Partition(tp.Partition)
}

// Alive reports whether the broker stands among the live ones.
func (s *Snapshot) Alive(id cluster.BrokerID) bool {
	_, ok := s.Brokers[id]
	return ok
}

// Endpoint is where a live broker is reached on the named listener.
func (s *Snapshot) Endpoint(id cluster.BrokerID, listener string) (cluster.Endpoint, bool) {
	b, ok := s.Brokers[id]
	if !ok {
		return cluster.Endpoint{}, false
	}
	return b.Endpoint(listener)
}
