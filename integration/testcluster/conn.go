package testcluster

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// direction is which way bytes go, seen from a connection's owner.
type direction int

const (
	inbound direction = iota
	outbound
)

// conn is a broker's end of a connection. While its broker is paused, nothing is read and nothing written;
// while its link is cut, what is written vanishes and what arrives is not seen. Its fields below the line are
// guarded by links.mu.
type conn struct {
	net.Conn
	links    *links
	owner    node
	peer     node
	accepted bool        // then the peer is a client unless a broker has dialed it
	hello    *sniffer    // of a connection to ZooKeeper
	odd      atomic.Bool // reset, or something is held
	// ---
	closed    bool
	reset     bool
	deadlines [2]time.Time
	wake      chan struct{} // closed and forgotten when something changed; nil while nobody waits
	held      []byte        // read from the socket in the moment of a pause
	heldErr   error
}

// outLocked is the link from the owner to its peer.
func (c *conn) outLocked() link {
	peer := c.peer
	if c.accepted {
		if _, broker := c.links.mu.dialed[c.RemoteAddr().String()]; broker {
			peer = elsewhere // the broker that dialed minds the cuts
		}
	}
	return link{c.owner, peer}
}

func (c *conn) cutLocked(d direction) bool {
	out := c.outLocked()
	if d == inbound {
		return c.links.mu.cut[out.reverse()]
	}
	return c.links.mu.cut[out]
}

func (c *conn) wakeLocked() {
	if c.wake != nil {
		close(c.wake)
		c.wake = nil
	}
}

// abort closes the socket so that the other side hears of it at once, as when a machine has lost a connection.
func (c *conn) abort() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // or else it ends politely, which is as final
	}
	_ = c.Conn.Close()
}

// pass waits until bytes may go this way. lost says that they may, but will not arrive; a caller that cannot
// pretend asks for them to wait instead.
func (c *conn) pass(d direction, pretend bool) (lost bool, err error) {
	for {
		c.links.mu.Lock()
		paused, cut := c.links.mu.paused[c.owner], c.cutLocked(d)
		deadline := c.deadlines[d]
		switch {
		case c.closed:
			err = net.ErrClosed
		case c.reset:
			err = syscall.ECONNRESET
		case !paused && (!cut || pretend):
			c.links.mu.Unlock()
			return cut, nil
		case !deadline.IsZero() && !deadline.After(time.Now()):
			err = os.ErrDeadlineExceeded
		}
		if err != nil {
			c.links.mu.Unlock()
			return false, c.failed(d, err)
		}
		if c.wake == nil {
			c.wake = make(chan struct{})
		}
		wake := c.wake
		c.links.mu.Unlock()
		if deadline.IsZero() {
			<-wake
			continue
		}
		timer := time.NewTimer(time.Until(deadline))
		select {
		case <-wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// failed makes the error that a socket would give.
func (c *conn) failed(d direction, err error) error {
	op := "read"
	if d == outbound {
		op = "write"
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// Read reads what has arrived, if it could.
func (c *conn) Read(b []byte) (int, error) {
	for {
		if c.links.troubled.Load() || c.odd.Load() {
			if _, err := c.pass(inbound, false); err != nil {
				return 0, err
			}
			if n, err := c.takeHeld(b); n > 0 || err != nil {
				return n, err
			}
		}
		n, err := c.Conn.Read(b)
		if c.keeps(b[:n], err) {
			continue
		}
		if c.hello != nil {
			c.hello.read(b[:n])
		}
		return n, err
	}
}

// keeps withholds what the socket gave if a fault began while it was awaited: lost over a cut link, held by a
// paused broker.
func (c *conn) keeps(b []byte, err error) bool {
	if !c.links.troubled.Load() || errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	c.links.mu.Lock()
	defer c.links.mu.Unlock()
	if c.closed || c.reset {
		return false
	}
	if c.cutLocked(inbound) {
		return true
	}
	if c.links.mu.paused[c.owner] {
		c.held, c.heldErr = append(c.held, b...), err
		c.odd.Store(true)
		return true
	}
	return false
}

func (c *conn) takeHeld(b []byte) (int, error) {
	c.links.mu.Lock()
	n := copy(b, c.held)
	c.held = c.held[n:]
	var err error
	if len(c.held) == 0 {
		c.held = nil
		err, c.heldErr = c.heldErr, nil
		c.odd.Store(c.reset)
	}
	c.links.mu.Unlock()
	if c.hello != nil {
		c.hello.read(b[:n])
	}
	return n, err
}

// Write sends; over a cut link it only seems so, as with a socket whose bytes nobody acknowledges.
func (c *conn) Write(b []byte) (int, error) {
	if c.links.troubled.Load() {
		lost, err := c.pass(outbound, true)
		if err != nil {
			return 0, err
		}
		if lost {
			return len(b), nil
		}
	}
	return c.Conn.Write(b)
}

// Close closes the connection. The other side of a cut link does not hear of it before the link is healed.
func (c *conn) Close() error {
	waits, err := c.leave()
	if err != nil {
		return err
	}
	if waits {
		return c.Conn.SetDeadline(time.Unix(1, 0)) // whoever waits in it ends now
	}
	// Not under the lock: it waits for those who use the socket, and they may wait for the lock.
	return c.Conn.Close()
}

// leave takes the connection off the books; it waits if the end of it has to wait for the link.
func (c *conn) leave() (waits bool, err error) {
	c.links.mu.Lock()
	defer c.links.mu.Unlock()
	if c.closed {
		return false, c.failed(outbound, net.ErrClosed)
	}
	c.closed = true
	delete(c.links.mu.conns, c)
	c.wakeLocked()
	waits = c.cutLocked(outbound) && !c.reset
	if waits {
		c.links.mu.limbo[c] = struct{}{}
	} else if !c.accepted {
		delete(c.links.mu.dialed, c.LocalAddr().String())
	}
	return waits, nil
}

// SetDeadline is that of net.Conn; it holds while a fault holds the bytes back, too.
func (c *conn) SetDeadline(t time.Time) error {
	c.noteDeadline(t, inbound, outbound)
	return c.Conn.SetDeadline(t)
}

// SetReadDeadline is that of net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.noteDeadline(t, inbound)
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline is that of net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.noteDeadline(t, outbound)
	return c.Conn.SetWriteDeadline(t)
}

func (c *conn) noteDeadline(t time.Time, ds ...direction) {
	c.links.mu.Lock()
	defer c.links.mu.Unlock()
	for _, d := range ds {
		c.deadlines[d] = t
	}
	c.wakeLocked()
}

// SyscallConn lets a broker read and send by its own system calls, as sendfile(2), subject to the same faults. What it
// would send over a cut link waits, as if the socket's buffer were full.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	under, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	raw, err := under.SyscallConn()
	if err != nil {
		return nil, err
	}
	return rawConn{raw, c}, nil
}

type rawConn struct {
	syscall.RawConn
	conn *conn
}

// Read calls f when there is something to read and it may be read.
func (r rawConn) Read(f func(fd uintptr) bool) error { return r.gate(inbound, r.RawConn.Read, f) }

// Write calls f when there is room to write and it may be written.
func (r rawConn) Write(f func(fd uintptr) bool) error { return r.gate(outbound, r.RawConn.Write, f) }

// gate looks before every call of f, since a fault may have begun while the socket was not ready. It waits
// inside, with the descriptor in use: Close wakes it before it waits for that use to end.
func (r rawConn) gate(d direction, wait func(func(uintptr) bool) error, f func(uintptr) bool) error {
	var stopped error
	err := wait(func(fd uintptr) bool {
		if r.conn.links.troubled.Load() {
			if _, stopped = r.conn.pass(d, false); stopped != nil {
				return true
			}
		}
		return f(fd)
	})
	if stopped != nil {
		return stopped
	}
	return err
}
