package zkserver

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// wire speaks to a server frame by frame, for what a client library does not do.
type wire struct {
	t    testing.TB
	nc   net.Conn
	base string // cut off the paths of events when they are printed
	xid  int32
	// events are those that came before the last answer.
	events []string
	id     int64
	secret []byte
	zxid   int64 // of the last answer
}

// answer is a reply, or the news that the connection was closed.
type answer struct {
	xid    int32
	zxid   int64
	err    code
	body   []byte
	closed bool
}

func (a answer) String() string {
	if a.closed {
		return "closed"
	}
	return fmt.Sprintf("%d", a.err)
}

func dialWire(t testing.TB, addr string) *wire {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	return &wire{t: t, nc: nc}
}

// hello is a handshake.
type hello struct {
	seen     int64
	timeout  int32
	id       int64
	password []byte
	java     bool // send the read-only flag as Java does
}

// handshake returns the answer's length, time-out and session; length 0 if the connection was closed.
func (w *wire) handshake(h hello) (length int, timeout int32, id int64) {
	w.t.Helper()
	var e encoder
	e.int32(0)
	e.int64(h.seen)
	e.int32(h.timeout)
	e.int64(h.id)
	e.buffer(h.password)
	if h.java {
		e.bool(false)
	}
	w.frame(e.b)
	b, ok := w.read()
	if !ok {
		return 0, 0, 0
	}
	d := decoder{b: b}
	d.int32()
	timeout, id, w.secret = d.int32(), d.int64(), d.buffer()
	if d.err != nil {
		w.t.Fatalf("handshake's answer: %v", d.err)
	}
	w.id = id
	return len(b), timeout, id
}

// wireSession begins one of 10 s.
func wireSession(t testing.TB, addr, base string) *wire {
	t.Helper()
	w := dialWire(t, addr)
	w.base = base
	if n, _, _ := w.handshake(hello{timeout: 10000}); n == 0 {
		t.Fatal("closed at the handshake")
	}
	return w
}

func (w *wire) frame(b []byte) {
	w.t.Helper()
	if _, err := w.nc.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)); err != nil {
		w.t.Fatalf("write: %v", err)
	}
}

// read returns a frame, false if the connection was closed.
func (w *wire) read() ([]byte, bool) {
	w.t.Helper()
	var head [4]byte
	_, err := io.ReadFull(w.nc, head[:])
	if err == nil {
		b := make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err = io.ReadFull(w.nc, b); err == nil {
			return b, true
		}
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.ECONNRESET) {
		w.t.Fatalf("read: %v", err)
	}
	return nil, false
}

// send sends a request without waiting; the fields are int32, int64, bool, string, []byte, []string, acl.
func (w *wire) send(xid, op int32, fields ...any) {
	w.t.Helper()
	w.frame(encode(append([]any{xid, op}, fields...)...))
}

func encode(fields ...any) []byte {
	var e encoder
	for _, f := range fields {
		switch v := f.(type) {
		case int32:
			e.int32(v)
		case int:
			e.int32(int32(v))
		case int64:
			e.int64(v)
		case bool:
			e.bool(v)
		case string:
			e.string(v)
		case []byte:
			e.buffer(v)
		case []string:
			e.strings(v)
		case acl:
			v.encode(&e)
		case raw:
			e.b = append(e.b, v...)
		default:
			panic(fmt.Sprintf("cannot encode %T", f))
		}
	}
	return e.b
}

type raw []byte

// receive returns the next answer; events that come before are noted.
func (w *wire) receive() answer {
	w.t.Helper()
	for {
		b, ok := w.read()
		if !ok {
			return answer{closed: true}
		}
		d := decoder{b: b}
		a := answer{xid: d.int32(), zxid: d.int64(), err: code(d.int32()), body: d.b}
		if d.err != nil {
			w.t.Fatalf("answer %x", b)
		}
		if a.xid != xidNotification {
			w.zxid = a.zxid
			return a
		}
		kind, state, path := d.int32(), d.int32(), d.string()
		if d.err != nil || state != stateConnected || a.zxid != -1 {
			w.t.Fatalf("notification %x", b)
		}
		w.events = append(w.events, fmt.Sprintf("%d:%s", kind, strings.TrimPrefix(path, w.base)))
	}
}

// call sends a request and returns its answer.
func (w *wire) call(op int32, fields ...any) answer {
	w.t.Helper()
	w.xid++
	w.send(w.xid, op, fields...)
	a := w.receive()
	if !a.closed && a.xid != w.xid {
		w.t.Fatalf("answer to request %d instead of %d", a.xid, w.xid)
	}
	return a
}

// heard returns the events so far and forgets them. A ping makes sure that all have come.
func (w *wire) heard() []string {
	w.t.Helper()
	w.send(-2, opPing)
	w.receive()
	events := w.events
	w.events = nil
	return events
}

func (w *wire) create(path string) answer {
	w.t.Helper()
	return w.call(opCreate, path, []byte("x"), openACL(), 0)
}

// statOf reads a Stat.
func statOf(t testing.TB, b []byte) stat {
	t.Helper()
	d := decoder{b: b}
	s := stat{
		czxid: d.int64(), mzxid: d.int64(), ctime: d.int64(), mtime: d.int64(), version: d.int32(), cversion: d.int32(),
		aversion: d.int32(), ephemeralOwner: d.int64(), dataLength: d.int32(), numChildren: d.int32(), pzxid: d.int64(),
	}
	if d.err != nil {
		t.Fatalf("Stat %x", b)
	}
	return s
}
