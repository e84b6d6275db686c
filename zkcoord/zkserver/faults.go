package zkserver

import (
	"slices"
	"time"
)

// Session describes a session to a test.
type Session struct {
	ID         int64
	Timeout    time.Duration
	Connected  bool
	Ephemerals []string
}

// Sessions lists the sessions by id.
func (s *Server) Sessions() []Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Session
	for id, x := range s.mu.sessions.byID {
		list = append(list, Session{id, x.timeout, x.conn != nil, s.mu.db.ephemeralsOf(id)})
	}
	slices.SortFunc(list, func(a, b Session) int { return int(min(max(a.ID-b.ID, -1), 1)) })
	return list
}

// ExpireSession ends a session as if its time were over and reports whether it was there. The client learns
// of it when it connects again.
func (s *Server) ExpireSession(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.mu.sessions.byID[id]
	if x == nil || s.mu.closed {
		return false
	}
	s.expireLocked(x)
	return true
}

// DropConnections cuts every connection once. Sessions live on, and clients may come back at once.
func (s *Server) DropConnections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.mu.conns {
		c.drop()
	}
}

// DropSession cuts the connection of one session once and reports whether it had one.
func (s *Server) DropSession(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.mu.sessions.byID[id]
	if x == nil || x.conn == nil {
		return false
	}
	x.conn.drop()
	return true
}

// CutOff drops the connection of a session and refuses new ones of it until Reconnect. Its time goes on.
func (s *Server) CutOff(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.refused[id] = struct{}{}
	if x := s.mu.sessions.byID[id]; x != nil && x.conn != nil {
		x.conn.drop()
	}
}

// Reconnect ends a CutOff.
func (s *Server) Reconnect(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.refused, id)
}

// SetDown, while true, refuses everybody and has dropped all connections: an outage during which the sessions'
// clocks go on. For one after which they start afresh, Close the server and Start another on the same data.
func (s *Server) SetDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.down = down
	if down {
		for c := range s.mu.conns {
			c.drop()
		}
	}
}

// LoseReplies makes the next n writes of a session take effect without an answer: the connection is cut
// instead. The client cannot tell this from a write that never arrived, which is the hardest case it has.
func (s *Server) LoseReplies(id int64, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n <= 0 {
		delete(s.mu.losing, id)
		return
	}
	s.mu.losing[id] = n
}

// SetDelay holds back everything that is sent to clients by d; zero ends it.
func (s *Server) SetDelay(d time.Duration) { s.delay.Store(int64(d)) }

// Freeze stops everything, as a stopped process would, while connections stay open: no request is read, nothing
// is sent, no session ends. A request or an answer that is on its way already may still pass.
func (s *Server) Freeze() { s.gate.shut() }

// Thaw ends a Freeze. Every session gets its full time again.
func (s *Server) Thaw() {
	s.mu.Lock()
	s.mu.sessions.renew(time.Now())
	s.mu.Unlock()
	s.gate.release()
}
