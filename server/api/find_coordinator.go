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

// findCoordinator tells which broker coordinates a group: the leader of the group's partition of
// __consumer_offsets, which is made on first use, whatever auto.create.topics.enable says.
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
	case groupCoordinator:
		n, ok := f.ofGroup(key)
		if !ok {
			out.ErrorCode = codeCoordinatorNotAvailable
			break
		}
		out.NodeID, out.Host, out.Port = int32(n.id), n.host, n.port
	case transactionCoordinator:
		// Nobody coordinates transactions yet. An error that can be retried would keep producers asking for ever.
		out.ErrorCode = codeUnsupportedVersion
		*out.ErrorMessage = "This broker does not coordinate transactions."
	default:
		out.ErrorCode = codeInvalidRequest
		*out.ErrorMessage = codeMessage(codeInvalidRequest)
	}
	return out
}

// ofGroup finds a group's coordinator, and waits for it while its topic is being made; not at all if it
// cannot be made.
func (f *coordinatorSearch) ofGroup(group string) (found node, ok bool) {
	a, c := f.api, f.call
	if _, exists := a.Metadata.Snapshot().Topic(offsetsTopic); !exists && !f.asked {
		f.asked = true
		ctx, cancel := c.adminContext(0)
		defer cancel()
		if err := a.Topics.AutoCreate(ctx, offsetsTopic); err != nil {
			a.quiet.warnf(a.Log, "group %s has no coordinator: cannot make %s: %v", group, offsetsTopic, err)
			f.hopeless = true
		}
	}
	if f.hopeless {
		return node{}, false
	}
	a.Topics.Await(c.ctx, time.Until(f.deadline), func(s *metadata.Snapshot) bool {
		p, known := s.Partition(cluster.TopicPartition{Topic: offsetsTopic, Partition: a.Groups.PartitionFor(group)})
		if nodes := addNode(nil, s, p.Leader, c.listener()); known && len(nodes) > 0 {
			found, ok = nodes[0], true
		}
		return known // whether or not its leader lives
	})
	return found, ok
}
