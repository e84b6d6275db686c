package group

import (
	"sync"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/zkcoord/cluster"
)

// Group is one consumer group: its members, its generation, its offsets.
//
// All changes happen in turns. A turn holds the lock and decides; what it decides to answer, to write, to
// watch or to check is put into the outbox, and done in the same order once the lock is free. One goroutine
// at a time empties the outbox, so that the records of two turns cannot overtake each other on their way
// into the log, although no lock is held while they are written. See turn.
type Group struct {
	id        string
	partition int32
	c         *Coordinator

	mu struct {
		sync.Mutex
		roster
		state      state
		stateSince int64 // ms of the last change; -1 unknown, of records older than that field
		generation int32
		// protocol is what the members voted for, nil while there is no generation with members.
		protocol *string
		// subscribed is what the consumers of this generation have subscribed to, nil if that is not known.
		subscribed map[string]struct{}
		// newcomers says that a member came during the initial delay, which is then prolonged.
		newcomers bool
		// rebalance and syncing are the operations in force; one of another rebalance is void.
		rebalance *delayedJoin
		syncing   *delayedSync
		// unsynced are the members that got their join answer and have not sent SyncGroup.
		unsynced map[string]struct{}
		offsets  offsets

		outbox   []func()
		emptying bool
	}
}

func newGroup(c *Coordinator, id string, partition int32) *Group {
	g := &Group{id: id, partition: partition, c: c}
	g.mu.state, g.mu.stateSince = empty, nowMillis()
	g.mu.roster = newRoster()
	g.mu.unsynced = make(map[string]struct{})
	g.mu.offsets = newOffsets()
	return g
}

func (g *Group) log() logrus.FieldLogger { return g.c.log.WithField("group", g.id) }

// turn runs decide under the lock, and afterwards, without it, everything that decide and the answers' own turns
// have left in the outbox. If another goroutine is emptying the outbox already, it is left to that one.
func (g *Group) turn(decide func()) {
	g.mu.Lock()
	decide()
	if g.mu.emptying {
		g.mu.Unlock()
		return
	}
	g.mu.emptying = true
	for len(g.mu.outbox) > 0 {
		todo := g.mu.outbox
		g.mu.outbox = nil
		g.mu.Unlock()
		for _, deed := range todo {
			deed()
		}
		g.mu.Lock()
	}
	g.mu.emptying = false
	g.mu.Unlock()
}

// turnOf is turn for an operation's Complete. If its time was over it runs on the timing wheel's goroutine, which
// must not wait for the disk; so the turn gets a goroutine of its own.
func (g *Group) turnOf(expired bool, decide func()) {
	if expired {
		g.c.work.Run(func() { g.turn(decide) })
	} else {
		g.turn(decide)
	}
}

// laterLocked puts a deed into the outbox.
func (g *Group) laterLocked(deed func()) { g.mu.outbox = append(g.mu.outbox, deed) }

func (g *Group) transitionLocked(next state) {
	if !g.mu.state.mayBecome(next) {
		panic("group " + g.id + ": from " + g.mu.state.String() + " to " + next.String())
	}
	g.mu.state, g.mu.stateSince = next, nowMillis()
}

// answerJoinLocked answers the member's waiting JoinGroup, if there is one.
func (g *Group) answerJoinLocked(m *member, answer joined) {
	if reply := m.join; reply != nil {
		m.join = nil
		g.mu.awaitingJoin--
		g.laterLocked(func() { reply(answer) })
	}
}

// awaitJoinLocked makes reply the one that answers the member. A JoinGroup that still waits is of a connection the
// client has given up; it is told to try again, since every request gets an answer.
func (g *Group) awaitJoinLocked(m *member, reply func(joined)) {
	g.answerJoinLocked(m, refusedJoin(m.id, kerr.RebalanceInProgress.Code))
	m.join = reply
	g.mu.awaitingJoin++
}

// answerSyncLocked answers the member's waiting SyncGroup and reports whether there was one.
func (g *Group) answerSyncLocked(m *member, answer synced) bool {
	reply := m.sync
	if reply == nil {
		return false
	}
	m.sync = nil
	g.laterLocked(func() { reply(answer) })
	return true
}

// validateLocked checks that the member is in the group, and is the one that holds its instance id.
func (g *Group) validateLocked(memberID string, instanceID *string) int16 {
	if instanceID != nil {
		current, known := g.mu.static[*instanceID]
		if !known {
			return kerr.UnknownMemberID.Code
		}
		if current != memberID {
			return kerr.FencedInstanceID.Code
		}
	}
	if g.mu.members[memberID] == nil {
		return kerr.UnknownMemberID.Code
	}
	return 0
}

// joinedLocked is the answer to a member that has joined the current generation. Only the leader needs to
// know the others.
func (g *Group) joinedLocked(m *member) joined {
	answer := joined{memberID: m.id, generation: g.mu.generation, protocolType: g.protocolTypeLocked(), protocol: g.mu.protocol, leader: g.mu.leader}
	if m.id == g.mu.leader {
		answer.members = g.membersForLeaderLocked()
	}
	return answer
}

// protocolTypeLocked is nil for a group that never had members.
func (g *Group) protocolTypeLocked() *string {
	if g.mu.protocolType == "" {
		return nil
	}
	t := g.mu.protocolType
	return &t
}

// computeSubscribedLocked reads the subscriptions of all members. A single one that cannot be read leaves all
// unknown: the group then counts as subscribed to everything.
func (g *Group) computeSubscribedLocked() {
	g.mu.subscribed = nil
	if g.mu.protocolType != consumerProtocol || len(g.mu.members) > 0 && g.mu.protocol == nil {
		return
	}
	all := make(map[string]struct{})
	for _, m := range g.mu.members {
		topics, ok := subscribedTopics(m.metadata(*g.mu.protocol))
		if !ok {
			g.log().Warn("a member's metadata is no consumer subscription: treated as subscribed to every topic")
			return
		}
		for _, t := range topics {
			all[t] = struct{}{}
		}
	}
	g.mu.subscribed = all
}

func (g *Group) subscribedToLocked(topic string) bool {
	if g.mu.subscribed == nil {
		return true
	}
	_, yes := g.mu.subscribed[topic]
	return yes
}

// unload ends the group here: the code tells those who wait where to go on.
func (g *Group) unload(code int16) {
	g.turn(func() {
		if g.mu.state == dead {
			return
		}
		g.transitionLocked(dead)
		for _, m := range g.mu.order {
			g.answerJoinLocked(m, refusedJoin(m.id, code))
			g.answerSyncLocked(m, synced{code: code})
			g.forgetHeartbeatLocked(m.id, m)
		}
		for id := range g.mu.pending {
			g.forgetHeartbeatLocked(id, nil)
		}
		g.checkJoinLocked()
		g.checkSyncLocked()
	})
}

// dieLocked ends an empty group for good and forgets it.
func (g *Group) dieLocked() {
	g.transitionLocked(dead)
	for id := range g.mu.pending {
		g.forgetHeartbeatLocked(id, nil)
	}
	g.checkJoinLocked()
	g.checkSyncLocked()
	g.laterLocked(func() { g.c.owned.Remove(g.partition, g.id, g) })
}

// tp spares a line where a request's fields become a partition.
func tp(topic string, partition int32) cluster.TopicPartition {
	return cluster.TopicPartition{Topic: topic, Partition: partition}
}
