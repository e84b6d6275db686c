package zkserver

import (
	"container/heap"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// session is a client's life, which may span connections. It ends when the client says so or when nothing was
// heard of it for its time-out; a lost connection does not end it.
type session struct {
	id      int64
	timeout time.Duration
	heard   time.Time
	conn    *conn // nil while the client is away

	due   time.Time // when to look at it again; never later than its end
	index int       // in the heap
}

func (x *session) end() time.Time { return x.heard.Add(x.timeout) }

// sessions finds the next session to end. Hearing of a session, which happens with every packet, only stores a
// time: the heap is put right when the old one is due.
type sessions struct {
	byID map[int64]*session
	due  dueHeap
}

func newSessions() sessions { return sessions{byID: map[int64]*session{}} }

func (s *sessions) add(x *session) {
	x.due = x.end()
	s.byID[x.id] = x
	heap.Push(&s.due, x)
}

func (s *sessions) remove(x *session) {
	delete(s.byID, x.id)
	heap.Remove(&s.due, x.index)
}

// reschedule is for a session whose end may have come nearer.
func (s *sessions) reschedule(x *session) {
	x.due = x.end()
	heap.Fix(&s.due, x.index)
}

// renew gives every session its full time again.
func (s *sessions) renew(now time.Time) {
	for _, x := range s.byID {
		x.heard = now
	}
}

// expired returns a session whose time is over, or nil and the time of the next look (zero without sessions).
func (s *sessions) expired(now time.Time) (*session, time.Time) {
	for len(s.due) > 0 {
		x := s.due[0]
		if x.due.After(now) {
			return nil, x.due
		}
		if !x.end().After(now) {
			return x, now
		}
		s.reschedule(x)
	}
	return nil, time.Time{}
}

type dueHeap []*session

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *dueHeap) Push(x any) {
	s := x.(*session)
	s.index = len(*h)
	*h = append(*h, s)
}

func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	s := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return s
}

// firstSessionID follows ZooKeeper: the server's number, 1, in the top byte, then 40 bits of the clock in ms,
// then a counter. So ids are positive, and none looks like the owner of a container or of a node with a time to live.
func firstSessionID(now time.Time) int64 { return now.UnixMilli()<<24>>8&(1<<56-1) | 1<<56 }

// password proves that a client is the one that a session was given to.
func (db *database) password(session int64) []byte {
	mac := hmac.New(sha256.New, db.secret)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(session)))
	return mac.Sum(nil)[:16]
}

// openSessionLocked gives a client a new session.
func (s *Server) openSessionLocked(timeout time.Duration) *session {
	id := s.mu.nextID
	s.mu.nextID++
	tx := s.beginLocked(nil)
	tx.do(change{kind: changeOpenSession, session: id, timeout: timeout})
	s.commitLocked(tx)
	x := &session{id: id, timeout: timeout, heard: time.Now()}
	s.mu.sessions.add(x)
	s.wakeClock()
	return x
}

// closeSessionLocked ends a session and its ephemerals, all with one zxid.
func (s *Server) closeSessionLocked(x *session) {
	tx := s.beginLocked(nil)
	tx.do(change{kind: changeCloseSession, session: x.id})
	s.commitLocked(tx)
	s.mu.sessions.remove(x)
}

// expireLocked ends a session that its client did not end. Its connection goes without a word.
//
// Invariant NoWritesAfterTheEnd: a request that was read before and waits for its turn is not carried out, for what it
// made would belong to a session that never ends again: a /controller that no broker holds and none can
// take. So the session forgets its connection. TestAnExpiredSessionWritesNothing breaks without it.
func (s *Server) expireLocked(x *session) {
	s.closeSessionLocked(x)
	if x.conn != nil {
		x.conn.drop()
		x.conn = nil
	}
}

// wakeClock makes the clock look again at what is next.
func (s *Server) wakeClock() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// stalledTime is how late the clock may be before it must have stood still.
const stalledTime = time.Second

// runClock ends sessions and mortal nodes when their time is over.
//
// If it wakes much later than it meant to, the whole process was stopped, by a debugger or with the machine:
// what clients sent meanwhile is still unread, so nobody is to blame for silence, and every session gets its
// full time again, as after a restart. Without this a broker that shares the process would lose its session.
func (s *Server) runClock() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	planned := time.Now()
	reap := planned.Add(s.options.ReapInterval)
	for {
		select {
		case <-s.done:
			return
		case <-s.wake:
		case <-timer.C:
		}
		if !s.gate.wait(s.done) {
			return
		}
		s.mu.Lock()
		now := time.Now()
		if late := now.Sub(planned); late > stalledTime {
			s.log.Warnf("stood still for %v; all sessions get their full time again", late)
			s.mu.sessions.renew(now)
		}
		var next time.Time
		for !s.mu.closed {
			var x *session
			if x, next = s.mu.sessions.expired(now); x == nil {
				break
			}
			s.log.Infof("session 0x%x expired, nothing heard for %v", x.id, x.timeout)
			s.expireLocked(x)
		}
		if !s.mu.closed && !now.Before(reap) {
			s.reapLocked(now)
			reap = now.Add(s.options.ReapInterval)
		}
		s.mu.Unlock()
		if next.IsZero() || reap.Before(next) {
			next = reap
		}
		planned = next
		timer.Reset(time.Until(next))
	}
}

// reapLocked deletes containers that have had children and have none now, and childless nodes that were not
// changed for their time to live. Each gets a zxid of its own.
func (s *Server) reapLocked(now time.Time) {
	for path := range s.mu.db.mortal {
		n := s.mu.db.nodes[path]
		over := n.isContainer() && n.creates > 0
		if ttl := n.ttl(); ttl > 0 {
			over = now.Sub(time.UnixMilli(n.mtime)) >= ttl
		}
		if over && len(n.children) == 0 {
			tx := s.beginLocked(nil)
			tx.do(change{kind: changeDelete, path: path})
			s.commitLocked(tx)
		}
	}
}
