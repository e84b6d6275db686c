package network

import "time"

// sweep closes connections on which nothing has moved for the idle timeout while it was the client's turn,
// to send a request or to read an answer. One look at all connections now and then replaces a deadline set
// on a socket for every read and write.
func (s *Server) sweep() {
	ticker := time.NewTicker(min(max(s.options.IdleTimeout/16, time.Millisecond), time.Second))
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			s.closeIdle(now.Add(-s.options.IdleTimeout).UnixNano())
		case <-s.ctx.Done():
			return
		}
	}
}

// closeIdle closes the connections that have been silent since before the given time in Unix nanoseconds.
func (s *Server) closeIdle(before int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.mu.conns {
		if c.moved.Load() < before && (c.writing.Load() || !c.working.Load()) {
			c.stats.expired.Inc()
			s.options.Log.Debugf("Closing %s: idle for %s", c.session.ConnectionID, s.options.IdleTimeout)
			_ = c.nc.Close()
		}
	}
}

// touch notes that bytes move.
func (c *conn) touch() { c.moved.Store(time.Now().UnixNano()) }

// writeBegins notes that from now on it is the client's turn to read.
func (c *conn) writeBegins() {
	c.touch()
	c.writing.Store(true)
}

// wrote notes that n bytes have left.
func (c *conn) wrote(n int) {
	c.touch()
	c.writing.Store(false)
	c.stats.bytesOut.Add(float64(n))
}
