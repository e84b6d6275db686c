package api

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/metadata"
	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// Where nobody is authorized or refused yet, everybody may do everything: one bit for each operation that
// there is on a kind of resource, as Kafka numbers them.
const (
	allTopicOperations   int32 = 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<10 | 1<<11
	allGroupOperations   int32 = 1<<3 | 1<<6 | 1<<8
	allClusterOperations int32 = 1<<5 | 1<<7 | 1<<8 | 1<<9 | 1<<10 | 1<<11 | 1<<12
)

// metadata tells where the brokers are, and who leads what. A topic that it is asked for and that does not
// exist is made on the way, if client and settings allow it: the answer is then LEADER_NOT_AVAILABLE, and
// the client asks again.
func (a *API) metadata(c *call, req *kmsg.MetadataRequest) {
	resp := kmsg.NewPtrMetadataResponse()
	if refused := refuseMetadata(c, req); refused != nil {
		resp.Topics = refused
		resp.ControllerID = int32(cluster.NoBroker)
		c.reply(resp)
		return
	}
	s := a.Metadata.Snapshot()
	answer := metadataAnswer{api: a, call: c, request: req, snapshot: s}
	answer.topics()
	resp.Topics = answer.out
	resp.ClusterID = &a.ClusterID
	resp.ControllerID = int32(s.ControllerID)
	for _, n := range liveNodes(s, c.listener()) {
		resp.Brokers = append(resp.Brokers, kmsg.MetadataResponseBroker{NodeID: int32(n.id), Host: n.host, Port: n.port, Rack: nullable(n.rack)})
	}
	if c.version >= 8 && c.version <= 10 && req.IncludeClusterAuthorizedOperations {
		resp.AuthorizedOperations = allClusterOperations
	}
	c.reply(resp)
}

// refuseMetadata answers a request that Kafka calls invalid: the name may be null, and topics may be
// asked for by id, only from version 12 on, though both are coded from version 10 on.
func refuseMetadata(c *call, req *kmsg.MetadataRequest) (refused []kmsg.MetadataResponseTopic) {
	if c.version < 10 || c.version >= 12 {
		return nil
	}
	bad := slices.ContainsFunc(req.Topics, func(t kmsg.MetadataRequestTopic) bool { return t.Topic == nil || t.TopicID != [16]byte{} })
	if !bad {
		return nil
	}
	refused = make([]kmsg.MetadataResponseTopic, 0, len(req.Topics))
	for _, t := range req.Topics {
		answer := kmsg.NewMetadataResponseTopic()
		answer.ErrorCode, answer.Topic, answer.TopicID = codeInvalidRequest, t.Topic, t.TopicID
		if answer.Topic == nil {
			answer.Topic = new(string)
		}
		refused = append(refused, answer)
	}
	return refused
}

// liveNodes are the live brokers that have the listener, by id.
func liveNodes(s *metadata.Snapshot, listener string) []node {
	nodes := make([]node, 0, len(s.Brokers))
	for id := range s.Brokers {
		nodes = addNode(nodes, s, id, listener)
	}
	slices.SortFunc(nodes, func(a, b node) int { return int(a.id) - int(b.id) })
	return nodes
}

// nullable is a string on the wire, null for an empty one.
func nullable(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// metadataAnswer gathers the topics of an answer.
type metadataAnswer struct {
	api      *API
	call     *call
	request  *kmsg.MetadataRequest
	snapshot *metadata.Snapshot
	out      []kmsg.MetadataResponseTopic
}

func (m *metadataAnswer) topics() {
	// Version 0 has no null and means all topics by an empty list.
	if m.request.Topics == nil || m.call.version == 0 && len(m.request.Topics) == 0 {
		for _, name := range m.snapshot.TopicNames() {
			t, _ := m.snapshot.Topic(name)
			m.add(t)
		}
		return
	}
	// One topic asked for by id makes the whole request one by ids: names beside it are passed over.
	byID := slices.ContainsFunc(m.request.Topics, func(t kmsg.MetadataRequestTopic) bool { return t.TopicID != [16]byte{} })
	seen := make(map[string]struct{}, len(m.request.Topics))
	seenID := map[cluster.TopicID]struct{}{}
	var missing []string
	var missingIDs []cluster.TopicID
	for i := range m.request.Topics {
		asked := &m.request.Topics[i]
		name := ""
		if id := cluster.TopicID(asked.TopicID); byID {
			if _, again := seenID[id]; again || id.IsZero() {
				continue
			}
			seenID[id] = struct{}{}
			t, ok := m.snapshot.TopicByID(id)
			if !ok {
				missingIDs = append(missingIDs, id)
				continue
			}
			name = t.Name
		} else if asked.Topic != nil {
			name = *asked.Topic
		}
		if _, again := seen[name]; again {
			continue
		}
		seen[name] = struct{}{}
		if t, ok := m.snapshot.Topic(name); ok {
			m.add(t)
		} else {
			missing = append(missing, name)
		}
	}
	m.addMissing(missing)
	for _, id := range missingIDs {
		t := kmsg.NewMetadataResponseTopic()
		t.ErrorCode, t.TopicID = codeUnknownTopicID, id
		m.out = append(m.out, t)
	}
}

// addMissing makes topics that do not exist, or says that they do not.
func (m *metadataAnswer) addMissing(names []string) {
	if len(names) == 0 {
		return
	}
	// Below version 4 a client cannot say whether it wants topics made, and gets them.
	wanted := (m.call.version < 4 || m.request.AllowAutoTopicCreation) && m.api.Config.Current().AutoCreateTopics
	for _, name := range names {
		t := kmsg.NewMetadataResponseTopic()
		t.ErrorCode, t.Topic, t.IsInternal = m.missing(name, wanted), &name, isInternalTopic(name)
		m.out = append(m.out, t)
	}
}

// missing is the code for a topic that does not exist, or did not: it may have been made now.
func (m *metadataAnswer) missing(name string, wanted bool) int16 {
	switch {
	case zkcoord.CheckTopicName(name) != nil:
		return codeInvalidTopicException
	case !wanted:
		return codeUnknownTopicOrPartition
	}
	ctx, cancel := m.call.adminContext(0)
	defer cancel()
	if err := m.api.Topics.AutoCreate(ctx, name); err != nil {
		return code(err)
	}
	return codeLeaderNotAvailable
}

func isInternalTopic(name string) bool { return name == offsetsTopic || name == transactionsTopic }

// add tells of a topic that exists.
func (m *metadataAnswer) add(t *metadata.Topic) {
	out := kmsg.NewMetadataResponseTopic()
	out.Topic, out.TopicID, out.IsInternal = &t.Name, t.ID, isInternalTopic(t.Name)
	out.Partitions = make([]kmsg.MetadataResponseTopicPartition, len(t.Partitions))
	for i := range t.Partitions {
		m.partition(&out.Partitions[i], &t.Partitions[i])
	}
	if m.request.IncludeTopicAuthorizedOperations {
		out.AuthorizedOperations = allTopicOperations
	}
	m.out = append(m.out, out)
}

func (m *metadataAnswer) partition(out *kmsg.MetadataResponseTopicPartition, p *metadata.PartitionState) {
	s, listener, version := m.snapshot, m.call.listener(), m.call.version
	out.Partition, out.Leader, out.LeaderEpoch = p.Partition, int32(p.Leader), p.LeaderEpoch
	out.Replicas, out.ISR, out.OfflineReplicas = int32s(p.Replicas), int32s(p.ISR), int32s(p.Offline)
	if version == 0 {
		// The first clients fell over a replica whose broker is not in the answer.
		out.Replicas, out.ISR = reachable(s, out.Replicas, listener), reachable(s, out.ISR, listener)
	}
	_, ok := s.Endpoint(p.Leader, listener)
	switch {
	case !ok && s.Alive(p.Leader) && version >= 6:
		out.ErrorCode, out.Leader = codeListenerNotFound, int32(cluster.NoBroker)
	case !ok:
		out.ErrorCode, out.Leader = codeLeaderNotAvailable, int32(cluster.NoBroker)
	case len(out.Replicas) < len(p.Replicas) || len(out.ISR) < len(p.ISR):
		out.ErrorCode = codeReplicaNotAvailable
	}
}

func reachable(s *metadata.Snapshot, ids []int32, listener string) []int32 {
	return slices.DeleteFunc(ids, func(id int32) bool {
		_, ok := s.Endpoint(cluster.BrokerID(id), listener)
		return !ok
	})
}

func int32s(ids []cluster.BrokerID) []int32 {
	all := make([]int32, len(ids))
	for i, id := range ids {
		all[i] = int32(id)
	}
	return all
}
