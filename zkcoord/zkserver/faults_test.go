package zkserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zookeeper/zk"
)

func TestExpireSession(t *testing.T) {
	s := start(t, Options{})
	w, o := wireSession(t, s.Addr(), ""), wireSession(t, s.Addr(), "")
	w.call(opCreate, "/e", []byte{}, openACL(), 1)
	o.call(opExists, "/e", true)
	if got := s.Sessions(); len(got) != 2 || got[0].ID != w.id || !got[0].Connected || !slices.Equal(got[0].Ephemerals, []string{"/e"}) {
		t.Errorf("sessions %+v", got)
	}
	if !s.ExpireSession(w.id) || s.ExpireSession(w.id) {
		t.Error("a session expires once")
	}
	if a := w.receive(); !a.closed {
		t.Errorf("the connection goes on: %v", a)
	}
	if events := o.heard(); !slices.Equal(events, []string{"2:/e"}) {
		t.Errorf("events %v", events)
	}
}

// A request may have been read, and wait for the lock, in the moment in which its session ends.
func TestAnExpiredSessionWritesNothing(t *testing.T) {
	s := start(t, Options{})
	w := wireSession(t, s.Addr(), "")
	c := onlyConn(s, w.id)
	s.ExpireSession(w.id)
	if goesOn, err := s.handle(c, encode(int32(1), int32(opCreate), "/mine", []byte{}, openACL(), int32(1))); goesOn || err != nil {
		t.Errorf("the request is carried out: %v", err)
	}
	if a := wireSession(t, s.Addr(), "").call(opExists, "/mine", false); a.err != codeNoNode {
		t.Errorf("the session is over and has an ephemeral: %v", a)
	}
}

func TestGoClientLearnsThatItsSessionExpired(t *testing.T) {
	s := start(t, Options{})
	expired, connected := make(chan struct{}), make(chan struct{}, 10)
	c, _, err := zk.Connect([]string{s.Addr()}, 10*time.Second, zk.WithLogger(quiet{}), zk.WithEventCallback(func(e zk.Event) {
		switch e.State {
		case zk.StateExpired:
			close(expired)
		case zk.StateHasSession:
			connected <- struct{}{}
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	<-connected
	s.ExpireSession(c.SessionID())
	select {
	case <-expired:
	case <-time.After(10 * time.Second):
		t.Error("not told within 10 s")
	}
}

func TestDroppedSessionsLiveOn(t *testing.T) {
	s := start(t, Options{})
	for name, drop := range map[string]func(id int64){
		"DropConnections": func(int64) { s.DropConnections() },
		"DropSession":     func(id int64) { s.DropSession(id) },
	} {
		w := wireSession(t, s.Addr(), "")
		drop(w.id)
		if a := w.receive(); !a.closed {
			t.Errorf("%s: the connection goes on: %v", name, a)
		}
		again := dialWire(t, s.Addr())
		if _, _, id := again.handshake(hello{timeout: 10000, id: w.id, password: w.secret}); id != w.id {
			t.Errorf("%s: the session is gone", name)
		}
	}
	if s.DropSession(4711) {
		t.Error("dropped a session that is not there")
	}
}

func TestCutOff(t *testing.T) {
	s := start(t, Options{})
	w, o := wireSession(t, s.Addr(), ""), wireSession(t, s.Addr(), "")
	s.CutOff(w.id)
	if a := w.receive(); !a.closed {
		t.Errorf("the connection goes on: %v", a)
	}
	resume := func() int64 {
		again := dialWire(t, s.Addr())
		_, _, id := again.handshake(hello{timeout: 10000, id: w.id, password: w.secret})
		return id
	}
	if resume() != 0 {
		t.Error("came back though cut off")
	}
	if a := o.call(opExists, "/", false); a.err != 0 {
		t.Errorf("the others: %v", a)
	}
	s.Reconnect(w.id)
	if resume() != w.id {
		t.Error("did not come back")
	}
}

func TestSetDown(t *testing.T) {
	s := start(t, Options{})
	w := wireSession(t, s.Addr(), "")
	s.SetDown(true)
	if a := w.receive(); !a.closed {
		t.Errorf("the connection goes on: %v", a)
	}
	refused := dialWire(t, s.Addr())
	if a := refused.receive(); !a.closed {
		t.Errorf("a new connection: %v", a)
	}
	s.SetDown(false)
	again := dialWire(t, s.Addr())
	if _, _, id := again.handshake(hello{timeout: 10000, id: w.id, password: w.secret}); id != w.id {
		t.Error("the session is gone")
	}
}

func TestLostReplyOfAWriteThatHappened(t *testing.T) {
	s := start(t, Options{})
	c, o := dial(t, s.Addr()), wireSession(t, s.Addr(), "")
	s.LoseReplies(c.SessionID(), 1)
	_, err := c.Create("/lost", nil, zk.FlagEphemeral, zk.WorldACL(zk.PermAll))
	if !errors.Is(err, zk.ErrConnectionClosed) {
		t.Errorf("create: %v", err)
	}
	if a := o.call(opExists, "/lost", false); a.err != 0 {
		t.Errorf("the write did not happen: %v", a)
	}
	s.LoseReplies(o.id, 2)
	s.LoseReplies(o.id, 0)
	if a := o.create("/kept"); a.closed {
		t.Error("lost though called off")
	}
}

func TestFreeze(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, connect := startPiped(t, Options{})
		w := connect()
		w.handshake(hello{timeout: 5000})
		s.Freeze()
		frozen := time.Now()
		go func() {
			time.Sleep(time.Hour)
			s.Thaw()
		}()
		// Neither answered nor expired, however long it takes; and then answered.
		if a := w.call(opExists, "/", false); a.err != 0 || a.closed {
			t.Errorf("after the thaw: %v", a)
		}
		if took := time.Since(frozen); took != time.Hour {
			t.Errorf("answered after %v", took)
		}
		time.Sleep(4999 * time.Millisecond)
		if a := w.call(opPing); a.closed {
			t.Error("the session did not get its time again")
		}
	})
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, connect := startPiped(t, Options{})
		w := connect()
		w.handshake(hello{timeout: 5000})
		s.SetDelay(300 * time.Millisecond)
		begin := time.Now()
		w.call(opExists, "/", false)
		if took := time.Since(begin); took != 300*time.Millisecond {
			t.Errorf("answered after %v", took)
		}
	})
}

// pipes is a listener without a network, so that time can be a test's own.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// startPiped starts a server and returns how to connect to it; it must run inside synctest.
func startPiped(t *testing.T, o Options) (*Server, func() *wire) {
	p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	o.Listener = p
	s := start(t, o)
	return s, func() *wire {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { ours.Close() })
		p.conns <- theirs
		return &wire{t: t, nc: ours}
	}
}

func TestSessionsEndWhenTheirTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, connect := startPiped(t, Options{MinSession: 100 * time.Millisecond})
		short, long := connect(), connect()
		short.handshake(hello{timeout: 150})
		long.handshake(hello{timeout: 30000})
		for range 10 {
			time.Sleep(149 * time.Millisecond)
			if a := short.call(opPing); a.closed {
				t.Fatal("ended though heard in time")
			}
		}
		last := time.Now()
		if a := short.receive(); !a.closed {
			t.Errorf("got %v", a)
		}
		if took := time.Since(last); took != 150*time.Millisecond {
			t.Errorf("ended after %v", took)
		}
		if got := s.Sessions(); len(got) != 1 || got[0].ID != long.id {
			t.Errorf("sessions %+v", got)
		}
		// One that comes back with a shorter time ends by that.
		again := connect()
		again.handshake(hello{timeout: 200, id: long.id, password: long.secret})
		back := time.Now()
		again.receive()
		if took := time.Since(back); took != 200*time.Millisecond {
			t.Errorf("ended after %v", took)
		}
	})
}

func TestSilentConnectionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, connect := startPiped(t, Options{})
		w := connect()
		begin := time.Now()
		if a := w.receive(); !a.closed {
			t.Errorf("got %v", a)
		}
		if took := time.Since(begin); took != handshakeTime {
			t.Errorf("closed after %v", took)
		}
	})
}

func TestMortalNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, connect := startPiped(t, Options{ExtendedTypes: true})
		w := connect()
		w.handshake(hello{timeout: 40000})
		alive := func(d time.Duration) string {
			for range int(d / (10 * time.Second)) {
				time.Sleep(10 * time.Second)
				w.call(opPing)
			}
			var list []string
			for _, path := range []string{"/used", "/unused", "/ttl", "/parent", "/set", "/ttl-0000000003"} {
				if w.call(opExists, path, false).err == 0 {
					list = append(list, path)
				}
			}
			return fmt.Sprint(list)
		}
		w.call(opCreateContainer, "/used", []byte{}, openACL(), 4)
		w.call(opCreateContainer, "/unused", []byte{}, openACL(), 4)
		w.call(opCreateTTL, "/ttl", []byte{}, openACL(), 5, int64(90_000))
		w.call(opCreateTTL, "/ttl-", []byte{}, openACL(), 6, int64(90_000))
		w.call(opCreateTTL, "/parent", []byte{}, openACL(), 5, int64(90_000))
		w.call(opCreateTTL, "/set", []byte{}, openACL(), 5, int64(90_000))
		w.create("/used/kid")
		w.create("/parent/kid")
		if a := w.call(opCreateTTL, "/no", []byte{}, openACL(), 5, int64(0)); a.err != codeBadArguments {
			t.Errorf("a time to live of nothing: %v", a)
		}
		if got := alive(70 * time.Second); got != "[/used /unused /ttl /parent /set /ttl-0000000003]" {
			t.Errorf("after 70 s %v", got)
		}
		w.call(opSetData, "/set", []byte{}, -1)
		w.call(opDelete, "/used/kid", -1)
		if got := alive(70 * time.Second); got != "[/unused /parent /set]" {
			t.Errorf("after 140 s %v", got)
		}
	})
}

func TestRestartGivesEverySessionItsTimeAgain(t *testing.T) {
	d := newDisk()
	s := start(t, Options{files: d})
	w := wireSession(t, s.Addr(), "")
	w.call(opCreate, "/e", []byte{}, openACL(), 1)
	epoch := statOf(t, w.call(opExists, "/e", false).body).czxid
	s.Close()
	s = start(t, Options{files: d})
	again := dialWire(t, s.Addr())
	if _, _, id := again.handshake(hello{seen: w.zxid, timeout: 10000, id: w.id, password: w.secret}); id != w.id {
		t.Fatal("the session is gone")
	}
	if e := statOf(t, again.call(opExists, "/e", false).body); e.czxid != epoch || e.ephemeralOwner != w.id {
		t.Errorf("the ephemeral is another: %+v", e)
	}
	if a := again.create("/x"); a.zxid <= w.zxid {
		t.Error("zxid went back")
	}
}

func TestClientsComeToANewServerInMemory(t *testing.T) {
	s := start(t, Options{})
	w := wireSession(t, s.Addr(), "")
	for range 100 {
		w.call(opSetData, "/", []byte{}, -1)
	}
	s.Close()
	s = start(t, Options{})
	again := dialWire(t, s.Addr())
	// Let in and told that the session is gone, not turned away for ever.
	if n, timeout, _ := again.handshake(hello{seen: w.zxid, timeout: 10000, id: w.id, password: w.secret}); n == 0 || timeout != 0 {
		t.Errorf("answer of %d bytes, time-out %d", n, timeout)
	}
}

func TestSuperMayDoEverything(t *testing.T) {
	s := start(t, Options{SuperDigest: "super:" + digest([]byte("super:secret"))[len("super:"):]})
	o, w := wireSession(t, s.Addr(), ""), wireSession(t, s.Addr(), "")
	o.call(opCreate, "/x", []byte{}, acl{{permRead, identity{"digest", "a:b"}}}, 0)
	if a := w.call(opSetData, "/x", []byte{}, -1); a.err != codeNoAuth {
		t.Errorf("anyone: %v", a)
	}
	w.call(opAuth, 0, "digest", []byte("super:secret"))
	if a := w.call(opSetData, "/x", []byte{}, -1); a.err != 0 {
		t.Errorf("super: %v", a)
	}
}

func TestStartFails(t *testing.T) {
	if _, err := Start(Options{Address: "127.0.0.1:99999"}); err == nil {
		t.Error("an address that cannot be")
	}
	if _, err := Start(Options{Address: "127.0.0.1:99999", DataDir: t.TempDir()}); err == nil {
		t.Error("an address that cannot be, with a directory")
	}
}

// TestManyClients has clients of every kind at once, connections cut and sessions ended under them, and then
// looks whether the server still agrees with itself. It is meant for the race detector.
func TestManyClients(t *testing.T) {
	d := newDisk()
	s := start(t, Options{files: d, SnapshotEvery: 300})
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			c, _, err := zk.Connect([]string{s.Addr()}, 10*time.Second, zk.WithLogger(quiet{}), zk.WithMaxConnBufferSize(1<<20+4096))
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			world := zk.WorldACL(zk.PermAll)
			for n := 0; ctx.Err() == nil; n++ {
				path := fmt.Sprintf("/c%d-%d", i, n%7)
				switch n % 5 {
				case 0:
					c.Create(path, []byte("x"), int32(n/5%2), world)
				case 1:
					c.Set(path, []byte("y"), -1)
				case 2:
					c.Multi(&zk.CreateRequest{Path: path + "m", Acl: world, Flags: 1}, &zk.SetDataRequest{Path: path, Version: -1}, &zk.DeleteRequest{Path: path + "m", Version: -1})
				case 3:
					c.ChildrenW("/")
				case 4:
					c.Delete(path, -1)
				}
			}
		})
	}
	wg.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if list := s.Sessions(); len(list) > 0 && n%10 == 9 {
				s.ExpireSession(list[n%len(list)].ID)
			} else if len(list) > 0 {
				s.DropSession(list[n%len(list)].ID)
			}
		}
	})
	wg.Wait()
	s.mu.Lock()
	err := s.mu.db.check()
	watches := 0
	for c := range s.mu.conns {
		watches += len(c.watches)
	}
	if watches != s.mu.watches.count {
		t.Errorf("%d watches counted, %d there", s.mu.watches.count, watches)
	}
	s.mu.Unlock()
	if err != nil {
		t.Error(err)
	}
	s.Close()
	again := start(t, Options{files: d})
	if err := again.mu.db.check(); err != nil {
		t.Error(err)
	}
	if len(again.mu.db.nodes) != len(s.mu.db.nodes) {
		t.Errorf("%d nodes after the restart, %d before", len(again.mu.db.nodes), len(s.mu.db.nodes))
	}
}
