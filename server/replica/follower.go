package replica

import (
	"sync"
	"time"

	"ottla/zkcoord/cluster"
)

// unknownOffset stands for what a follower has not told yet. As a log end it holds the high watermark where it is.
const unknownOffset int64 = -1

// follower is what the leader knows of another replica. It lives as long as this broker leads.
type follower struct {
	id cluster.BrokerID
	mu struct {
		sync.Mutex
		state followerState
	}
}

// followerState is how far a follower has come, as its last fetch told.
type followerState struct {
	// logEnd is the offset it asked for: it has everything before. logStart is the start of its own log.
	logEnd, logStart int64
	// caughtUp is the last moment of which we know that it had all that the leader had then.
	caughtUp time.Time
	// fetched is when its last fetch came, leaderEnd the leader's log end at that time.
	fetched   time.Time
	leaderEnd int64
	// inHand says that a fetch of it is not answered yet, which had reached the leader's log end when it came.
	inHand bool
}

func newFollower(id cluster.BrokerID) *follower {
	f := &follower{id: id}
	f.mu.state = followerState{logEnd: unknownOffset, logStart: unknownOffset, leaderEnd: unknownOffset}
	return f
}

func (f *follower) state() followerState {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.state
}

// beginReign forgets what an earlier reign taught. A member of the ISR gets the benefit of the doubt for one
// replica.lag.time.max.ms; a new leader knows of nobody's log end, since its own log was a follower's until now.
func (f *follower) beginReign(now time.Time, epochStart int64, inISR, newLeader bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &f.mu.state
	s.caughtUp, s.inHand = time.Time{}, false
	if inISR {
		s.caughtUp = now
	}
	if newLeader {
		s.logEnd, s.logStart, s.leaderEnd, s.fetched = unknownOffset, unknownOffset, unknownOffset, time.Time{}
		return
	}
	s.leaderEnd, s.fetched = epochStart, s.caughtUp
}

// progress notes a fetch from offset, which came when the leader's log ended at leaderEnd. It reports whether
// the follower's log end or log start moved.
func (f *follower) progress(offset, logStart, leaderEnd int64, now time.Time) (endMoved, startMoved bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &f.mu.state
	switch {
	case offset >= leaderEnd:
		s.caughtUp = later(s.caughtUp, now)
	case offset >= s.leaderEnd:
		// It has now all that the leader had at its fetch before: so it was caught up then. A follower of a busy
		// leader never reaches the end, and yet it is in sync.
		s.caughtUp = later(s.caughtUp, s.fetched)
	}
	endMoved, startMoved = offset != s.logEnd, logStart != s.logStart
	s.logEnd, s.logStart = offset, logStart
	s.leaderEnd, s.fetched = max(leaderEnd, s.leaderEnd), now
	s.inHand = offset >= leaderEnd
	return endMoved, startMoved
}

// answered notes that its fetch has left our hands.
func (f *follower) answered() {
	f.mu.Lock()
	f.mu.state.inHand = false
	f.mu.Unlock()
}

// isCaughtUp reports whether the follower has all, or had it at most maxLag ago.
//
// While the leader itself holds the follower's fetch, the follower cannot come closer. If that fetch had reached
// the log's end, the time that the leader takes counts for the follower, at most maxLag more: or a slow disk
// would throw out the healthy replicas and leave itself the only one (KIP-501).
func (s *followerState) isCaughtUp(leaderEnd int64, now time.Time, maxLag time.Duration) bool {
	if s.logEnd == leaderEnd {
		return true
	}
	if s.inHand {
		maxLag *= 2
	}
	return !s.caughtUp.IsZero() && now.Sub(s.caughtUp) <= maxLag
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
