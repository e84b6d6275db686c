package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// syncNeedsProtocol is the version from which on protocol type and name must be given.
const syncNeedsProtocol = 5

// SyncGroup hands in the leader's assignment and hands out everyone's own.
func (c *Coordinator) SyncGroup(req *kmsg.SyncGroupRequest, reply func(*kmsg.SyncGroupResponse)) {
	answer := func(s synced) {
		resp := req.ResponseKind().(*kmsg.SyncGroupResponse)
		resp.ErrorCode, resp.ProtocolType, resp.Protocol, resp.MemberAssignment = s.code, s.protocolType, s.protocol, s.assignment
		if resp.MemberAssignment == nil {
			resp.MemberAssignment = []byte{} // null is no assignment on this wire
		}
		reply(resp)
	}
	if req.Version >= syncNeedsProtocol && (req.ProtocolType == nil || req.Protocol == nil) {
		answer(synced{code: kerr.InconsistentGroupProtocol.Code})
		return
	}
	code := c.check(req.Group, refuseEmptyID)
	if code == kerr.CoordinatorLoadInProgress.Code {
		// Loading means that the rebalance under way is lost, so the member must join again in any case; old clients do
		// not know the code that says so.
		code = kerr.RebalanceInProgress.Code
	}
	g := (*Group)(nil)
	if code == 0 {
		if g = c.get(req.Group); g == nil {
			code = kerr.UnknownMemberID.Code
		}
	}
	if code != 0 {
		answer(synced{code: code})
		return
	}
	assignments := make(map[string][]byte, len(req.GroupAssignment))
	for _, a := range req.GroupAssignment {
		assignments[a.MemberID] = append([]byte{}, a.MemberAssignment...)
	}
	g.turn(func() { g.syncLocked(req, assignments, answer) })
}

func (g *Group) syncLocked(req *kmsg.SyncGroupRequest, assignments map[string][]byte, reply func(synced)) {
	answer := func(s synced) { g.laterLocked(func() { reply(s) }) }
	if code := g.validateSyncLocked(req); code != 0 {
		answer(synced{code: code})
		return
	}
	m := g.mu.members[req.MemberID]
	switch g.mu.state {
	case preparingRebalance:
		answer(synced{code: kerr.RebalanceInProgress.Code})
	case completingRebalance:
		g.answerSyncLocked(m, synced{code: kerr.RebalanceInProgress.Code}) // one that was given up by its client
		m.sync = reply
		g.syncArrivedLocked(m)
		if m.id == g.mu.leader {
			g.acceptLocked(assignments)
		}
	case stable:
		g.syncArrivedLocked(m)
		answer(g.syncedLocked(m))
		g.expectHeartbeatLocked(m)
	default:
		answer(synced{code: kerr.UnknownMemberID.Code})
	}
}

func (g *Group) validateSyncLocked(req *kmsg.SyncGroupRequest) int16 {
	if g.mu.state == dead {
		return kerr.CoordinatorNotAvailable.Code
	}
	if code := g.validateLocked(req.MemberID, req.InstanceID); code != 0 {
		return code
	}
	if req.Generation != g.mu.generation {
		return kerr.IllegalGeneration.Code
	}
	if req.ProtocolType != nil && *req.ProtocolType != g.mu.protocolType ||
		req.Protocol != nil && (g.mu.protocol == nil || *req.Protocol != *g.mu.protocol) {
		return kerr.InconsistentGroupProtocol.Code
	}
	return 0
}

func (g *Group) syncArrivedLocked(m *member) {
	delete(g.mu.unsynced, m.id)
	g.checkSyncLocked()
}

// acceptLocked stores the leader's assignment; the members get theirs when it is stored.
func (g *Group) acceptLocked(assignments map[string][]byte) {
	generation := g.mu.generation
	without := 0
	for _, m := range g.mu.order {
		if _, ok := assignments[m.id]; !ok {
			assignments[m.id] = nil
			without++
		}
	}
	if without > 0 {
		g.log().Warnf("the leader's assignment leaves out %d members of generation %d: they get an empty one", without, generation)
	}
	g.c.metrics.rebalances.Inc()
	g.storeLocked(assignments, func(code int16) {
		if g.mu.state != completingRebalance || g.mu.generation != generation {
			return // another member has joined meanwhile: the assignment is for a generation that is gone
		}
		if code != 0 {
			g.spreadErrorLocked(code)
			g.maybeRebalanceLocked("the assignment could not be stored: " + kerr.ErrorForCode(code).Error())
			return
		}
		g.transitionLocked(stable)
		for _, m := range g.mu.order {
			m.assignment = assignments[m.id]
			if g.answerSyncLocked(m, g.syncedLocked(m)) {
				// Its time was not running while it waited.
				g.expectHeartbeatLocked(m)
			}
		}
	})
}

func (g *Group) syncedLocked(m *member) synced {
	return synced{protocolType: g.protocolTypeLocked(), protocol: g.mu.protocol, assignment: m.assignment}
}
