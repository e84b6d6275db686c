package zkserver

import (
	"crypto/subtle"
	"errors"
	"time"
)

// handshake answers the first frame of a connection: it opens a session or resumes one. False ends the
// connection, after what was queued has been sent.
func (s *Server) handshake(c *conn, frame []byte) (goesOn bool, err error) {
	d := decoder{b: frame}
	d.int32() // protocol version, 0
	seen, timeout, id, password := d.int64(), time.Duration(d.int32())*time.Millisecond, d.int64(), d.buffer()
	if d.err != nil {
		return false, errors.New("handshake too short")
	}
	// Whether to serve read-only is asked by Java clients only, and only they get the answer's last byte.
	asksReadOnly := len(d.b) > 0

	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.stats.received++
	c.stats.received++
	c.lastOp = opOpenSession
	if s.mu.closed || s.mu.down {
		return false, nil
	}
	if _, cut := s.mu.refused[id]; cut && id != 0 {
		return false, nil
	}
	if seen > s.mu.db.zxid {
		// The client has seen a future that this server lost or never had; nothing it would read here is true for it.
		return false, errors.New("the client has seen a higher zxid than ours; it belongs to another or a newer data directory")
	}
	timeout = min(max(timeout, s.options.MinSession), s.options.MaxSession)
	x := s.mu.sessions.byID[id]
	switch {
	case id == 0:
		x = s.openSessionLocked(timeout)
	case x != nil:
		// The older connection goes first, and goes even if the password is then found wrong: as in ZooKeeper.
		if x.conn != nil {
			x.conn.drop()
			x.conn = nil
		}
		if subtle.ConstantTimeCompare(password, s.mu.db.password(id)) != 1 {
			x = nil
			break
		}
		x.timeout, x.heard = timeout, time.Now()
		s.mu.sessions.reschedule(x)
		s.wakeClock()
	}
	answer, password := int64(0), make([]byte, 16)
	if x != nil {
		x.conn, c.session = c, x
		answer, password = x.id, s.mu.db.password(x.id)
	} else {
		timeout = 0 // no session and no time: the only way in which a client learns that its session has expired
	}
	c.queue(func(e *encoder) {
		e.int32(0)
		e.int32(int32(timeout.Milliseconds()))
		e.int64(answer)
		e.buffer(password)
		if asksReadOnly {
			e.bool(false)
		}
	})
	return x != nil, nil
}
