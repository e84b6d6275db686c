package controller

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

type partitionStatus int8

const (
	partitionNew     partitionStatus = iota // assigned, never led
	partitionOnline                         // has a leader
	partitionOffline                        // had one
)

func (s partitionStatus) String() string { return [...]string{"New", "Online", "Offline"}[s] }

type replicaStatus int8

const (
	replicaNew replicaStatus = iota
	replicaOnline
	replicaOffline
	replicaDeletionStarted
	replicaDeletionSuccessful
	replicaDeletionIneligible
)

func (s replicaStatus) String() string {
	return [...]string{"New", "Online", "Offline", "DeletionStarted", "DeletionSuccessful", "DeletionIneligible"}[s]
}

// partition is what the controller knows of one partition.
type partition struct {
	cluster.TopicPartition
	topic      *topic
	assignment zkcoord.ReplicaAssignment
	status     partitionStatus
	// leaderlessSince is when this controller found the partition without a leader, or lost it; zero while there is one.
	leaderlessSince time.Time
	// led says that there is a state znode, whose contents are state.
	led   bool
	state cluster.LeaderAndISR
	// replicas has the status of each assigned replica, and of those on their way out.
	replicas map[cluster.BrokerID]replicaStatus
	// garbled is why the state znode could not be read. The partition is then left alone: writing over
	// what nobody understands could lose the only record of who was in sync.
	garbled      error
	garbledSince time.Time
	// movingSince is when this controller began, or went on with, the reassignment under way.
	movingSince time.Time
}

func (p *partition) setStatus(s partitionStatus) {
	p.status = s
	switch {
	case s == partitionOnline:
		p.leaderlessSince = time.Time{}
	case p.leaderlessSince.IsZero():
		p.leaderlessSince = time.Now()
	}
}

// topic is what the controller knows of one topic.
type topic struct {
	name       string
	id         cluster.TopicID
	version    int32 // of /brokers/topics/T
	partitions map[int32]*partition
	watch      *zkcoord.Watch
}

func (t *topic) sorted() []*partition {
	return slices.SortedFunc(maps.Values(t.partitions), func(a, b *partition) int { return cmp.Compare(a.Partition, b.Partition) })
}

// assignmentNow is the topic's znode as it should be written.
func (t *topic) assignmentNow() zkcoord.TopicAssignment {
	a := zkcoord.TopicAssignment{ID: t.id, Version: t.version, Partitions: make(map[int32]zkcoord.ReplicaAssignment, len(t.partitions))}
	for p, part := range t.partitions {
		a.Partitions[p] = part.assignment
	}
	return a
}

// replica is one copy of a partition.
type replica struct {
	*partition
	broker cluster.BrokerID
}

// state is all that the controller knows. It belongs to the controller's goroutine, and lives from an
// election to the resignation.
type state struct {
	brokers map[cluster.BrokerID]*liveBroker
	topics  map[string]*topic
	byID    map[cluster.TopicID]*topic
	// deleting are the topics that are to be deleted, see deletion.go.
	deleting map[string]*deletion
}

// liveBroker is a broker that is alive, perhaps not for long.
type liveBroker struct {
	cluster.Broker
	leaving bool // it asked for a controlled shutdown
	// failed are the partitions whose log there is on a disk that failed.
	failed  map[*partition]bool
	channel *channel
	watch   *zkcoord.Watch
}

func newState() *state {
	return &state{
		brokers:  make(map[cluster.BrokerID]*liveBroker),
		topics:   make(map[string]*topic),
		byID:     make(map[cluster.TopicID]*topic),
		deleting: make(map[string]*deletion),
	}
}

// online reports whether a replica can work: its broker is alive and stays, and its disk is well.
func (s *state) online(p *partition, id cluster.BrokerID) bool {
	b := s.brokers[id]
	return b != nil && !b.leaving && !b.failed[p]
}

// reachable is online, but for brokers that are about to leave.
func (s *state) reachable(p *partition, id cluster.BrokerID) bool {
	b := s.brokers[id]
	return b != nil && !b.failed[p]
}

func (s *state) candidates(p *partition) candidates {
	c := candidates{replicas: p.assignment.Replicas, current: p.state}
	for _, id := range p.assignment.Replicas {
		if s.reachable(p, id) {
			c.online = append(c.online, id)
			if s.brokers[id].leaving {
				c.leaving = append(c.leaving, id)
			}
		}
	}
	return c
}

func (s *state) brokerIDs() []cluster.BrokerID { return slices.Sorted(maps.Keys(s.brokers)) }

// stayingIDs are the live brokers that have not asked to leave.
func (s *state) stayingIDs() []cluster.BrokerID {
	return keep(s.brokerIDs(), func(id cluster.BrokerID) bool { return !s.brokers[id].leaving })
}

func (s *state) partition(tp cluster.TopicPartition) *partition {
	t := s.topics[tp.Topic]
	if t == nil {
		return nil
	}
	return t.partitions[tp.Partition]
}

func (s *state) isDeleting(topic string) bool { return s.deleting[topic] != nil }

// selectPartitions lists the partitions that f wants, in order of their names.
func (s *state) selectPartitions(f func(*partition) bool) []*partition {
	var found []*partition
	for _, t := range s.topics {
		for _, p := range t.partitions {
			if f(p) {
				found = append(found, p)
			}
		}
	}
	sortPartitions(found)
	return found
}

func sortPartitions(ps []*partition) {
	slices.SortFunc(ps, func(a, b *partition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
}

// replicasOn lists the replicas on some brokers.
func (s *state) replicasOn(ids ...cluster.BrokerID) []replica {
	var found []replica
	for _, p := range s.selectPartitions(func(*partition) bool { return true }) {
		for _, id := range ids {
			if slices.Contains(p.assignment.Replicas, id) {
				found = append(found, replica{p, id})
			}
		}
	}
	return found
}

// once is an assignment in which each broker stands once.
func once(a zkcoord.ReplicaAssignment) zkcoord.ReplicaAssignment {
	return zkcoord.ReplicaAssignment{Replicas: cluster.Once(a.Replicas), Adding: cluster.Once(a.Adding), Removing: cluster.Once(a.Removing)}
}

// repeated lists the partitions of an assignment in which a broker stands more than once.
func repeated(a zkcoord.TopicAssignment) []int32 {
	var found []int32
	for n, r := range a.Partitions {
		if o := once(r); len(o.Replicas)+len(o.Adding)+len(o.Removing) < len(r.Replicas)+len(r.Adding)+len(r.Removing) {
			found = append(found, n)
		}
	}
	slices.Sort(found)
	return found
}

// addPartitions makes a topic's new partitions known and returns them. A broker that somebody wrote twice among the replicas
// counts once: Apache Kafka's controller would take it into the ISR twice.
func (s *state) addPartitions(t *topic, a zkcoord.TopicAssignment) []*partition {
	t.version = a.Version
	var added []*partition
	for n, assignment := range a.Partitions {
		if t.partitions[n] != nil {
			continue
		}
		p := &partition{
			TopicPartition: cluster.TopicPartition{Topic: t.name, Partition: n}, topic: t,
			assignment: once(assignment), replicas: make(map[cluster.BrokerID]replicaStatus),
		}
		p.setStatus(partitionNew)
		t.partitions[n] = p
		added = append(added, p)
	}
	sortPartitions(added)
	return added
}

func (s *state) addTopic(name string, a zkcoord.TopicAssignment) (*topic, []*partition) {
	t := &topic{name: name, id: a.ID, partitions: make(map[int32]*partition)}
	s.topics[name] = t
	if !a.ID.IsZero() {
		s.byID[a.ID] = t
	}
	return t, s.addPartitions(t, a)
}

func (s *state) removeTopic(name string) {
	t := s.topics[name]
	if t == nil {
		return
	}
	t.watch.Stop()
	delete(s.byID, t.id)
	delete(s.topics, name)
	delete(s.deleting, name)
	for _, b := range s.brokers {
		for _, p := range t.partitions {
			delete(b.failed, p)
		}
	}
}
