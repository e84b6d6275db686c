package zkcoord

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
)

// Options say where ZooKeeper is and how patient to be with it.
type Options struct {
	// Connect is zookeeper.connect: host1:port1,host2:port2/chroot.
	Connect string
	// SessionTimeout is asked for; the server grants what lies within its bounds. Default 18 s.
	SessionTimeout time.Duration
	// ConnectionTimeout bounds one dial; Connect waits as long for the first session. Default 18 s.
	ConnectionTimeout time.Duration
	// MaxInFlight bounds the requests that wait for answers (zookeeper.max.in.flight.requests). Default 10.
	MaxInFlight int
	Log         logrus.FieldLogger
	Metrics     prometheus.Registerer
	// Dial connects to one server; net.Dialer without it.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

func (o Options) withDefaults() Options {
	if o.SessionTimeout <= 0 {
		o.SessionTimeout = 18 * time.Second
	}
	if o.ConnectionTimeout <= 0 {
		o.ConnectionTimeout = 18 * time.Second
	}
	if o.MaxInFlight <= 0 {
		o.MaxInFlight = 10
	}
	if o.Log == nil {
		o.Log = logrus.StandardLogger()
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	return o
}

// SessionHandler is told when one session follows another. Both functions run on the client's own
// goroutine, handlers one after another in the order in which they were added.
type SessionHandler struct {
	// Lost is called when a session has expired. The next one is opened only when all have returned, so
	// whoever acted under the old one has stopped by then. It must not call the client.
	Lost func()
	// Renewed is called when the next session stands. It may call the client.
	Renewed func(generation int64)
}

// Client is this process's way to ZooKeeper. It owns a goroutine that keeps a session and one that
// delivers changes, until Close.
//
// Lock order: Client.mu, then session.mu; watches.mu is taken alone.
type Client struct {
	*shared
	// pinned is the one generation in which this client's calls may run, or 0 for whichever there is.
	pinned int64
}

// shared is what the clients of Within have in common.
type shared struct {
	options  Options
	hosts    []string
	chroot   string
	born     time.Time
	metrics  *metrics
	watches  *watches
	inFlight chan struct{}

	mu struct {
		sync.Mutex
		session   *session
		handlers  []SessionHandler
		closed    bool
		changed   chan struct{} // closed and replaced when session or closed changes
		lastOwned int64
	}
	wake chan struct{}
	done chan struct{}
	wg   sync.WaitGroup
}

// Connect opens the first session and creates the chroot. It fails when no server lets us in within
// ConnectionTimeout.
func Connect(ctx context.Context, o Options) (*Client, error) {
	o = o.withDefaults()
	hosts, chroot, err := parseConnect(o.Connect)
	if err != nil {
		return nil, err
	}
	c := &Client{shared: &shared{
		options: o, hosts: hosts, chroot: chroot, born: time.Now(), metrics: newMetrics(o.Metrics),
		inFlight: make(chan struct{}, o.MaxInFlight), wake: make(chan struct{}, 1), done: make(chan struct{}),
	}}
	c.watches = newWatches(chroot)
	c.mu.changed = make(chan struct{})
	first, err := openSession(c, 1)
	if err != nil {
		return nil, err
	}
	c.mu.session = first
	c.wg.Go(c.watches.deliver)
	c.wg.Go(c.keep)

	ctx, cancel := context.WithTimeout(ctx, o.ConnectionTimeout)
	defer cancel()
	if err := first.waitConnected(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("no ZooKeeper session at %s within %v: %w", o.Connect, o.ConnectionTimeout, err)
	}
	if err := c.createChroot(ctx); err != nil {
		c.Close()
		return nil, err
	}
	o.Log.Infof("ZooKeeper session 0x%x at %s, timeout %v", c.SessionID(), o.Connect, c.SessionTimeout())
	return c, nil
}

// Close ends the session, and with it this broker's ephemeral nodes, and all goroutines.
func (c *Client) Close() { c.end((*session).close) }

// Abandon goes away as kill -9 would: the session and its ephemerals stay until the server expires them.
func (c *Client) Abandon() { c.end((*session).abandon) }

func (c *Client) end(how func(*session)) {
	c.mu.Lock()
	if c.mu.closed {
		c.mu.Unlock()
		c.wg.Wait()
		return
	}
	c.mu.closed = true
	c.announceLocked()
	s := c.mu.session
	c.mu.Unlock()
	close(c.done)
	how(s)
	c.watches.close()
	c.wg.Wait()
	c.metrics.unregister()
}

func (c *Client) announceLocked() {
	close(c.mu.changed)
	c.mu.changed = make(chan struct{})
}

// Within is the same client, whose calls fail with ErrSessionExpired once the given session is over: for
// procedures that must not begin in one session and end in another.
func (c *Client) Within(generation int64) *Client {
	return &Client{shared: c.shared, pinned: generation}
}

// Generation counts this process's sessions; the first is 1.
func (c *Client) Generation() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.session.generation
}

// SessionID is the session's number at the server. A broker records it in its data directory, so that
// after a crash it can tell its own stale registration from a stranger's. 0 before there is one.
func (c *Client) SessionID() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.session.conn.SessionID()
}

// SessionTimeout is what the server granted.
func (c *Client) SessionTimeout() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(c.mu.session.timeout.Load())
}

// LeaseHolds reports whether the server cannot have expired the session yet. A controller acts only
// while it holds: a process that was frozen finds it gone before it has heard from a server again.
func (c *Client) LeaseHolds() bool {
	c.mu.Lock()
	s := c.mu.session
	c.mu.Unlock()
	return (c.pinned == 0 || c.pinned == s.generation) && s.leaseHolds()
}

// Connected reports whether the session and a connection stand.
func (c *Client) Connected() bool {
	c.mu.Lock()
	s := c.mu.session
	c.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.isUp && !s.mu.ended
}

// OnSession adds a handler; the order matters, see SessionHandler.
func (c *Client) OnSession(h SessionHandler) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.handlers = append(c.mu.handlers, h)
}

func (c *Client) sinceBorn() time.Duration { return time.Since(c.born) }

func (c *Client) wakeKeeper() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// keep opens the next session when one has expired.
func (c *Client) keep() {
	for {
		select {
		case <-c.done:
			return
		case <-c.wake:
		}
		c.mu.Lock()
		old, handlers := c.mu.session, append([]SessionHandler(nil), c.mu.handlers...)
		c.mu.Unlock()
		old.mu.Lock()
		expired := old.mu.expired
		old.mu.Unlock()
		if !expired {
			continue
		}
		for _, h := range handlers {
			if h.Lost != nil {
				h.Lost()
			}
		}
		// It is fenced, so nobody needs to wait until the library has noticed.
		c.wg.Go(old.close)
		next, ok := c.reopen(old.generation + 1)
		if !ok {
			return
		}
		for _, h := range handlers {
			if h.Renewed != nil && next.ctx.Err() == nil {
				h.Renewed(next.generation)
			}
		}
		c.watches.fireAll(next)
	}
}

// reopen opens a session and waits until it stands, or is over again, or the client is closed.
func (c *Client) reopen(generation int64) (*session, bool) {
	next, err := openSession(c, generation)
	if err != nil {
		// Only an empty list of servers makes it fail, and Connect has refused that.
		panic(err)
	}
	c.mu.Lock()
	if c.mu.closed {
		c.mu.Unlock()
		next.close()
		return nil, false
	}
	c.mu.session = next
	c.announceLocked()
	c.mu.Unlock()
	c.watches.forget()
	err = next.waitConnected(context.Background())
	if err == nil {
		c.options.Log.Infof("New ZooKeeper session 0x%x, number %d of this process", next.conn.SessionID(), generation)
	}
	return next, !errors.Is(err, ErrClosed)
}

// currentSession is the session in which a call may run; it waits while an expired one awaits its
// successor, unless the client is pinned to it.
func (c *Client) currentSession(ctx context.Context) (*session, error) {
	for {
		c.mu.Lock()
		s, closed, changed := c.mu.session, c.mu.closed, c.mu.changed
		c.mu.Unlock()
		if closed {
			return nil, ErrClosed
		}
		if c.pinned != 0 && c.pinned != s.generation {
			return nil, ErrSessionExpired
		}
		err := s.waitConnected(ctx)
		if err == nil || c.pinned != 0 || !errors.Is(err, ErrSessionExpired) {
			return s, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
