package api

import (
	"math/rand/v2"
	"sync"
	"time"

	"ottla/zkcoord/cluster"
)

// Incremental fetch sessions (KIP-227). A consumer of many partitions names them once; the broker
// remembers them under a session id, and later requests name only what changed. The answers, too, hold
// only partitions with something new.
//
// A session belongs to no connection: whoever knows its id and next epoch may use it. Errors leave it as
// it was, so a client that lost its place may find it again. It ends when its last partition is
// forgotten, when its client says so, or when another session needs its slot.

const (
	// fullFetch is the epoch of a request that names all its partitions and asks for a session.
	fullFetch int32 = 0
	// finalFetch is the epoch of a request that names all its partitions and wants no session.
	finalFetch int32 = -1
	// sessionEvictionAge is how long an unused session is safe from others that want its slot, and how long
	// a new one is.
	sessionEvictionAge = 2 * time.Minute
)

// fetchPartitionKey names a partition of a session: by topic id from version 13 on, by name below.
type fetchPartitionKey struct {
	id        cluster.TopicID
	topic     string
	partition int32
}

// cachedPartition is what a session remembers of a partition: what was asked last, and what was answered.
type cachedPartition struct {
	fetchPartitionKey
	maxBytes, leaderEpoch, lastFetchedEpoch int32
	fetchOffset, logStartOffset             int64

	highWatermark, answeredLogStart int64

	previous, next *cachedPartition
}

// fetchSession is one session. mu guards all below it; it is never held while a log is read.
type fetchSession struct {
	id       int32
	usesIDs  bool
	follower bool
	created  time.Time

	mu struct {
		sync.Mutex
		epoch int32 // that the next request must have
		byKey map[fetchPartitionKey]*cachedPartition
		// order is a ring that begins and ends with this sentinel. The partitions that were answered with data
		// go to its end, so that a client with a small limit gets to see all of them in turn.
		order cachedPartition
	}

	// Guarded by fetchSessions.mu.
	lastUsed time.Time
	size     int // partitions, as of the last request
}

func newFetchSession(usesIDs, follower bool, now time.Time) *fetchSession {
	s := &fetchSession{usesIDs: usesIDs, follower: follower, created: now, lastUsed: now}
	s.mu.epoch = 1
	s.mu.byKey = map[fetchPartitionKey]*cachedPartition{}
	s.mu.order.previous, s.mu.order.next = &s.mu.order, &s.mu.order
	return s
}

// putLocked remembers a partition as it is asked for now.
func (s *fetchSession) putLocked(p *cachedPartition) {
	if old := s.mu.byKey[p.fetchPartitionKey]; old != nil {
		old.maxBytes, old.leaderEpoch, old.lastFetchedEpoch = p.maxBytes, p.leaderEpoch, p.lastFetchedEpoch
		old.fetchOffset, old.logStartOffset = p.fetchOffset, p.logStartOffset
		return
	}
	kept := *p
	s.mu.byKey[p.fetchPartitionKey] = &kept
	s.appendLocked(&kept)
}

func (s *fetchSession) forgetLocked(key fetchPartitionKey) {
	if p := s.mu.byKey[key]; p != nil {
		delete(s.mu.byKey, key)
		p.previous.next, p.next.previous = p.next, p.previous
		// The request in work may still hold p: moved to the end later, it must not come back.
		p.previous, p.next = nil, nil
	}
}

func (s *fetchSession) appendLocked(p *cachedPartition) {
	last := s.mu.order.previous
	p.previous, p.next = last, &s.mu.order
	last.next, s.mu.order.previous = p, p
}

// toEndLocked moves a partition behind all others.
func (s *fetchSession) toEndLocked(p *cachedPartition) {
	if p.next == nil {
		return // forgotten meanwhile
	}
	p.previous.next, p.next.previous = p.next, p.previous
	s.appendLocked(p)
}

// fetchSessions is all sessions of this broker.
type fetchSessions struct {
	slots int
	mu    struct {
		sync.Mutex
		byID map[int32]*fetchSession
	}
}

func newFetchSessions(slots int) *fetchSessions {
	s := &fetchSessions{slots: slots}
	s.mu.byID = map[int32]*fetchSession{}
	return s
}

func (s *fetchSessions) get(id int32) *fetchSession {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.byID[id]
}

func (s *fetchSessions) remove(id int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.byID, id)
}

// touch notes that the session was used.
func (s *fetchSessions) touch(f *fetchSession, size int, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.lastUsed, f.size = now, size
}

// add gives a session an id of its own, and a slot. It reports whether there was one.
func (s *fetchSessions) add(f *fetchSession, size int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.size = size
	if len(s.mu.byID) >= s.slots && !s.evictLocked(f) {
		return false
	}
	for f.id == 0 || s.mu.byID[f.id] != nil {
		f.id = rand.Int32N(1<<31-1) + 1
	}
	s.mu.byID[f.id] = f
	return true
}

// evictLocked frees a slot for f: that of the session unused for longest, if it has been for
// sessionEvictionAge; or else of the smallest that is worth less than f and has lived that long. A
// follower's session is worth more than any consumer's.
func (s *fetchSessions) evictLocked(f *fetchSession) bool {
	var stalest, smallest *fetchSession
	for _, o := range s.mu.byID {
		if stalest == nil || o.lastUsed.Before(stalest.lastUsed) {
			stalest = o
		}
		if f.created.Sub(o.created) > sessionEvictionAge && (smallest == nil || o.worthLess(smallest)) {
			smallest = o
		}
	}
	switch {
	case stalest == nil:
		return false
	case f.created.Sub(stalest.lastUsed) > sessionEvictionAge:
		delete(s.mu.byID, stalest.id)
	case smallest != nil && smallest.worthLess(f):
		delete(s.mu.byID, smallest.id)
	default:
		return false
	}
	return true
}

func (f *fetchSession) worthLess(than *fetchSession) bool {
	if f.follower != than.follower {
		return than.follower
	}
	return f.size < than.size
}
