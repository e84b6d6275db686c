package zkcoord

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"ottla/integration/apache"
	"ottla/zkcoord/cluster"
	"ottla/zkcoord/zkserver"
)

// The library lets calls that wait for a connection run in the next session when theirs has expired: an ephemeral of a life that is
// over would appear in the new one.
func TestWhatWaitedInAnExpiredSessionNeverHappens(t *testing.T) {
	s := zooKeeper(t)
	c := connect(t, Options{Connect: s.Addr()})
	ctx := soon(t)
	_, err := c.create(ctx, "/queue", nil, persistent)
	check(t, err)
	s.SetDown(true)
	pinned := c.Within(c.Generation())
	var calls, waiting sync.WaitGroup
	results := make([]error, 40)
	for i := range results {
		waiting.Add(1)
		calls.Go(func() {
			waiting.Done()
			_, results[i] = pinned.create(ctx, fmt.Sprint("/queue/", i), nil, ephemeral)
		})
	}
	waiting.Wait()
	s.ExpireSession(c.SessionID())
	s.SetDown(false)
	calls.Wait()
	for i, err := range results {
		if !errors.Is(err, ErrSessionExpired) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if names, err := c.children(ctx, "/queue"); err != nil || len(names) > 0 {
		t.Errorf("in the next session there are %v, %v", names, err)
	}
}

// Connections are dropped again and again while writes are under way, each of which names the version that it follows upon: every
// one happens once, though nobody knows at first which answers were lost.
func TestConnectionsThatDropUnderLoad(t *testing.T) {
	s := zooKeeper(t)
	c := connect(t, Options{Connect: s.Addr()})
	ctx := soon(t)
	const writers, writes = 8, 40
	var done atomic.Int32
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			path := fmt.Sprint("/writer-", w)
			if _, err := c.create(ctx, path, nil, persistent); err != nil {
				t.Error(err)
				return
			}
			for version := range int32(writes) {
				got, err := c.set(ctx, path, fmt.Appendf(nil, "%d", version), version)
				if err != nil || got != version+1 {
					t.Errorf("%s: version %d after %d, %v", path, got, version, err)
					return
				}
				done.Add(1)
			}
		})
	}
	finished := make(chan struct{})
	go func() { defer close(finished); wg.Wait() }()
	for drops, at := 0, int32(0); drops < 8; {
		select {
		case <-finished:
			drops = 8
		case <-time.After(time.Millisecond):
			if now := done.Load(); now >= at {
				s.DropConnections()
				drops, at = drops+1, now+writers*writes/10
			}
		}
	}
	<-finished
	for w := range writers {
		if n, err := c.read(ctx, fmt.Sprint("/writer-", w)); err != nil || n.stat.Version != writes || string(n.data) != fmt.Sprint(writes-1) {
			t.Errorf("writer %d: version %d, %q, %v", w, n.stat.Version, n.data, err)
		}
	}
	if c.Generation() != 1 {
		t.Error("another session")
	}
}

// Many stand at the same moment, and each time one is elected, under an epoch that nobody had before.
func TestOfManyWhoStandOneIsElected(t *testing.T) {
	s := zooKeeper(t)
	ctx := soon(t)
	clients := make([]*Client, 5)
	for i := range clients {
		clients[i] = connect(t, Options{Connect: s.Addr()})
	}
	check(t, clients[0].EnsurePaths(ctx))
	for round := range int32(10) {
		errs, reigns := make([]error, len(clients)), make([]Reign, len(clients))
		var wg sync.WaitGroup
		for i, c := range clients {
			wg.Go(func() { reigns[i], errs[i] = c.ElectController(ctx, cluster.BrokerID(i)) })
		}
		wg.Wait()
		winner := slices.Index(errs, nil)
		if winner < 0 {
			t.Fatalf("round %d: nobody won: %v", round, errs)
		}
		for i, err := range errs {
			if i != winner && !errors.Is(err, ErrLost) {
				t.Errorf("round %d: %d won, and %d: %v", round, winner, i, err)
			}
		}
		if reigns[winner].Epoch != round+1 {
			t.Errorf("round %d: epoch %d", round, reigns[winner].Epoch)
		}
		if id, err := clients[0].Controller(ctx); err != nil || id != cluster.BrokerID(winner) {
			t.Errorf("round %d: %d won, /controller says %d, %v", round, winner, id, err)
		}
		check(t, clients[winner].Abdicate(ctx, reigns[winner]))
	}
}

// A session outlives its server, if that comes back with its data. One that comes back with older data, or without any, turns
// clients away who have seen more than it has: it closes their connections and gives no reason. The session waits for servers that know
// it, and says so.
func TestASessionWaitsForServersThatKnowIt(t *testing.T) {
	ports, err := apache.FreePorts(1)
	check(t, err)
	address, data := apache.Loopback(ports[0]), t.TempDir()
	start := func(dir string) *zkserver.Server {
		s, err := zkserver.Start(zkserver.Options{Address: address, DataDir: dir})
		check(t, err)
		t.Cleanup(func() { s.Close() })
		return s
	}
	first := start(data)
	log, lines := logtest.NewNullLogger()
	c := connect(t, Options{Connect: address, Log: log})
	_, err = c.create(soon(t), "/mine", []byte("x"), ephemeral)
	check(t, err)
	session := c.SessionID()
	known := func(what string) {
		t.Helper()
		if n, err := c.read(soon(t), "/mine"); err != nil || n.stat.EphemeralOwner != session || c.Generation() != 1 {
			t.Errorf("%s: owner 0x%x, session 0x%x, generation %d, %v", what, n.stat.EphemeralOwner, session, c.Generation(), err)
		}
	}
	check(t, first.Kill())
	second := start(data)
	known("with its data")

	check(t, second.Close())
	stranger, err := net.Listen("tcp", address)
	check(t, err)
	var turnedAway sync.WaitGroup
	turnedAway.Go(func() {
		for {
			conn, err := stranger.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 64)) // what the client has seen
			_ = conn.Close()
		}
	})
	said := func() bool {
		return slices.ContainsFunc(lines.AllEntries(), func(e *logrus.Entry) bool { return strings.Contains(e.Message, "It waits for servers that know it") })
	}
	for ctx := soon(t); !said(); {
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		if _, err := c.read(short, "/mine"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("of a server without its data: %v", err)
		}
		cancel()
		check(t, ctx.Err())
	}
	check(t, stranger.Close())
	turnedAway.Wait()
	start(data)
	known("with its data again")
}
