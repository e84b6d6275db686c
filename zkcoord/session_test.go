package zkcoord

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"ottla/zkcoord/zkserver"
)

// silentServer takes connections and never says a word, as a server does whose process is frozen, or whose port
// opens before it serves.
func silentServer(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// The library would wait for the answer to its hello for ten read timeouts, here 20 s.
func TestASilentServerIsLeftInTime(t *testing.T) {
	t.Parallel()
	s, silent := zooKeeper(t), silentServer(t)
	var dials atomic.Int32
	c := connect(t, Options{
		Connect: s.Addr(), SessionTimeout: 3 * time.Second, ConnectionTimeout: 15 * time.Second,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if dials.Add(1) == 1 {
				address = silent
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	})
	if n := dials.Load(); n != 2 {
		t.Errorf("%d dials, want 2: to the silent server and to the other", n)
	}
	// The deadline was the handshake's: the connection does not end with it.
	time.Sleep(c.mu.session.attemptTime() + 100*time.Millisecond)
	if n := dials.Load(); n != 2 || !c.Connected() {
		t.Errorf("%d dials, connected %v", n, c.Connected())
	}
}

// A session can end in every state of its connection, and only a goodbye that a server owes an answer takes long.
func TestGoodbyesAreQuick(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(t *testing.T, s *zkserver.Server, c *Client, redirect func(address string)){
		"connected": func(*testing.T, *zkserver.Server, *Client, func(string)) {},
		"nobody listens": func(t *testing.T, s *zkserver.Server, c *Client, _ func(string)) {
			s.SetDown(true)
			awaitDisconnected(t, c)
		},
		"amid a handshake": func(t *testing.T, s *zkserver.Server, c *Client, redirect func(string)) {
			redirect(silentServer(t))
			s.SetDown(true)
			awaitDisconnected(t, c)
		},
		"in the moment of the loss": func(_ *testing.T, s *zkserver.Server, _ *Client, _ func(string)) { s.SetDown(true) },
		"expired":                   func(_ *testing.T, s *zkserver.Server, c *Client, _ func(string)) { s.ExpireSession(c.SessionID()) },
		"expired, a call under way": func(t *testing.T, s *zkserver.Server, c *Client, _ func(string)) {
			go c.Topics(t.Context())
			s.ExpireSession(c.SessionID())
		},
	} {
		for how, end := range map[string]func(*Client){"Close": (*Client).Close, "Abandon": (*Client).Abandon} {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				const times = 9
				slow := 0
				for range times {
					s := zooKeeper(t)
					var address atomic.Value
					address.Store(s.Addr())
					c := connect(t, Options{Connect: s.Addr(), Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
						return new(net.Dialer).DialContext(ctx, network, address.Load().(string))
					}})
					before(t, s, c, func(to string) { address.Store(to) })
					began := time.Now()
					end(c)
					if time.Since(began) >= time.Second {
						slow++
					}
				}
				// A machine may be slow now and then.
				if slow > times/2 {
					t.Errorf("%d of %d took more than a second", slow, times)
				}
			})
		}
	}
}

func awaitDisconnected(t testing.TB, c *Client) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); c.Connected(); {
		if time.Now().After(deadline) {
			t.Fatal("still connected")
		}
		time.Sleep(time.Millisecond)
	}
}

// A session that was closed is over at the server as well, one that was abandoned is not.
func TestCloseEndsTheSessionAndAbandonDoesNot(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(*Client)
		left int
	}{
		"Close":   {(*Client).Close, 0},
		"Abandon": {(*Client).Abandon, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := zooKeeper(t)
			tc.end(connect(t, Options{Connect: s.Addr(), SessionTimeout: time.Hour}))
			if n := len(s.Sessions()); n != tc.left {
				t.Errorf("%d sessions are left, want %d", n, tc.left)
			}
		})
	}
}

// tap reads along what is said on a connection, frame by frame: the library writes each with one call.
type tap struct {
	net.Conn
	said func(frame []byte)
}

func (t tap) Write(b []byte) (int, error) {
	t.said(b)
	return t.Conn.Write(b)
}

func TestWatchesAreSetAsOfBeforeTheConnection(t *testing.T) {
	s := zooKeeper(t)
	var mu sync.Mutex
	var hellos, watches []int64
	var current net.Conn
	c := connect(t, Options{Connect: s.Addr(), Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		raw, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		first := true
		mu.Lock()
		current = raw
		mu.Unlock()
		return tap{raw, func(frame []byte) {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case first:
				first = false
				hellos = append(hellos, int64(binary.BigEndian.Uint64(frame[8:])))
			case opcode(frame) == opSetWatches:
				watches = append(watches, int64(binary.BigEndian.Uint64(frame[12:])))
			}
		}}, nil
	}})
	ctx := soon(t)
	check(t, c.EnsurePaths(ctx))
	changed := make(chan struct{}, 100)
	c.WatchTopics(func() { changed <- struct{}{} })
	_, err := c.Topics(ctx)
	check(t, err)

	other := connect(t, Options{Connect: s.Addr()})
	for n := range 20 {
		seen := c.mu.session.lastZxid.Load()
		// Changes that the client does not hear of before it is back.
		mu.Lock()
		current.Close()
		mu.Unlock()
		_, err := other.create(ctx, "/brokers/topics/t", nil, sequential)
		check(t, err)
		receive(t, "call of the watch after the reconnect", changed)
		_, err = c.Topics(ctx)
		check(t, err)
		mu.Lock()
		if len(hellos) != n+2 || hellos[n+1] < seen {
			t.Fatalf("hellos name %v, the last one want %d", hellos, seen)
		}
		if last := hellos[n+1]; len(watches) > 0 && watches[len(watches)-1] > last {
			t.Fatalf("SetWatches names %d, %d was seen before the connection", watches[len(watches)-1], last)
		}
		mu.Unlock()
	}
	mu.Lock()
	defer mu.Unlock()
	if len(watches) == 0 || watches[0] == 0 {
		t.Errorf("SetWatches named %v", watches)
	}
}

// However the stream is cut, the zxids of answers are taken out and noted, and everything else stays.
func TestFramesFollowTheStream(t *testing.T) {
	frame := func(xid int32, zxid int64, rest string) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(12+len(rest)))
		b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(b, uint32(xid)), uint64(zxid))
		return append(b, rest...)
	}
	hello := frame(0, 6000<<32, "the first frame is of another kind")
	var stream, want []byte
	for _, f := range []struct{ sent, got []byte }{
		{hello, hello},
		{frame(1, 7, "\x00\x00\x00\x00answer"), frame(1, 0, "\x00\x00\x00\x00answer")},
		{frame(-1, -1, "event"), frame(-1, -1, "event")},
		{frame(-2, 9, "ping"), frame(-2, 9, "ping")},
		{frame(2, 1<<40+5, ""), frame(2, 0, "")},
		{frame(3, 1<<40+6, "x"), frame(3, 0, "x")},
	} {
		stream, want = append(stream, f.sent...), append(want, f.got...)
	}
	for piece := 1; piece <= len(stream); piece++ {
		b := append([]byte(nil), stream...)
		var f frames
		var zxids []int64
		for at := 0; at < len(b); at += piece {
			f.read(b[at:min(at+piece, len(b))], func(head [headBytes]byte, first bool) {
				if !first {
					zxids = append(zxids, int64(binary.BigEndian.Uint64(head[8:])))
				}
			})
		}
		if string(b) != string(want) || len(zxids) != 3 || zxids[0] != 7 || zxids[1] != 1<<40+5 || f.ended != 6 {
			t.Fatalf("in pieces of %d: zxids %v, %d frames, %q", piece, zxids, f.ended, b)
		}
	}
}

// A request that comes late by a server that the session has left does not end the session.
func TestAMovedSessionLivesOn(t *testing.T) {
	if err := translate(zk.ErrSessionMoved); !errors.Is(err, errConnectionLost) {
		t.Errorf("%v", err)
	}
}
