package zkcoord

import (
	"encoding/binary"
	"net"
	"time"
)

// conn is the library's connection to one server, from the hello on. It reads along, both ways, to put four things right:
//
// The library waits ten read timeouts for the answer to its hello, two minutes in a session of 18 s: a server that
// was just killed or that does not serve yet would keep us that long from the next. conn ends the attempt after
// attemptTime, and obeys the library's deadlines only when a server has let us in.
//
// The library notes the zxid of each answer in one goroutine while another reads it, to tell the server which
// changes we have seen when it sets the watches anew: a race in which it may name a change that came
// after the reconnect, and then the server keeps quiet about the ones before it.
//
// Invariant WatchesFromBefore: what a server is told of changes seen is what was seen before it let us in. conn takes the
// zxids out of the answers, so that the library knows of none, and puts ours into its hello and its
// SetWatches. TestWatchesAreSetAsOfBeforeTheConnection breaks without it.
//
// The library keeps the granted timeout to itself, and the time when the server was last heard.
type conn struct {
	net.Conn
	session *session
	from    int64 // the last zxid seen when this connection was made
	said    bool  // the hello
	letIn   bool  // its answer was read
	in      frames
}

// attemptTime bounds a dial together with the handshake. A third of the session leaves time for the next server; Kafka's
// client gives each server an equal share of the session. Never less than a second, for servers that are busy.
func (s *session) attemptTime() time.Duration {
	share := time.Duration(s.timeout.Load()) / time.Duration(max(3, len(s.client.hosts)))
	return min(max(share, time.Second), s.client.options.ConnectionTimeout)
}

func newConn(c net.Conn, s *session, deadline time.Time) (*conn, error) {
	if err := c.SetDeadline(deadline); err != nil {
		c.Close()
		return nil, err
	}
	return &conn{Conn: c, session: s, from: s.lastZxid.Load()}, nil
}

// Read reads and takes note. b is changed where a zxid stands.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n == 0 {
		return n, err
	}
	c.session.lastReply.Store(int64(c.session.client.sinceBorn()))
	c.in.read(b[:n], c.answer)
	if !c.letIn && c.in.ended > 0 {
		c.letIn = true
		if err := c.Conn.SetDeadline(time.Time{}); err != nil {
			return n, err
		}
	}
	return n, err
}

// answer sees the head of each frame from the server.
func (c *conn) answer(head [headBytes]byte, first bool) {
	if first { // protocol 4, timeout 4, session 8
		if ms := int32(binary.BigEndian.Uint32(head[8:])); ms > 0 {
			c.session.timeout.Store(int64(time.Duration(ms) * time.Millisecond))
		}
		return
	}
	if zxid := int64(binary.BigEndian.Uint64(head[8:])); zxid > 0 {
		c.session.lastZxid.Store(zxid)
	}
}

const opSetWatches = 101

// Write sends a frame; the library writes each with one call.
func (c *conn) Write(b []byte) (int, error) {
	switch {
	case !c.said: // length 4, protocol 4, zxid 8
		c.said = true
		if len(b) >= 16 {
			binary.BigEndian.PutUint64(b[8:], uint64(c.from))
		}
	case opcode(b) == opSetWatches && len(b) >= 20: // length 4, xid 4, opcode 4, zxid 8
		binary.BigEndian.PutUint64(b[12:], uint64(c.from))
	}
	return c.Conn.Write(b)
}

// opcode is that of a request's frame: length 4, xid 4, opcode 4.
func opcode(frame []byte) int32 {
	if len(frame) < 12 {
		return 0
	}
	return int32(binary.BigEndian.Uint32(frame[8:]))
}

// SetReadDeadline is the library's wish.
func (c *conn) SetReadDeadline(t time.Time) error {
	if !c.letIn {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline is the library's wish.
func (c *conn) SetWriteDeadline(t time.Time) error {
	if !c.letIn {
		return nil
	}
	return c.Conn.SetWriteDeadline(t)
}

// headBytes are what frames looks at: length 4, then of an answer its xid 4 and its zxid 8.
const headBytes = 16

// frames follows a stream from a server, however it is cut into pieces.
type frames struct {
	head  [headBytes]byte
	got   int // bytes of head
	left  int // bytes of the frame behind it
	ended int // whole frames so far
}

// read follows the next bytes. It calls seen with each frame's head, and clears the zxid of those that answer a
// request: an event has -1 for an xid, a ping -2, and the first frame is of another kind.
func (f *frames) read(b []byte, seen func(head [headBytes]byte, first bool)) {
	for len(b) > 0 {
		if f.got == headBytes {
			n := min(f.left, len(b))
			f.left -= n
			b = b[n:]
			f.endIfWhole()
			continue
		}
		f.head[f.got] = b[0]
		if f.got >= 8 && f.answersRequest() {
			b[0] = 0
		}
		f.got++
		b = b[1:]
		if f.got == headBytes {
			if f.ended == 0 || f.answersRequest() {
				seen(f.head, f.ended == 0)
			}
			f.left = max(int(binary.BigEndian.Uint32(f.head[:]))-(headBytes-4), 0)
			f.endIfWhole()
		}
	}
}

func (f *frames) answersRequest() bool {
	return f.ended > 0 && int32(binary.BigEndian.Uint32(f.head[4:])) >= 0
}

func (f *frames) endIfWhole() {
	if f.left == 0 {
		f.got = 0
		f.ended++
	}
}
