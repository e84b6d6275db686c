package group

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// maybeRebalanceLocked calls the members upon to join again, unless they are called already.
func (g *Group) maybeRebalanceLocked(reason string) {
	if g.mu.state.mayBecome(preparingRebalance) {
		g.prepareRebalanceLocked(reason)
	}
}

func (g *Group) prepareRebalanceLocked(reason string) {
	if g.mu.state == completingRebalance {
		// Who waits for an assignment shall join again instead: it would be one of members that are about to change.
		g.spreadErrorLocked(kerr.RebalanceInProgress.Code)
	}
	g.endSyncsLocked()
	begins := g.mu.state == empty
	g.transitionLocked(preparingRebalance)
	g.log().Infof("rebalance of generation %d begins: %s", g.mu.generation, reason)
	timeout := time.Duration(g.mu.rebalanceTimeout()) * time.Millisecond
	if !begins {
		g.awaitAllLocked(&delayedJoin{g: g}, timeout)
		return
	}
	delay := g.c.config.InitialRebalanceDelay
	g.awaitInitialLocked(delay, max(0, timeout-delay))
}

// endSyncsLocked voids the wait for SyncGroup requests of the generation that ends.
func (g *Group) endSyncsLocked() {
	clear(g.mu.unsynced)
	g.checkSyncLocked()
}

// completeJoinLocked makes the next generation of those who have joined. Dynamic members that have not are removed;
// static ones stay for as long as their session lasts, since coming back without a rebalance is what they are for.
func (g *Group) completeJoinLocked() {
	g.removeAbsentLocked()
	if !g.mu.electJoinedLeader() && len(g.mu.members) > 0 {
		// Only static members are left and none has joined: wait once more, until one comes or the sessions end.
		g.log().Warn("rebalance could not complete: no member has joined again")
		g.awaitAllLocked(&delayedJoin{g: g}, time.Duration(g.mu.rebalanceTimeout())*time.Millisecond)
		return
	}
	g.mu.generation++
	g.mu.newcomers = false
	clear(g.mu.unsynced)
	if len(g.mu.members) == 0 {
		g.becomeEmptyLocked()
		return
	}
	protocol := g.mu.vote()
	g.mu.protocol = &protocol
	g.computeSubscribedLocked()
	g.transitionLocked(completingRebalance)
	g.log().Infof("generation %d has %d members, protocol %s", g.mu.generation, len(g.mu.members), protocol)
	for _, m := range g.mu.order {
		g.answerJoinLocked(m, g.joinedLocked(m))
		m.isNew = false
		g.expectHeartbeatLocked(m)
		g.mu.unsynced[m.id] = struct{}{}
	}
	g.awaitSyncsLocked()
}

func (g *Group) removeAbsentLocked() {
	var ids []string
	for _, m := range slices.Clone(g.mu.order) {
		if m.join == nil && m.instanceID == nil {
			ids = append(ids, m.id)
			g.removeMemberLocked(m)
		}
	}
	if len(ids) > 0 {
		g.log().Infof("members %v did not join again in time: removed", ids)
	}
}

func (g *Group) becomeEmptyLocked() {
	g.mu.protocol = nil
	g.computeSubscribedLocked()
	g.transitionLocked(empty)
	g.log().Infof("generation %d is empty", g.mu.generation)
	g.storeLocked(nil, func(code int16) {
		if code != 0 {
			// If the broker fails now, the generation before comes back and times out. It has no members, so no harm.
			g.log().Warnf("the empty generation was not stored: %v", kerr.ErrorForCode(code))
		}
	})
}

// spreadErrorLocked answers all waiting SyncGroups with an error and forgets the assignments.
func (g *Group) spreadErrorLocked(code int16) {
	for _, m := range g.mu.order {
		m.assignment = nil
		if g.answerSyncLocked(m, synced{code: code}) {
			g.expectHeartbeatLocked(m)
		}
	}
}

// removeMemberLocked takes a member out and answers whatever it waits for. What that means for the others is up to
// the caller.
func (g *Group) removeMemberLocked(m *member) {
	g.answerJoinLocked(m, refusedJoin("", kerr.UnknownMemberID.Code))
	g.answerSyncLocked(m, synced{code: kerr.UnknownMemberID.Code})
	g.mu.roster.remove(m)
	delete(g.mu.unsynced, m.id)
	g.forgetHeartbeatLocked(m.id, m)
}

// expelLocked removes a member and rebalances the others.
func (g *Group) expelLocked(m *member, reason string) {
	g.removeMemberLocked(m)
	switch g.mu.state {
	case stable, completingRebalance:
		g.maybeRebalanceLocked(reason)
	case preparingRebalance:
		g.checkJoinLocked()
	}
}

// removePendingLocked gives up a reserved member id, for which a rebalance may have waited.
func (g *Group) removePendingLocked(id string) {
	delete(g.mu.pending, id)
	g.forgetHeartbeatLocked(id, nil)
	if g.mu.state == preparingRebalance {
		g.checkJoinLocked()
	}
}
