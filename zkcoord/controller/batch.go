package controller

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// What stands for a leader epoch in StopReplica where there is none.
const (
	epochDuringDelete = -2
	noEpoch           = -1
)

// batch collects what brokers must be told after a step, so that each gets one request of a kind.
type batch struct {
	leaderAndISR map[cluster.BrokerID]map[*partition]bool // whether the replica is new
	stop         map[cluster.BrokerID]map[*partition]bool // whether to delete
	metadata     map[*partition]bool
	metadataTo   map[cluster.BrokerID]bool
}

func newBatch() *batch {
	return &batch{
		leaderAndISR: make(map[cluster.BrokerID]map[*partition]bool),
		stop:         make(map[cluster.BrokerID]map[*partition]bool),
		metadata:     make(map[*partition]bool),
		metadataTo:   make(map[cluster.BrokerID]bool),
	}
}

// lead tells some brokers of a partition's leader and ISR, and everybody in UpdateMetadata.
func (b *batch) lead(s *state, p *partition, isNew bool, ids ...cluster.BrokerID) {
	for _, id := range ids {
		if s.brokers[id] == nil {
			continue
		}
		m := b.leaderAndISR[id]
		if m == nil {
			m = make(map[*partition]bool)
			b.leaderAndISR[id] = m
		}
		m[p] = m[p] || isNew
	}
	b.tell(s, s.brokerIDs(), p)
}

// tell puts partitions into the UpdateMetadata for some brokers.
func (b *batch) tell(s *state, ids []cluster.BrokerID, ps ...*partition) {
	for _, id := range ids {
		if s.brokers[id] != nil {
			b.metadataTo[id] = true
		}
	}
	for _, p := range ps {
		if p.led && p.garbled == nil {
			b.metadata[p] = true
		}
	}
}

// stopReplica tells a broker to stop a replica, and perhaps to delete it.
func (b *batch) stopReplica(s *state, p *partition, id cluster.BrokerID, del bool) {
	if s.brokers[id] == nil {
		return
	}
	m := b.stop[id]
	if m == nil {
		m = make(map[*partition]bool)
		b.stop[id] = m
	}
	m[p] = m[p] || del
}

// requests are one broker's, in the order in which they must go.
func (b *batch) requests(s *state, from sender, id cluster.BrokerID) []kmsg.Request {
	var reqs []kmsg.Request
	if ps := b.leaderAndISR[id]; len(ps) > 0 {
		reqs = append(reqs, leaderAndISRRequest(s, from, s.brokers[id].Epoch, ps))
	}
	if b.metadataTo[id] {
		reqs = append(reqs, updateMetadataRequest(s, from, s.brokers[id].Epoch, b.metadata))
	}
	if ps := b.stop[id]; len(ps) > 0 {
		reqs = append(reqs, stopReplicaRequests(s, from, s.brokers[id].Epoch, ps)...)
	}
	return reqs
}

// sender is what every request says of the controller.
type sender struct {
	id       cluster.BrokerID
	epoch    int32
	listener string // under which brokers reach each other
	protocol Protocol
}

func sorted(m map[*partition]bool) []*partition {
	ps := make([]*partition, 0, len(m))
	for p := range m {
		ps = append(ps, p)
	}
	sortPartitions(ps)
	return ps
}

func leaderAndISRRequest(s *state, from sender, brokerEpoch int64, isNew map[*partition]bool) kmsg.Request {
	req := kmsg.NewPtrLeaderAndISRRequest()
	req.Version = from.protocol.LeaderAndISR
	req.ControllerID, req.ControllerEpoch, req.BrokerEpoch = int32(from.id), from.epoch, brokerEpoch
	leaders := make(map[cluster.BrokerID]bool)
	for _, p := range sorted(isNew) {
		if n := len(req.TopicStates); n == 0 || req.TopicStates[n-1].Topic != p.Topic {
			t := kmsg.NewLeaderAndISRRequestTopicState()
			t.Topic, t.TopicID = p.Topic, p.topic.id
			req.TopicStates = append(req.TopicStates, t)
		}
		ps := kmsg.NewLeaderAndISRRequestTopicPartition()
		ps.Partition = p.Partition
		ps.ControllerEpoch = p.state.ControllerEpoch
		ps.Leader, ps.LeaderEpoch = int32(p.state.Leader), p.state.LeaderEpoch
		ps.ISR, ps.ZKVersion = int32s(p.state.ISR), p.state.PartitionEpoch
		ps.Replicas = int32s(p.assignment.Replicas)
		ps.AddingReplicas, ps.RemovingReplicas = int32s(p.assignment.Adding), int32s(p.assignment.Removing)
		ps.IsNew = isNew[p]
		ps.LeaderRecoveryState = int8(p.state.Recovery)
		t := &req.TopicStates[len(req.TopicStates)-1]
		t.PartitionStates = append(t.PartitionStates, ps)
		leaders[p.state.Leader] = true
	}
	for _, id := range s.brokerIDs() {
		if e, ok := s.brokers[id].Endpoint(from.listener); ok && leaders[id] {
			l := kmsg.NewLeaderAndISRRequestLiveLeader()
			l.BrokerID, l.Host, l.Port = int32(id), e.Host, e.Port
			req.LiveLeaders = append(req.LiveLeaders, l)
		}
	}
	return req
}

func updateMetadataRequest(s *state, from sender, brokerEpoch int64, partitions map[*partition]bool) kmsg.Request {
	req := kmsg.NewPtrUpdateMetadataRequest()
	req.Version = from.protocol.UpdateMetadata
	req.ControllerID, req.ControllerEpoch, req.BrokerEpoch = int32(from.id), from.epoch, brokerEpoch
	for _, p := range sorted(partitions) {
		if n := len(req.TopicStates); n == 0 || req.TopicStates[n-1].Topic != p.Topic {
			t := kmsg.NewUpdateMetadataRequestTopicState()
			t.Topic, t.TopicID = p.Topic, p.topic.id
			req.TopicStates = append(req.TopicStates, t)
		}
		ps := kmsg.NewUpdateMetadataRequestTopicPartition()
		ps.Partition = p.Partition
		ps.ControllerEpoch = p.state.ControllerEpoch
		ps.Leader, ps.LeaderEpoch = int32(p.state.Leader), p.state.LeaderEpoch
		if s.isDeleting(p.Topic) {
			ps.Leader = int32(cluster.LeaderDuringDelete)
		}
		ps.ISR, ps.ZKVersion = int32s(p.state.ISR), p.state.PartitionEpoch
		ps.Replicas = int32s(p.assignment.Replicas)
		ps.OfflineReplicas = int32s(keep(p.assignment.Replicas, func(id cluster.BrokerID) bool { return !s.reachable(p, id) }))
		t := &req.TopicStates[len(req.TopicStates)-1]
		t.PartitionStates = append(t.PartitionStates, ps)
	}
	for _, id := range s.brokerIDs() {
		b := kmsg.NewUpdateMetadataRequestLiveBroker()
		b.ID = int32(id)
		if rack := s.brokers[id].Rack; rack != "" {
			b.Rack = &rack
		}
		for _, e := range s.brokers[id].Endpoints {
			be := kmsg.NewUpdateMetadataRequestLiveBrokerEndpoint()
			be.Host, be.Port, be.ListenerName, be.SecurityProtocol = e.Host, e.Port, e.Listener, protocolNumber(e.Protocol)
			b.Endpoints = append(b.Endpoints, be)
		}
		req.LiveBrokers = append(req.LiveBrokers, b)
	}
	return req
}

// protocolNumber is the security protocol as UpdateMetadata has it; -1 for one that does not exist.
func protocolNumber(protocol string) int16 {
	return int16(slices.Index([]string{"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"}, protocol))
}

// stopReplica is StopReplica with the bytes that Kafka reads: from version 4 on isKRaftController stands
// before the controller's epoch, while kmsg puts it behind. Sent as kmsg has it, epoch 1 arrives as 256,
// and the broker refuses every other request of ours from then on.
type stopReplica struct{ *kmsg.StopReplicaRequest }

// AppendTo appends the request's body.
func (r stopReplica) AppendTo(dst []byte) []byte {
	start := len(dst)
	dst = r.StopReplicaRequest.AppendTo(dst)
	if r.Version >= 4 {
		const epochAt, kraftAt = 4, 8
		head := dst[start:]
		kraft := head[kraftAt]
		copy(head[epochAt+1:], head[epochAt:kraftAt])
		head[epochAt] = kraft
	}
	return dst
}

// stopReplicaRequests is one request. Before version 3 a request says once for all its partitions whether to delete them,
// so that it may take two.
func stopReplicaRequests(s *state, from sender, brokerEpoch int64, del map[*partition]bool) []kmsg.Request {
	if from.protocol.StopReplica >= 3 {
		return []kmsg.Request{stopReplicaRequest(s, from, brokerEpoch, del)}
	}
	var reqs []kmsg.Request
	for _, deletes := range []bool{true, false} {
		part := make(map[*partition]bool)
		for p, d := range del {
			if d == deletes {
				part[p] = d
			}
		}
		if len(part) > 0 {
			req := stopReplicaRequest(s, from, brokerEpoch, part)
			req.DeletePartitions = deletes
			reqs = append(reqs, req)
		}
	}
	return reqs
}

func stopReplicaRequest(s *state, from sender, brokerEpoch int64, del map[*partition]bool) stopReplica {
	req := kmsg.NewPtrStopReplicaRequest()
	req.Version = from.protocol.StopReplica
	req.ControllerID, req.ControllerEpoch, req.BrokerEpoch = int32(from.id), from.epoch, brokerEpoch
	for _, p := range sorted(del) {
		if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != p.Topic {
			t := kmsg.NewStopReplicaRequestTopic()
			t.Topic = p.Topic
			req.Topics = append(req.Topics, t)
		}
		ps := kmsg.NewStopReplicaRequestTopicPartitionState()
		ps.Partition, ps.Delete = p.Partition, del[p]
		switch {
		case s.isDeleting(p.Topic):
			ps.LeaderEpoch = epochDuringDelete
		case p.led:
			ps.LeaderEpoch = p.state.LeaderEpoch
		default:
			ps.LeaderEpoch = noEpoch
		}
		t := &req.Topics[len(req.Topics)-1]
		// Of these two, the version decides which one goes over the wire; the other is for who reads the answer.
		t.PartitionStates = append(t.PartitionStates, ps)
		t.Partitions = append(t.Partitions, p.Partition)
	}
	return stopReplica{req}
}

func int32s(ids []cluster.BrokerID) []int32 {
	ns := make([]int32, len(ids))
	for i, id := range ids {
		ns[i] = int32(id)
	}
	return ns
}
