package zkserver

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// handshakeTime is how long a connection may take to say who it is.
	handshakeTime = 10 * time.Second
	// farewellTime is how long a connection that has ended may take to receive its last answers.
	farewellTime = 5 * time.Second
	// slowReader is how many unsent bytes a client may have before its next request must wait, and
	// deadReader how many, by notifications alone, before it is dropped.
	slowReader = 4 << 20
	deadReader = 64 << 20
	// keptFrame is the size up to which a connection keeps its buffers between requests.
	keptFrame = 64 << 10
)

// conn is a client's connection: the reader's goroutine applies requests, the writer's sends what they left.
type conn struct {
	server *Server
	net    net.Conn
	reader *bufio.Reader
	frame  []byte // the request being read, reused
	wake   chan struct{}
	gone   chan struct{} // closed when the connection is to end at once

	// Guarded by Server.mu.
	session    *session // nil before the handshake
	identities []identity
	watches    map[watchKey]struct{}
	opened     time.Time
	stats      stats
	lastOp     int32
	lastXid    int32
	lastZxid   int64
	lastAnswer time.Time

	mu struct {
		sync.Mutex
		out     []byte
		durable int64 // log position that must be on disk before out may be sent
		last    bool  // nothing follows; close when sent
		dropped bool
		drained chan struct{} // closed when out has been taken; nil if nobody waits
	}
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{
		server: s, net: nc, reader: bufio.NewReaderSize(nc, 4096), opened: time.Now(),
		wake: make(chan struct{}, 1), gone: make(chan struct{}), watches: map[watchKey]struct{}{},
	}
	host, _, err := net.SplitHostPort(nc.RemoteAddr().String())
	if err != nil {
		host = nc.RemoteAddr().String()
	}
	c.identities = []identity{{"ip", host}}
	return c
}

// drop ends the connection at once, whatever was still to be sent. It never blocks.
func (c *conn) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.mu.dropped {
		c.mu.dropped = true
		close(c.gone)
		c.net.Close()
	}
}

// finish ends the connection when all that was queued is sent.
func (c *conn) finish() {
	c.mu.Lock()
	c.mu.last = true
	c.mu.Unlock()
	c.signal()
}

func (c *conn) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// queue adds a message. The caller holds Server.mu, which gives messages their order. What is said may rest on
// any write so far, one's own or somebody else's that a read has just seen: so it waits until the log is on
// disk up to here, reads as well, or after a crash a client would know of a state that never was.
func (c *conn) queue(build func(e *encoder)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.dropped || c.mu.last {
		return
	}
	at := len(c.mu.out)
	e := encoder{append(c.mu.out, 0, 0, 0, 0)}
	build(&e)
	binary.BigEndian.PutUint32(e.b[at:], uint32(len(e.b)-at-4))
	c.mu.out = e.b
	if c.server.store != nil {
		c.mu.durable = c.server.store.position()
	}
	c.stats.sent++
	c.server.mu.stats.sent++
	c.signal()
}

// reply queues an answer; body may be nil.
func (c *conn) reply(xid int32, zxid int64, err code, body []byte) {
	c.queue(func(e *encoder) {
		e.int32(xid)
		e.int64(zxid)
		e.int32(int32(err))
		e.b = append(e.b, body...)
	})
}

// notify queues a watch event. Its zxid is -1, as up to ZooKeeper 3.8.
func (c *conn) notify(kind int32, path string) {
	c.queue(func(e *encoder) {
		e.int32(xidNotification)
		e.int64(-1)
		e.int32(0)
		e.int32(kind)
		e.int32(stateConnected)
		e.string(path)
	})
	c.mu.Lock()
	tooMuch := len(c.mu.out) > deadReader
	c.mu.Unlock()
	if tooMuch {
		c.drop()
	}
}

// serve runs the connection until it ends.
func (c *conn) serve() {
	var writer sync.WaitGroup
	writer.Go(c.write)
	err := c.read()
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		if dropped, ok := c.server.garbage.allow(); ok {
			c.server.log.Infof("connection of %s ends: %v (%d like it not shown)", c.net.RemoteAddr(), err, dropped)
		}
	}
	s := c.server
	s.mu.Lock()
	delete(s.mu.conns, c)
	s.mu.watches.forget(c)
	if c.session != nil && c.session.conn == c {
		c.session.conn = nil
	}
	s.mu.Unlock()
	// The peer may have closed its side after its last words; what it is owed is still sent, if it takes it.
	c.net.SetWriteDeadline(time.Now().Add(farewellTime))
	c.finish()
	writer.Wait()
	c.drop()
}

// read handles frames until the connection ends or a request ends it.
func (c *conn) read() error {
	c.net.SetReadDeadline(time.Now().Add(handshakeTime))
	head, err := c.reader.Peek(4)
	if err != nil {
		return err
	}
	if answer, is := c.server.fourLetters(string(head)); is {
		c.queueRaw(answer)
		return nil
	}
	frame, err := c.readFrame()
	if err != nil {
		return err
	}
	if !c.server.gate.wait(c.gone) {
		return nil
	}
	if goesOn, err := c.server.handshake(c, frame); !goesOn {
		return err
	}
	c.net.SetReadDeadline(time.Time{})
	for {
		if frame, err = c.readFrame(); err != nil {
			return err
		}
		if !c.server.gate.wait(c.gone) || !c.room() {
			return nil
		}
		if s := c.server.store; s != nil && !s.room(c.gone) {
			return nil
		}
		if goesOn, err := c.server.handle(c, frame); !goesOn {
			return err
		}
	}
}

// readFrame reads one message, valid until the next. Memory is taken as bytes arrive, not as they are announced.
func (c *conn) readFrame() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c.reader, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head[:]))
	if n > maxFrame {
		return nil, fmt.Errorf("request of %d bytes, at most %d are allowed", n, maxFrame)
	}
	if cap(c.frame) > keptFrame {
		c.frame = nil
	}
	c.frame = c.frame[:0]
	for len(c.frame) < n {
		at := len(c.frame)
		step := min(n-at, max(keptFrame, at))
		if cap(c.frame) < at+step {
			grown := make([]byte, at, at+step)
			copy(grown, c.frame)
			c.frame = grown
		}
		c.frame = c.frame[:at+step]
		if _, err := io.ReadFull(c.reader, c.frame[at:]); err != nil {
			return nil, err
		}
	}
	return c.frame, nil
}

// room waits until the client has taken enough of its answers. False: the connection has ended.
func (c *conn) room() bool {
	for {
		c.mu.Lock()
		if len(c.mu.out) <= slowReader {
			c.mu.Unlock()
			return true
		}
		if c.mu.drained == nil {
			c.mu.drained = make(chan struct{})
		}
		drained := c.mu.drained
		c.mu.Unlock()
		select {
		case <-drained:
		case <-c.gone:
			return false
		}
	}
}

func (c *conn) queueRaw(text string) {
	c.mu.Lock()
	c.mu.out = append(c.mu.out, text...)
	c.mu.Unlock()
}

// write sends what is queued, as much as there is at a time, each time after the log has caught up.
func (c *conn) write() {
	var spare []byte
	for {
		select {
		case <-c.wake:
		case <-c.gone:
			return
		}
		c.mu.Lock()
		out, durable, last := c.mu.out, c.mu.durable, c.mu.last
		c.mu.out = spare[:0]
		if c.mu.drained != nil {
			close(c.mu.drained)
			c.mu.drained = nil
		}
		c.mu.Unlock()
		if len(out) > 0 && !c.send(out, durable) || last {
			c.drop()
			return
		}
		if spare = out; cap(spare) > keptFrame {
			spare = nil
		}
	}
}

func (c *conn) send(out []byte, durable int64) bool {
	s := c.server
	if s.store != nil && !s.store.wait(durable, c.gone) {
		return false
	}
	if d := time.Duration(s.delay.Load()); d > 0 {
		select {
		case <-time.After(d):
		case <-c.gone:
			return false
		}
	}
	if !s.gate.wait(c.gone) {
		return false
	}
	_, err := c.net.Write(out)
	return err == nil
}
