package zkserver

import (
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestGarbageEndsOnlyItsConnection(t *testing.T) {
	s := start(t, Options{})
	w := wireSession(t, s.Addr(), "")
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		nc, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, random.IntN(200))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		if len(b) > 4 && random.IntN(2) == 0 {
			copy(b, encode(len(b)-4)) // a frame of the right length with nonsense in it
		}
		nc.Write(b)
		nc.Close()
	}
	if a := w.create("/still"); a.err != 0 || a.closed {
		t.Errorf("the others: %v", a)
	}
	if err := s.mu.db.check(); err != nil {
		t.Error(err)
	}
}

// onlyConn returns the server's connection of a session.
func onlyConn(s *Server, id int64) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.sessions.byID[id].conn
}

func TestAnnouncedBytesTakeNoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, connect := startPiped(t, Options{})
		w := connect()
		w.handshake(hello{timeout: 10000})
		w.nc.Write(encode(maxFrame, 1, 2, 3))
		synctest.Wait()
		if got := cap(onlyConn(s, w.id).frame); got > keptFrame {
			t.Errorf("%d bytes are held for 12", got)
		}
	})
}

func TestSlowReaderIsNotReadFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, connect := startPiped(t, Options{})
		w := connect()
		w.handshake(hello{timeout: 40000})
		w.call(opCreate, "/big", make([]byte, 1<<19), openACL(), 0)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for i := range int32(100) {
				w.send(i, opGetData, "/big", false)
			}
		}()
		synctest.Wait()
		c := onlyConn(s, w.id)
		c.mu.Lock()
		if got := len(c.mu.out); got > slowReader+1<<20 {
			t.Errorf("%d bytes wait for a client that does not read", got)
		}
		c.mu.Unlock()
		for i := range int32(100) {
			if a := w.receive(); a.xid != i || len(a.body) < 1<<19 {
				t.Fatalf("answer %d: %v", i, a)
			}
		}
		<-sent
	})
}

func TestDeadReaderIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, connect := startPiped(t, Options{})
		w, o := connect(), connect()
		w.handshake(hello{timeout: 40000})
		o.handshake(hello{timeout: 40000})
		path := "/" + strings.Repeat("x", 500_000)
		w.call(opAddWatch, path, 0)
		o.create(path)
		for range deadReader/500_000 + 3 {
			o.call(opSetData, path, []byte{}, -1)
		}
		synctest.Wait()
		if onlyConn(s, w.id) != nil {
			t.Error("still connected")
		}
	})
}

func TestMultiReadIsBounded(t *testing.T) {
	s := start(t, Options{})
	w := wireSession(t, s.Addr(), "")
	w.call(opCreate, "/big", make([]byte, 1<<19), openACL(), 0)
	var steps raw
	for range 100 {
		steps = append(steps, step(opGetData, "/big", false)...)
	}
	if a := w.call(opMultiRead, steps, endOfMulti); !a.closed {
		t.Errorf("answered with %d bytes", len(a.body))
	}
}

// TestStandstillEndsNoSession holds the lock, and with it the whole server, for longer than a session lives.
func TestStandstillEndsNoSession(t *testing.T) {
	t.Parallel()
	const timeout = 2 * time.Second // not over before the lock is had, on a busy machine
	s := start(t, Options{MinSession: timeout})
	w := dialWire(t, s.Addr())
	w.handshake(hello{timeout: int32(timeout.Milliseconds())})
	s.mu.Lock()
	before := time.Now()
	time.Sleep(stalledTime + timeout + 500*time.Millisecond)
	s.mu.Unlock()
	for {
		s.mu.Lock()
		x := s.mu.sessions.byID[w.id]
		renewed := x != nil && x.heard.After(before)
		s.mu.Unlock()
		if x == nil {
			t.Fatal("the session ended")
		}
		if renewed {
			return
		}
	}
}
