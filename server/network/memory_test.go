package network

import (
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// memoryListener hands out connections in memory, on which synctest's clock can wait.
type memoryListener struct {
	conns chan net.Conn
	once  sync.Once
	ended chan struct{}
}

func newMemoryListener() *memoryListener {
	return &memoryListener{conns: make(chan net.Conn), ended: make(chan struct{})}
}

func (m *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.ended:
		return nil, net.ErrClosed
	}
}
func (m *memoryListener) Close() error   { m.once.Do(func() { close(m.ended) }); return nil }
func (m *memoryListener) Addr() net.Addr { return &net.TCPAddr{} }

func (m *memoryListener) dial(t testing.TB) client {
	near, far := net.Pipe()
	m.conns <- far
	return client{t, near}
}

// startInMemory serves h without a socket, inside a synctest bubble.
func startInMemory(t testing.TB, o Options, h Handler) (*Server, *memoryListener) {
	l := newMemoryListener()
	o.Listeners = []Listener{{Name: "PLAINTEXT", Protocol: "PLAINTEXT"}}
	o.Listen = func(string, string) (net.Listener, error) { return l, nil }
	s, err := Listen(o, h)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	return s, l
}

func TestASilentConnectionIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := startInMemory(t, Options{IdleTimeout: time.Minute}, handlerFunc(echo))
		defer s.Close()
		c := l.dial(t)
		for range 5 {
			time.Sleep(50 * time.Second)
			c.send(frame(3, 0, 1, "alive"))
			c.expect(1, "alive")
		}
		begin := time.Now()
		c.expectEnd()
		if took := time.Since(begin); took < time.Minute || took > time.Minute+2*time.Second {
			t.Errorf("closed after %v of silence, want a minute", took)
		}
	})
}

func TestAConnectionIsNotIdleWhileItsRequestIsInWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := startInMemory(t, Options{IdleTimeout: time.Minute}, handlerFunc(func(r *Request) {
			time.AfterFunc(time.Hour, func() { r.Answer(Answer{Head: []byte("late")}) })
		}))
		defer s.Close()
		c := l.dial(t)
		c.send(frame(11, 0, 1, "join"))
		c.expect(1, "late")
	})
}

func TestAClientThatDoesNotReadItsAnswersIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := make(chan time.Time, 1)
		s, l := startInMemory(t, Options{IdleTimeout: time.Minute}, handlerFunc(func(r *Request) {
			r.Answer(Answer{Head: make([]byte, 1<<20), Done: func() { done <- time.Now() }})
		}))
		defer s.Close()
		begin := time.Now()
		l.dial(t).send(frame(1, 0, 1, "fetch"))
		if took := (<-done).Sub(begin); took < time.Minute || took > time.Minute+2*time.Second {
			t.Errorf("the answer was given up after %v, want a minute", took)
		}
	})
}

func TestAThrottledConnectionWaitsAfterItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := startInMemory(t, Options{}, handlerFunc(func(r *Request) {
			r.Throttle(3 * time.Second)
			echo(r)
		}))
		defer s.Close()
		c := l.dial(t)
		begin := time.Now()
		for i := range int32(3) {
			go c.Write(frame(3, 0, i, "x"))
			c.expect(i, "x")
		}
		if took := time.Since(begin); took != 6*time.Second {
			t.Errorf("three answers took %v, want 6 s", took)
		}
	})
}

func TestFramesInWorkAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handled := make(chan *Request, 10)
		s, l := startInMemory(t, Options{QueuedMaxBytes: 1000}, handlerFunc(func(r *Request) { handled <- r }))
		defer s.Close()
		clients := make([]client, 4)
		for i := range clients {
			clients[i] = l.dial(t)
			clients[i].send(frame(3, 0, int32(i), string(make([]byte, 600))))
			synctest.Wait()
		}
		if n := len(handled); n != 2 {
			t.Fatalf("%d frames of 600 bytes are in work, want 2: the second may exceed the limit of 1000", n)
		}
		(<-handled).Answer(Answer{})
		clients[0].expect(0, "")
		synctest.Wait()
		if n := len(handled); n != 2 {
			t.Errorf("%d more are in work after one was answered, want the second and one other", n)
		}
		(<-handled).Release() // the request waits, its frame does not
		synctest.Wait()
		if n := len(handled); n != 2 {
			t.Errorf("%d more are in work after a frame was released, want both others", n)
		}
	})
}

func TestOutstandingAnswersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handled := make(chan *Request, 10)
		s, l := startInMemory(t, Options{MaxPipelined: 3}, handlerFunc(func(r *Request) { r.Pipeline(); handled <- r }))
		defer s.Close()
		c := l.dial(t)
		for i := range int32(5) {
			go c.Write(frame(0, 0, i, "x"))
			synctest.Wait()
		}
		if n := len(handled); n != 3 {
			t.Fatalf("%d produces are outstanding, want 3", n)
		}
		(<-handled).Answer(Answer{})
		c.expect(0, "")
		synctest.Wait()
		if n := len(handled); n != 3 {
			t.Errorf("%d produces are outstanding after one was answered, want 3", n)
		}
	})
}

func TestALateAnswerIsDropped(t *testing.T) {
	for name, pipeline := range map[string]bool{"in work": false, "pipelined": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				handled := make(chan *Request, 1)
				s, l := startInMemory(t, Options{}, handlerFunc(func(r *Request) {
					if pipeline {
						r.Pipeline()
					}
					handled <- r
				}))
				l.dial(t).send(frame(0, 0, 1, "x"))
				r := <-handled
				s.Close()
				dropped := false
				r.Answer(Answer{Done: func() { dropped = true }})
				if !dropped {
					t.Error("Done was not called")
				}
			})
		})
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := startInMemory(t, Options{Limits: Limits{MaxConnections: 1}}, handlerFunc(echo))
		defer s.Close()
		first := l.dial(t)
		served := make(chan client)
		go func() { served <- l.dial(t) }()
		synctest.Wait()
		select {
		case <-served:
			t.Fatal("a second connection was accepted")
		default:
		}
		first.Close()
		second := <-served
		second.send(frame(3, 0, 1, "x"))
		second.expect(1, "x")
		second.Close()
	})
}

func TestNobodyMayConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := startInMemory(t, Options{Limits: Limits{MaxConnections: -1}}, handlerFunc(echo))
		defer s.Close()
		served := make(chan client)
		go func() { served <- l.dial(t) }()
		synctest.Wait()
		select {
		case <-served:
			t.Fatal("a connection was accepted")
		default:
		}
		s.SetLimits(Limits{MaxConnections: 1})
		c := <-served
		c.send(frame(3, 0, 1, "x"))
		c.expect(1, "x")
		c.Close()
	})
}

func TestAReadThatFailsEndsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := startInMemory(t, Options{}, handlerFunc(func(r *Request) { r.Close(errors.New("no")) }))
		defer s.Close()
		c := l.dial(t)
		c.send(frame(3, 0, 1, "x"))
		c.expectEnd()
		synctest.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.mu.conns) != 0 || len(s.mu.perIP) != 0 {
			t.Errorf("%d connections are left, %v", len(s.mu.conns), s.mu.perIP)
		}
	})
}

func TestSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := startInMemory(t, Options{}, handlerFunc(func(r *Request) { r.Pipeline() }))
		defer s.Close()
		l.dial(t).send(frame(0, 0, 1, "x"))
		l.dial(t)
		time.Sleep(time.Second)
		synctest.Wait()
		got := s.Snapshot()
		if got.Open != 2 || got.Listeners[0].Open != 2 || got.Connections[0].Outstanding+got.Connections[1].Outstanding != 1 || got.Connections[0].SilentMS != 1000 {
			t.Errorf("%+v", got)
		}
	})
}

func TestAnAnswerWaitsForAtMostOneSlowRequestBehindIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := startInMemory(t, Options{}, handlerFunc(func(r *Request) {
			time.Sleep(10 * time.Millisecond) // an append on a slow disk
			r.Answer(Answer{})
		}))
		defer s.Close()
		c := l.dial(t)
		c.send(frame(0, 0, 0, ""), frame(0, 0, 1, ""), frame(0, 0, 2, ""), frame(0, 0, 3, ""))
		begin := time.Now()
		for i := range int32(4) {
			c.expect(i, "")
			if took, most := time.Since(begin), time.Duration(i+2)*10*time.Millisecond; took > most {
				t.Errorf("answer %d came after %v, want at most %v", i, took, most)
			}
		}
	})
}

func TestTheListenerOfTheBrokersIsNeverLockedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listeners := map[string]*memoryListener{"CLIENTS": newMemoryListener(), "BROKERS": newMemoryListener()}
		s, err := Listen(Options{
			Listeners: []Listener{{Name: "CLIENTS", Port: 1}, {Name: "BROKERS", Port: 2}}, ProtectedListener: "BROKERS",
			Listen: func(_, address string) (net.Listener, error) {
				return listeners[map[string]string{":1": "CLIENTS", ":2": "BROKERS"}[address]], nil
			},
			Limits: Limits{MaxConnections: 2},
		}, handlerFunc(echo))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.Start()
		silent := listeners["CLIENTS"].dial(t)
		time.Sleep(time.Second)
		busy := listeners["CLIENTS"].dial(t)
		time.Sleep(time.Second)
		broker := listeners["BROKERS"].dial(t)
		silent.expectEnd()
		for _, c := range []client{busy, broker} {
			c.send(frame(3, 0, 1, "x"))
			c.expect(1, "x")
		}
	})
}

func TestStopAcceptingLeavesConnectionsAlone(t *testing.T) {
	s := start(t, Options{}, handlerFunc(echo))
	c := dial(t, s)
	c.send(frame(3, 0, 1, "x"))
	c.expect(1, "x")
	s.StopAccepting()
	if nc, err := net.Dial("tcp", s.Addrs()["PLAINTEXT"].String()); err == nil {
		nc.Close()
		t.Error("a connection was made after StopAccepting")
	}
	c.send(frame(3, 0, 2, "y"))
	c.expect(2, "y")
	s.Close()
	s.Close()
	c.expectEnd()
}

// Clients that use up connections and memory hold up each other, and never the controller.
func TestTheControllersListenerWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listeners := map[string]*memoryListener{"CLIENTS": newMemoryListener(), "CONTROL": newMemoryListener()}
		var held []*Request
		s, err := Listen(Options{
			Listeners: []Listener{{Name: "CLIENTS", Port: 1}, {Name: "CONTROL", Port: 2}}, ControlListener: "CONTROL",
			Listen: func(_, address string) (net.Listener, error) {
				return listeners[map[string]string{":1": "CLIENTS", ":2": "CONTROL"}[address]], nil
			},
			Limits: Limits{MaxConnections: 2}, QueuedMaxBytes: 10,
		}, handlerFunc(func(r *Request) {
			if r.Session.Listener == "CLIENTS" {
				held = append(held, r)
				return
			}
			echo(r)
		}))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.Start()
		for range 2 {
			listeners["CLIENTS"].dial(t).send(frame(3, 0, 1, "a request that is larger than what all may hold"))
		}
		synctest.Wait()
		if len(held) != 1 {
			t.Errorf("%d requests of clients are in work, want one", len(held))
		}
		controller := listeners["CONTROL"].dial(t)
		controller.send(frame(3, 0, 1, "x"))
		controller.expect(1, "x")
	})
}
