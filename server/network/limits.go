package network

import (
	"net"
	"net/netip"
)

// SetLimits changes the limits. Connections above a lower limit stay.
func (s *Server) SetLimits(l Limits) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.limits = l
	s.wakeAcceptorsLocked()
}

func (s *Server) wakeAcceptorsLocked() {
	close(s.mu.freed)
	s.mu.freed = make(chan struct{})
}

// waitForSlot holds a listener back while there are as many connections as allowed; those that come
// meanwhile wait in the system's backlog. It returns false when the server stops.
func (s *Server) waitForSlot(l *listener) bool {
	for {
		s.mu.Lock()
		limit, n, freed, stopped := s.mu.limits.MaxConnections, len(s.mu.conns), s.mu.freed, s.mu.stopped
		s.mu.Unlock()
		switch {
		case stopped:
			return false
		case limit == 0 || n < limit || s.protected(l):
			return true
		}
		select {
		case <-freed:
		case <-s.ctx.Done():
			return false
		}
	}
}

// protected reports whether a listener's connections may not be kept out by those of others.
func (s *Server) protected(l *listener) bool {
	return l.name == s.options.ProtectedListener || s.isControl(l.name)
}

// isControl reports whether the controller has this listener for itself.
func (s *Server) isControl(listener string) bool {
	return s.options.ControlListener != "" && listener == s.options.ControlListener
}

// admit serves a new connection if the limits allow it.
func (s *Server) admit(l *listener, nc net.Conn) {
	addr := addrPort(nc.RemoteAddr()).Addr()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.stopped || s.mu.closed {
		_ = nc.Close()
		return
	}
	if max, limited := s.mu.limits.forIP(addr); limited && s.mu.perIP[addr] >= max {
		_ = nc.Close()
		if suffix, ok := s.failures.allow("limit per address"); ok {
			s.options.Log.Infof("Rejected connection from /%s, address already has the configured maximum of %d connections.%s", addr, max, suffix)
		}
		return
	}
	if limit := s.mu.limits.MaxConnections; limit != 0 && len(s.mu.conns) >= limit && s.protected(l) {
		s.closeOldestLocked(l)
	}
	s.mu.perIP[addr]++
	s.serveConnLocked(l, nc)
}

func (l *Limits) forIP(addr netip.Addr) (int, bool) {
	if n, ok := l.PerIP[addr.String()]; ok {
		return n, true
	}
	return l.MaxConnectionsPerIP, l.MaxConnectionsPerIP != 0
}

// closeOldestLocked closes the connection of another listener on which nothing moved for longest, so that
// clients can never lock the other brokers out.
func (s *Server) closeOldestLocked(but *listener) {
	var oldest *conn
	for c := range s.mu.conns {
		if c.session.Listener != but.name && !s.isControl(c.session.Listener) && (oldest == nil || c.moved.Load() < oldest.moved.Load()) {
			oldest = c
		}
	}
	if oldest != nil {
		_ = oldest.nc.Close()
	}
}

// remove forgets a connection that has ended.
func (s *Server) remove(c *conn) {
	addr := c.session.Remote.Addr()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.conns, c)
	if s.mu.perIP[addr]--; s.mu.perIP[addr] <= 0 {
		delete(s.mu.perIP, addr)
	}
	c.stats.closed()
	s.wakeAcceptorsLocked()
}
