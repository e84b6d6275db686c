package group

import (
	"time"

	"ottla/purgatory"
)

// memberKey is what a member's heartbeat is watched under.
type memberKey struct{ group, member string }

// newMemberJoinTimeout bounds the wait of a member whose first JoinGroup is not answered yet. It cannot send
// heartbeats, having no id, and a connection that has died does not show while its request waits.
const newMemberJoinTimeout = 5 * time.Minute

// delayedHeartbeat ends a membership, or the reservation of a member id, unless a heartbeat comes in time. Every
// sign of life puts a new one in its place.
type delayedHeartbeat struct {
	purgatory.Base
	g  *Group
	id string
	m  *member // nil for an id that was given out and has not joined
}

// Ready reports that there is nothing to wait for: another heartbeat has come, or the member waits in a join
// or sync, which is sign of life enough.
func (d *delayedHeartbeat) Ready() bool {
	d.g.mu.Lock()
	defer d.g.mu.Unlock()
	return !d.inForceLocked() || d.m != nil && d.m.satisfied()
}

func (d *delayedHeartbeat) inForceLocked() bool {
	switch {
	case d.g.mu.state == dead:
		return false
	case d.m == nil:
		return d.g.mu.pending[d.id] == d
	default:
		return d.m.heartbeat == d && d.g.mu.members[d.m.id] == d.m
	}
}

// Complete removes the member when the time is over.
func (d *delayedHeartbeat) Complete(expired bool) {
	if !expired {
		return
	}
	d.g.turnOf(expired, func() {
		switch {
		case !d.inForceLocked():
		case d.m == nil:
			d.g.log().Infof("member %s never came back with the id it was given", d.id)
			d.g.removePendingLocked(d.id)
		case !d.m.satisfied():
			d.g.log().Infof("member %s has sent no heartbeat in time: removed", d.m.id)
			d.g.expelLocked(d.m, "a member's session timed out")
		}
	})
}

// expectHeartbeatLocked counts as a sign of life of the member and asks for the next one within its session timeout.
func (g *Group) expectHeartbeatLocked(m *member) {
	g.expectWithinLocked(m, time.Duration(m.sessionTimeout)*time.Millisecond)
}

func (g *Group) expectWithinLocked(m *member, timeout time.Duration) {
	d := &delayedHeartbeat{g: g, id: m.id, m: m}
	m.heartbeat = d
	g.watchHeartbeatLocked(d, timeout)
}

// expectJoinLocked reserves a member id for one session timeout.
func (g *Group) expectJoinLocked(id string, timeout time.Duration) {
	d := &delayedHeartbeat{g: g, id: id}
	g.mu.pending[id] = d
	g.watchHeartbeatLocked(d, timeout)
}

func (g *Group) watchHeartbeatLocked(d *delayedHeartbeat, timeout time.Duration) {
	key := memberKey{g.id, d.id}
	g.laterLocked(func() {
		g.c.heartbeats.Check(key) // the one before is void now
		g.c.heartbeats.Watch(d, timeout, key)
	})
}

// forgetHeartbeatLocked makes the purgatory let go of a member that has left. m is nil for a reservation.
func (g *Group) forgetHeartbeatLocked(id string, m *member) {
	if m != nil {
		m.heartbeat = nil
	}
	g.laterLocked(func() { g.c.heartbeats.Check(memberKey{g.id, id}) })
}
