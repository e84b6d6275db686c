package group

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/logdir/batch"
	"ottla/server/statetopic"
)

// storeLocked writes the group's metadata with the assignments given, by member id, and then calls done in a
// turn of its own, with the code that answers for a failure.
func (g *Group) storeLocked(assignments map[string][]byte, done func(code int16)) {
	value := groupValue{protocolType: g.mu.protocolType, generation: g.mu.generation, protocol: g.mu.protocol, stateSince: g.mu.stateSince}
	if g.mu.leader != "" {
		leader := g.mu.leader
		value.leader = &leader
	}
	for _, m := range g.mu.order {
		value.members = append(value.members, memberValue{id: m.id, instanceID: m.instanceID, clientID: m.clientID, clientHost: m.clientHost,
			rebalanceTimeout: m.rebalanceTimeout, sessionTimeout: m.sessionTimeout, subscription: m.metadata(*g.mu.protocol), assignment: assignments[m.id]})
	}
	b := batch.NewBuilder(batch.PlainOptions(g.c.config.Compression))
	b.Append(nowMillis(), groupKey{g.id}.encode(), value.encode(g.c.config.GroupValue))
	g.appendLocked(b, func(_ int64, err error) { done(storeCode(err)) })
}

// appendLocked puts the write of a batch into the outbox. done is called in a turn.
func (g *Group) appendLocked(b *batch.Builder, done func(baseOffset int64, err error)) {
	g.appendVerifiedLocked(b, 0, done)
}

// appendVerifiedLocked is appendLocked under the guard of a transaction, if there is one.
func (g *Group) appendVerifiedLocked(b *batch.Builder, guard uint64, done func(baseOffset int64, err error)) {
	bytes := b.Bytes()
	inTurn := func(baseOffset int64, err error) {
		g.turn(func() { done(baseOffset, err) })
	}
	g.laterLocked(func() {
		if guard != 0 {
			g.c.storage.AppendVerified(g.partition, guard, bytes, inTurn)
			return
		}
		g.c.storage.Append(g.partition, bytes, inTurn)
	})
}

// assignmentsLocked are the assignments in force.
func (g *Group) assignmentsLocked() map[string][]byte {
	all := make(map[string][]byte, len(g.mu.order))
	for _, m := range g.mu.order {
		all[m.id] = m.assignment
	}
	return all
}

// storeCode is what a failure to store a group's metadata means to its members.
func storeCode(err error) int16 {
	switch c := appendCode(err); c {
	case kerr.RequestTimedOut.Code:
		return kerr.RebalanceInProgress.Code
	case kerr.InvalidCommitOffsetSize.Code:
		return kerr.UnknownServerError.Code
	default:
		return c
	}
}

// appendCode is what a failed append means to a member: what is too large is so by the offsets in it.
func appendCode(err error) int16 {
	switch code := statetopic.AppendCode(err); code {
	case kerr.MessageTooLarge.Code, kerr.RecordListTooLarge.Code, kerr.InvalidFetchSize.Code:
		return kerr.InvalidCommitOffsetSize.Code
	default:
		return code
	}
}
