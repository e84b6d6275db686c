package api

import (
	"ottla/server/metadata"
	"ottla/zkcoord/cluster"
)

// currentLeader is what a client that asked the wrong broker is told in its answer, so that it need not
// ask for metadata first (KIP-951).
type currentLeader struct {
	id    cluster.BrokerID
	epoch int32
}

func leaderOf(s *metadata.Snapshot, tp cluster.TopicPartition) currentLeader {
	if p, ok := s.Partition(tp); ok {
		return currentLeader{p.Leader, p.LeaderEpoch}
	}
	return currentLeader{cluster.NoBroker, -1}
}

// node is where a broker is reached by clients of one listener.
type node struct {
	id   cluster.BrokerID
	host string
	port int32
	rack string
}

// addNode adds the broker to nodes if it lives, has the listener and is not there yet.
func addNode(nodes []node, s *metadata.Snapshot, id cluster.BrokerID, listener string) []node {
	for i := range nodes {
		if nodes[i].id == id {
			return nodes
		}
	}
	e, ok := s.Endpoint(id, listener)
	if !ok {
		return nodes
	}
	return append(nodes, node{id: id, host: e.Host, port: e.Port, rack: s.Brokers[id].Rack})
}

// nodesTag writes the tagged fields of an answer that names endpoints: field 0, or none.
func (w *writer) nodesTag(nodes []node) {
	if len(nodes) == 0 {
		w.noTags()
		return
	}
	field := writer{flexible: true}
	field.count(len(nodes))
	for _, n := range nodes {
		field.int32(int32(n.id))
		field.string(n.host)
		field.int32(n.port)
		field.nullable(n.rack)
		field.noTags()
	}
	w.uvarint(1)
	w.uvarint(0)
	w.uvarint(uint32(len(field.b)))
	w.b = append(w.b, field.b...)
}

// leaderTag writes one tagged field that holds a current leader. The section's count stands before it.
func (w *writer) leaderTag(tag uint32, l currentLeader) {
	w.uvarint(tag)
	w.uvarint(4 + 4 + 1)
	w.int32(int32(l.id))
	w.int32(l.epoch)
	w.noTags()
}
