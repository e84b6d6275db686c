package api

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/metadata"
	"ottla/zkcoord/cluster"
)

// Kinds of coordinators.
const (
	groupCoordinator       int8 = 0
	transactionCoordinator int8 = 1
)

// coordinatorPatience is how long a client that comes first waits for the coordinators' topic to be made.
// Kafka sends it away at once, and most clients then sleep longer than the making takes.
const coordinatorPatience = time.Second

// findCoordinator tells which broker coordinates a group, or a transactional id: the leader of its partition of
// __consumer_offsets, or __transaction_state, which is made on first use, whatever auto.create.topics.enable says.
func (a *API) findCoordinator(c *call, req *kmsg.FindCoordinatorRequest) {
	search := coordinatorSearch{api: a, call: c, kind: req.CoordinatorType, deadline: time.Now().Add(coordinatorPatience)}
	resp := kmsg.NewPtrFindCoordinatorResponse()
	if c.version >= 4 {
		for _, key := range req.CoordinatorKeys {
			resp.Coordinators = append(resp.Coordinators, search.find(key))
		}
		c.reply(resp)
		return
	}
	f := search.find(req.CoordinatorKey)
	resp.ErrorCode, resp.ErrorMessage = f.ErrorCode, f.ErrorMessage
	resp.NodeID, resp.Host, resp.Port = f.NodeID, f.Host, f.Port
	c.reply(resp)
}

// coordinatorSearch is what the keys of one request share: one attempt to make the topic, one patience.
type coordinatorSearch struct {
	api      *API
	call     *call
	kind     int8
	deadline time.Time
	asked    bool // for the topic to be made
	hopeless bool // it cannot be
}

func (f *coordinatorSearch) find(key string) kmsg.FindCoordinatorResponseCoordinator {
	out := kmsg.NewFindCoordinatorResponseCoordinator()
	out.Key, out.NodeID, out.Port, out.ErrorMessage = key, int32(cluster.NoBroker), -1, new(string)
	switch f.kind {
	case groupCoordinator, transactionCoordinator:
		topic, partition := offsetsTopic, f.api.Groups.PartitionFor
		if f.kind == transactionCoordinator {
			topic, partition = transactionsTopic, f.api.Transactions.PartitionFor
		}
		n, ok := f.leader(topic, func() int32 { return partition(key) })
		if !ok {
			out.ErrorCode = codeCoordinatorNotAvailable
			break
		}
		out.NodeID, out.Host, out.Port = int32(n.id), n.host, n.port
	default:
		out.ErrorCode = codeInvalidRequest
		*out.ErrorMessage = codeMessage(codeInvalidRequest)
	}
	return out
}

// leader finds the leader of a coordinators' partition, and waits for it while the topic is being made; not at all if it
// cannot be made. The partition depends on how many there are, so it is asked for when that is known.
func (f *coordinatorSearch) leader(topic string, partition func() int32) (found node, ok bool) {
	a, c := f.api, f.call
	if _, exists := a.Metadata.Snapshot().Topic(topic); !exists && !f.asked {
		f.asked = true
		ctx, cancel := c.adminContext(0)
		defer cancel()
		if err := a.Topics.AutoCreate(ctx, topic); err != nil {
			a.quiet.warnf(a.Log, "no coordinator can be found: cannot make %s: %v", topic, err)
			f.hopeless = true
		}
	}
	if f.hopeless {
		return node{}, false
	}
	a.Topics.Await(c.ctx, time.Until(f.deadline), func(s *metadata.Snapshot) bool {
		p, known := s.Partition(cluster.TopicPartition{Topic: topic, Partition: partition()})
		if nodes := addNode(nil, s, p.Leader, c.listener()); known && len(nodes) > 0 {
			found, ok = nodes[0], true
		}
		return known // whether or not its leader lives
	})
	return found, ok
}
