package metadata

import (
	"maps"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// after is the state once the controller's request is applied, and the partitions that it takes away.
func (s *Snapshot) after(req *kmsg.UpdateMetadataRequest) (*Snapshot, []cluster.TopicPartition) {
	u := update{topics: s.topics, byID: s.byID, changed: map[string]*Topic{}}
	for _, t := range req.TopicStates {
		for i := range t.PartitionStates {
			u.apply(t.Topic, t.TopicID, &t.PartitionStates[i])
		}
	}
	for i := range req.PartitionStates { // versions 0 to 4 name the topic in each partition
		u.apply(req.PartitionStates[i].Topic, cluster.TopicID{}, &req.PartitionStates[i])
	}
	u.settle()
	return newSnapshot(cluster.BrokerID(req.ControllerID), liveBrokers(req), u.topics, u.byID), u.deleted
}

// update turns one Snapshot's topics into the next one's. The maps belong to the last Snapshot until settle
// copies them, which it does only if some topic changed: most requests after a broker's coming or going name none.
type update struct {
	topics  map[string]*Topic
	byID    map[cluster.TopicID]*Topic
	changed map[string]*Topic
	deleted []cluster.TopicPartition
}

func (u *update) apply(topic string, id cluster.TopicID, p *kmsg.UpdateMetadataRequestTopicPartition) {
	t := u.topic(topic)
	if !id.IsZero() {
		t.ID = id
	}
	if cluster.BrokerID(p.Leader) == cluster.LeaderDuringDelete {
		t.remove(p.Partition)
		u.deleted = append(u.deleted, cluster.TopicPartition{Topic: topic, Partition: p.Partition})
		return
	}
	t.set(PartitionState{
		Partition:       p.Partition,
		Leader:          cluster.BrokerID(p.Leader),
		LeaderEpoch:     p.LeaderEpoch,
		ControllerEpoch: p.ControllerEpoch,
		ZKVersion:       p.ZKVersion,
		ISR:             cluster.BrokerIDs(p.ISR),
		Replicas:        cluster.BrokerIDs(p.Replicas),
		Offline:         cluster.BrokerIDs(p.OfflineReplicas),
	})
}

// topic is the copy of a topic that this update may change.
func (u *update) topic(name string) *Topic {
	if t, ok := u.changed[name]; ok {
		return t
	}
	t := &Topic{Name: name}
	if old, ok := u.topics[name]; ok {
		t = old.clone()
	}
	u.changed[name] = t
	return t
}

func (u *update) settle() {
	if len(u.changed) == 0 {
		return
	}
	old := u.topics
	u.topics, u.byID = maps.Clone(u.topics), maps.Clone(u.byID)
	for name, t := range u.changed {
		// A topic deleted and made anew between two requests has another id: the old one must not find it.
		if before, ok := old[name]; ok {
			delete(u.byID, before.ID)
		}
		if len(t.Partitions) == 0 {
			delete(u.topics, name)
			continue
		}
		u.topics[name] = t
		if !t.ID.IsZero() {
			u.byID[t.ID] = t
		}
	}
}

// liveBrokers reads the brokers, of which every request names all.
func liveBrokers(req *kmsg.UpdateMetadataRequest) map[cluster.BrokerID]cluster.Broker {
	brokers := make(map[cluster.BrokerID]cluster.Broker, len(req.LiveBrokers))
	for i := range req.LiveBrokers {
		b := &req.LiveBrokers[i]
		broker := cluster.Broker{ID: cluster.BrokerID(b.ID), Epoch: -1, Endpoints: endpoints(b)}
		if b.Rack != nil {
			broker.Rack = *b.Rack
		}
		brokers[broker.ID] = broker
	}
	return brokers
}

func endpoints(b *kmsg.UpdateMetadataRequestLiveBroker) []cluster.Endpoint {
	if len(b.Endpoints) == 0 && b.Host != "" { // version 0 knows one endpoint, in plain text
		return []cluster.Endpoint{{Listener: "PLAINTEXT", Protocol: "PLAINTEXT", Host: b.Host, Port: b.Port}}
	}
	all := make([]cluster.Endpoint, len(b.Endpoints))
	for i, e := range b.Endpoints {
		protocol := protocolName(e.SecurityProtocol)
		listener := e.ListenerName
		if listener == "" { // below version 3 a listener is named after its protocol
			listener = protocol
		}
		all[i] = cluster.Endpoint{Listener: listener, Protocol: protocol, Host: e.Host, Port: e.Port}
	}
	return all
}

// protocolName is the name of a security protocol's number on the wire.
func protocolName(n int16) string {
	switch n {
	case 0:
		return "PLAINTEXT"
	case 1:
		return "SSL"
	case 2:
		return "SASL_PLAINTEXT"
	case 3:
		return "SASL_SSL"
	default:
		return ""
	}
}
