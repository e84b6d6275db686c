package group

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// replaceLocked lets a static member's next life take the place of the former, whoever that may still be
// (KIP-345). In a stable group this makes no rebalance unless the members' choice of a protocol changes: the assignment
// goes to the new id, which is stored before anybody is told of it.
func (j *joining) replaceLocked(m *member, id string) {
	g := j.g
	before := former{leader: g.mu.leader, id: m.id, protocols: m.protocols, rebalance: m.rebalanceTimeout, session: m.sessionTimeout}
	g.fenceLocked(m)
	g.renameLocked(m, id)
	// The session is counted with the timeout of the former life until the next heartbeat, as Kafka does.
	g.expectHeartbeatLocked(m)
	j.takeOverLocked(m)
	switch g.mu.state {
	case stable:
		if g.mu.protocol == nil || g.mu.vote() != *g.mu.protocol {
			g.maybeRebalanceLocked(fmt.Sprintf("static member %s changes the protocol, client's reason: %s", id, j.reason))
			return
		}
		g.storeLocked(g.assignmentsLocked(), func(code int16) { j.replacedLocked(m, id, before, code) })
	case completingRebalance:
		// The leader may be computing an assignment for the former id, with nothing in it for the new one.
		g.maybeRebalanceLocked(fmt.Sprintf("static member %s was replaced, client's reason: %s", id, j.reason))
	}
}

// former is what a static member was before it was replaced.
type former struct {
	id, leader         string
	protocols          []protocol
	rebalance, session int32
}

// fenceLocked answers the former life of a static member, if it waits.
func (g *Group) fenceLocked(m *member) {
	g.answerJoinLocked(m, refusedJoin(m.id, kerr.FencedInstanceID.Code))
	g.answerSyncLocked(m, synced{code: kerr.FencedInstanceID.Code})
	g.forgetHeartbeatLocked(m.id, m)
}

func (g *Group) renameLocked(m *member, id string) {
	if _, waits := g.mu.unsynced[m.id]; waits {
		delete(g.mu.unsynced, m.id)
		g.mu.unsynced[id] = struct{}{}
	}
	g.mu.rename(m, id)
}

// replacedLocked answers the new life once its id is stored, or takes the change back.
func (j *joining) replacedLocked(m *member, id string, before former, code int16) {
	g := j.g
	if g.mu.members[id] != m || m.join == nil {
		return // removed or replaced again meanwhile: it was answered then
	}
	if code != 0 {
		g.log().Warnf("static member %s was not stored: %v", m.id, kerr.ErrorForCode(code))
		j.revertLocked(m, before, code)
		return
	}
	if g.mu.state != stable {
		return // a rebalance has begun meanwhile: its end is the answer
	}
	answer := g.joinedLocked(m)
	if j.version >= joinSkipsAssigner {
		// It is told that it leads, so that it goes on watching the topics, and that there is nothing to assign.
		answer.skip = m.id == g.mu.leader
	} else {
		// Before that field, a leader that came back would have computed an assignment that a stable group ignores.
		// Naming the former leader keeps it from doing so.
		answer.leader, answer.members = before.leader, nil
	}
	g.answerJoinLocked(m, answer)
	g.expectHeartbeatLocked(m)
}

func (j *joining) revertLocked(m *member, before former, code int16) {
	g := j.g
	answer := joined{code: code, generation: g.mu.generation, protocolType: g.protocolTypeLocked(), protocol: g.mu.protocol, leader: before.leader}
	g.answerJoinLocked(m, answer)
	g.forgetHeartbeatLocked(m.id, m)
	g.renameLocked(m, before.id)
	g.mu.setProtocols(m, before.protocols)
	m.rebalanceTimeout, m.sessionTimeout = before.rebalance, before.session
	g.expectHeartbeatLocked(m)
	if g.mu.state == preparingRebalance {
		g.checkJoinLocked()
	}
}
