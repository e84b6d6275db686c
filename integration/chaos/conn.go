package main

import (
	"errors"
	"io"
	"net"
	"sync"
)

// conn is a connection through a proxy.
type conn struct {
	links     *links
	out, back link         // from the one who dialed to the server, and back
	dialer    *net.TCPConn // accepted by the proxy
	server    *net.TCPConn // dialed by it
	lossy     bool         // bytes have vanished; guarded by links.mu
	ended     sync.Mutex   // guards over and server
	over      bool
}

// abort resets both ends.
func (c *conn) abort() {
	c.ended.Lock()
	defer c.ended.Unlock()
	c.over = true
	for _, end := range []*net.TCPConn{c.dialer, c.server} {
		if end != nil {
			_ = end.SetLinger(0)
			_ = end.Close()
		}
	}
}

// connect takes the server's end, unless the connection has been aborted meanwhile.
func (c *conn) connect(server *net.TCPConn) bool {
	c.ended.Lock()
	c.server = server
	over := c.over
	c.ended.Unlock()
	if over {
		c.abort()
	}
	return !over
}

// canConnect waits while no handshake could be made. After that wait there is nothing to connect: the dialer
// would have been told that the server cannot be reached.
func (c *conn) canConnect() bool {
	for waited := false; ; waited = true {
		for _, way := range []link{c.out, c.back} {
			how, changed := c.links.passageOf(way)
			if how == open {
				continue
			}
			<-changed
			waited = true
		}
		if out, _ := c.links.passageOf(c.out); out != open {
			continue
		}
		if back, _ := c.links.passageOf(c.back); back != open {
			continue
		}
		return !waited
	}
}

// pump passes bytes one way until the connection ends. The end itself is passed on like bytes: late, or not
// before the reset, when the link is cut.
func (c *conn) pump(from, to *net.TCPConn, way link, hello *sniffer) {
	buffer := make([]byte, 32<<10)
	for {
		n, end := from.Read(buffer)
		if hello != nil {
			hello.read(buffer[:n])
		}
		if !c.pass(way, end != nil) {
			n = 0
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				c.abort()
				return
			}
		}
		switch {
		case errors.Is(end, io.EOF):
			_ = to.CloseWrite()
			return
		case end != nil:
			c.abort()
			return
		}
	}
}

// pass waits as long as a link delays, and reports whether what was read arrives. What does not ends the
// connection when the link heals; so long an end is kept back, too.
func (c *conn) pass(way link, end bool) bool {
	arrives := true
	for {
		how, changed := c.links.passageOf(way)
		if how == open {
			return arrives
		}
		if how == dropped {
			c.links.lose(c)
			if arrives = false; !end {
				return false
			}
		}
		<-changed
	}
}
