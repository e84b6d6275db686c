package metadata

import (
	"cmp"
	"slices"

	"ottla/zkcoord/cluster"
)

// Topic is one topic and those of its partitions that the controller has told of.
type Topic struct {
	Name string
	// ID is zero while no controller has named one, as in clusters older than 2.8.
	ID cluster.TopicID
	// Partitions is in ascending order. It may have gaps while a topic is being made or deleted.
	Partitions []PartitionState
}

// PartitionState is a partition's state znode and its assignment, as UpdateMetadata carries them.
type PartitionState struct {
	Partition int32
	// Leader is cluster.NoBroker while nobody leads. It need not be alive.
	Leader          cluster.BrokerID
	LeaderEpoch     int32
	ControllerEpoch int32
	// ZKVersion is the version of the state znode: the partition epoch.
	ZKVersion int32
	ISR       []cluster.BrokerID
	Replicas  []cluster.BrokerID
	// Offline are the replicas whose broker is gone or whose log directory failed.
	Offline []cluster.BrokerID
}

// Partition finds one partition's state.
func (t *Topic) Partition(partition int32) (PartitionState, bool) {
	at, found := t.find(partition)
	if !found {
		return PartitionState{}, false
	}
	return t.Partitions[at], true
}

// find says where the partition stands, or would stand.
func (t *Topic) find(partition int32) (at int, found bool) {
	// Without gaps, and that is nearly always, a partition's number is its place.
	if at := int(partition); at >= 0 && at < len(t.Partitions) && t.Partitions[at].Partition == partition {
		return at, true
	}
	return slices.BinarySearchFunc(t.Partitions, partition, func(p PartitionState, n int32) int {
		return cmp.Compare(p.Partition, n)
	})
}

// clone copies the topic and its list of partitions, so that the copy may be changed.
func (t *Topic) clone() *Topic {
	return &Topic{Name: t.Name, ID: t.ID, Partitions: slices.Clone(t.Partitions)}
}

func (t *Topic) set(p PartitionState) {
	if at, found := t.find(p.Partition); found {
		t.Partitions[at] = p
	} else {
		t.Partitions = slices.Insert(t.Partitions, at, p)
	}
}

func (t *Topic) remove(partition int32) (removed bool) {
	at, found := t.find(partition)
	if found {
		t.Partitions = slices.Delete(t.Partitions, at, at+1)
	}
	return found
}
