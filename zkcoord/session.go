package zkcoord

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/sirupsen/logrus"
)

// session is one ZooKeeper session and the one connection object that may ever speak for it.
//
// Invariant OneSessionPerConn: after "expired" the library would open another session with the same
// object and let waiting calls run in it, so an ephemeral meant for the old life would appear in the new
// one. The callback therefore marks the session over before the library dials again, and from then on
// the dialer hands out nothing but a farewell. TestExpiredSessionNeverDialsAgain breaks without it.
type session struct {
	generation int64
	client     *Client
	conn       *zk.Conn
	events     <-chan zk.Event
	built      chan struct{} // conn is set

	ctx  context.Context // ends when the session is over
	stop context.CancelFunc
	over chan struct{} // closed before the library may dial again

	// lastReply is the time of the last bytes from a server, nanoseconds on the monotonic clock since
	// client.born; timeout is what the server granted, in nanoseconds; lastZxid is of the last answer.
	lastReply atomic.Int64
	timeout   atomic.Int64
	lastZxid  atomic.Int64

	mu struct {
		sync.Mutex
		ended     bool
		expired   bool
		connected chan struct{} // closed while the session stands and the connection, too
		lost      chan struct{} // closed while it does not, from the first time on
		isUp      bool
		everUp    bool
		raw       net.Conn
		unheard   int // connections since the last on which a server let the session go on
	}
	closers sync.WaitGroup
}

// openSession starts to connect and returns at once.
func openSession(c *Client, generation int64) (*session, error) {
	ctx, stop := context.WithCancel(context.Background())
	s := &session{
		generation: generation, client: c, ctx: ctx, stop: stop,
		built: make(chan struct{}), over: make(chan struct{}),
	}
	s.mu.connected = make(chan struct{})
	s.timeout.Store(int64(c.options.SessionTimeout))
	conn, events, err := zk.Connect(c.hosts, c.options.SessionTimeout,
		zk.WithHostProvider(newHostList(c.hosts, s.over)),
		zk.WithDialer(s.dial),
		zk.WithEventCallback(s.onEvent),
		zk.WithLogger(libraryLogger{c.options.Log}),
		zk.WithLogInfo(false),
		zk.WithMaxConnBufferSize(maxRequestBytes+64<<10),
	)
	if err != nil {
		stop()
		return nil, fmt.Errorf("connect to ZooKeeper: %w", err)
	}
	s.conn, s.events = conn, events
	close(s.built)
	return s, nil
}

// worthATelling is after how many connections in vain there is a line in the log. A server that restarts is back by then.
const worthATelling = 5

// dial connects to one server, in time for the handshake as well. Once the session is over it returns a
// farewell and has the library closed, which is then quick.
func (s *session) dial(network, address string, _ time.Duration) (net.Conn, error) {
	if s.ctx.Err() != nil {
		return s.dialFarewell(), nil
	}
	deadline := time.Now().Add(s.attemptTime())
	ctx, cancel := context.WithDeadline(s.ctx, deadline)
	defer cancel()
	raw, err := s.client.options.Dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.ended {
		raw.Close()
		return nil, errSessionOver
	}
	s.mu.raw = raw
	if s.mu.unheard++; s.mu.unheard == worthATelling && s.mu.everUp {
		s.client.options.Log.Warnf("ZooKeeper session 0x%x: %d connections, the last to %s, and none on which it could go on: the servers do not answer, or their "+
			"data is older than what the session has seen, as after a loss or from a backup. It waits for servers that know it", s.conn.SessionID(), worthATelling, address)
	}
	return newConn(raw, s, deadline)
}

func (s *session) dialFarewell() net.Conn {
	s.closers.Go(func() {
		<-s.built
		s.conn.Close()
	})
	return newFarewell(time.Duration(s.timeout.Load()))
}

// onEvent runs on the library's goroutine, before it does anything else about the event. It must not
// block, nor call the connection.
func (s *session) onEvent(e zk.Event) {
	if e.Type != zk.EventSession {
		if e.Type != zk.EventNotWatching {
			s.client.watches.fire(s, e.Type, e.Path)
		}
		return
	}
	switch e.State {
	case zk.StateHasSession:
		s.up()
	case zk.StateDisconnected:
		s.down()
	case zk.StateExpired:
		s.expire("ZooKeeper answered that it has expired")
	case zk.StateAuthFailed:
		s.client.metrics.authFailures.Inc()
	}
}

func (s *session) up() {
	s.mu.Lock()
	again := s.mu.everUp
	if s.mu.ended || s.mu.isUp {
		s.mu.Unlock()
		return
	}
	s.mu.isUp, s.mu.everUp, s.mu.unheard = true, true, 0
	s.mu.lost = make(chan struct{})
	close(s.mu.connected)
	s.mu.Unlock()

	s.client.metrics.connects.Inc()
	if again {
		s.client.options.Log.Infof("ZooKeeper session 0x%x: connected again", s.conn.SessionID())
		// The library sets the watches anew, but a failure to do so is only logged. Reading once more what
		// is watched costs little.
		s.client.watches.fireAll(s)
	}
}

func (s *session) down() {
	s.mu.Lock()
	was := s.mu.isUp
	if was {
		s.mu.isUp = false
		close(s.mu.lost)
		s.mu.connected = make(chan struct{})
	}
	ended := s.mu.ended
	s.mu.Unlock()
	if was && !ended {
		s.client.metrics.disconnects.Inc()
		s.client.options.Log.Warn("Connection to ZooKeeper lost; the session stands as long as ZooKeeper says so")
	}
}

// expire ends the session for good and wakes the keeper, which opens the next one.
func (s *session) expire(why string) {
	s.mu.Lock()
	if s.mu.ended {
		s.mu.Unlock()
		return
	}
	s.mu.ended, s.mu.expired = true, true
	raw := s.mu.raw
	s.mu.Unlock()
	close(s.over)
	s.stop()
	raw.Close() // the library leaves it to the server
	s.client.metrics.expires.Inc()
	s.client.options.Log.Warnf("ZooKeeper session %d of this process is over: %s", s.generation, why)
	s.client.wakeKeeper()
}

// close ends the session on the server, if it can be reached within goodbyeTime, and waits for the
// library's goroutine.
func (s *session) close() { s.end(true) }

// abandon leaves the session to the server, as kill -9 would: its ephemerals stay until it expires there.
func (s *session) abandon() { s.end(false) }

func (s *session) end(politely bool) {
	s.mu.Lock()
	first, up := !s.mu.ended, s.mu.isUp
	s.mu.ended = true
	raw, lost := s.mu.raw, s.mu.lost
	s.mu.Unlock()
	if first {
		if politely && up {
			s.sayGoodbye(raw, lost)
		}
		close(s.over)
		s.stop()
	}
	if raw != nil {
		raw.Close()
	}
	for range s.events {
		// Closed when the library's goroutine has ended.
	}
	s.closers.Wait()
}

// goodbyeTime bounds the wait for a server that does not answer.
const goodbyeTime = time.Second

// sayGoodbye asks the server to end the session, upon which it closes the connection. The library would not tell a lost
// connection from a slow answer.
func (s *session) sayGoodbye(raw net.Conn, lost <-chan struct{}) {
	request := binary.BigEndian.AppendUint32(nil, 8)
	request = binary.BigEndian.AppendUint32(request, math.MaxInt32) // xid; the library counts from 1
	op := int32(opClose)
	request = binary.BigEndian.AppendUint32(request, uint32(op))
	// Not waited for here: with a server that is frozen it ends when the connection is closed.
	s.closers.Go(func() { _, _ = raw.Write(request) })
	timer := time.NewTimer(goodbyeTime)
	defer timer.Stop()
	select {
	case <-lost:
	case <-timer.C:
	}
}

// waitConnected returns nil while the connection stands.
func (s *session) waitConnected(ctx context.Context) error {
	for {
		s.mu.Lock()
		connected, up, expired, ended := s.mu.connected, s.mu.isUp, s.mu.expired, s.mu.ended
		s.mu.Unlock()
		switch {
		case expired:
			return ErrSessionExpired
		case ended:
			return ErrClosed
		case up:
			return nil
		}
		select {
		case <-connected:
		case <-s.ctx.Done():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// leaseHolds reports whether the server cannot have expired the session yet: it heard from us after it
// last answered, less than the session's timeout ago.
func (s *session) leaseHolds() bool {
	s.mu.Lock()
	ended, ever := s.mu.ended, s.mu.everUp
	s.mu.Unlock()
	return ever && !ended && s.client.sinceBorn()-time.Duration(s.lastReply.Load()) < time.Duration(s.timeout.Load())
}

// libraryLogger passes on what the library says, as detail.
type libraryLogger struct{ log logrus.FieldLogger }

func (l libraryLogger) Printf(format string, args ...any) {
	l.log.Debugf("zk: "+format, args...)
}
