package testcluster

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// node is an end of a connection: a broker by its id, or one of the constants. Negative, so that no broker
// has such an id.
type node int

const (
	elsewhere node = -1 - iota // neither of the cluster nor a client; never cut
	zookeeper
	clients
)

// link is one direction between two nodes.
type link struct{ from, to node }

func (l link) reverse() link { return link{l.to, l.from} }

// links knows who may talk to whom. All connections of all brokers pass by here: those they dial, to each
// other and to ZooKeeper, carry the cuts between brokers; those they accept carry the cuts to clients. So a
// cut never needs both ends to agree.
type links struct {
	// troubled is false while everybody talks to everybody, which costs a connection no more than this look.
	troubled atomic.Bool
	servers  []string // the addresses in zookeeper.connect

	mu struct {
		sync.Mutex
		paused  map[node]bool
		cut     map[link]bool
		ports   map[string]node // of a broker's listeners
		dialed  map[string]node // by local address: which broker dialed that connection
		conns   map[*conn]struct{}
		limbo   map[*conn]struct{} // closed here, though over a cut link nobody can have heard of it
		changed chan struct{}      // closed and replaced when something changes
	}
}

func newLinks(connect string) *links {
	hosts, _, _ := strings.Cut(connect, "/")
	l := &links{servers: strings.Split(hosts, ",")}
	l.mu.paused, l.mu.cut = map[node]bool{}, map[link]bool{}
	l.mu.ports, l.mu.dialed = map[string]node{}, map[string]node{}
	l.mu.conns, l.mu.limbo = map[*conn]struct{}{}, map[*conn]struct{}{}
	l.mu.changed = make(chan struct{})
	return l
}

// at finds who listens on an address.
func (l *links) at(address string) node {
	if slices.Contains(l.servers, address) {
		return zookeeper
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return elsewhere
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n, ok := l.mu.ports[port]; ok {
		return n
	}
	return elsewhere
}

// pause and resume stop and start a node's connections, without a byte lost.
func (l *links) pause(n node) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.paused[n] = true
	l.changedLocked()
}

func (l *links) resume(n node) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.mu.paused, n)
	l.changedLocked()
}

func (l *links) isPaused(n node) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.paused[n]
}

func (l *links) cut(k link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.cut[k] = true
	l.changedLocked()
}

// heal opens every link that which chooses. What was sent over it meanwhile is gone, so the connections that
// it interrupted are reset once both directions are open.
func (l *links) heal(which func(link) bool) {
	// Closing a socket waits for those who use it, and they may wait for the lock.
	for _, c := range l.open(which) {
		c.abort()
	}
}

// open opens links and returns the connections that they interrupted.
func (l *links) open(which func(link) bool) (interrupted []*conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range l.mu.cut {
		if !which(k) {
			continue
		}
		delete(l.mu.cut, k)
		if l.mu.cut[k.reverse()] {
			continue
		}
		for c := range l.mu.conns {
			if out := c.outLocked(); out == k || out.reverse() == k {
				c.reset = true
				c.odd.Store(true)
				interrupted = append(interrupted, c)
			}
		}
		for c := range l.mu.limbo {
			if out := c.outLocked(); out == k || out.reverse() == k {
				delete(l.mu.limbo, c)
				interrupted = append(interrupted, c)
			}
		}
	}
	l.changedLocked()
	return interrupted
}

// changedLocked wakes all who wait for a change.
func (l *links) changedLocked() {
	l.troubled.Store(len(l.mu.paused) > 0 || len(l.mu.cut) > 0)
	close(l.mu.changed)
	l.mu.changed = make(chan struct{})
	for c := range l.mu.conns {
		c.wakeLocked()
	}
}

// dial makes a broker's connections. Like a real network, one that is cut in both directions does not refuse:
// it says nothing.
func (l *links) dial(from node, hello func(handshake)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		to := l.at(address)
		for {
			l.mu.Lock()
			out := link{from, to}
			silent := l.mu.paused[from] || l.mu.cut[out] && l.mu.cut[out.reverse()]
			changed := l.mu.changed
			l.mu.Unlock()
			if !silent {
				break
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return nil, &net.OpError{Op: "dial", Net: network, Err: ctx.Err()}
			}
		}
		var dialer net.Dialer
		raw, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: raw, links: l, owner: from, peer: to}
		if to == zookeeper {
			c.hello = &sniffer{found: hello}
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.mu.dialed[raw.LocalAddr().String()] = from
		l.mu.conns[c] = struct{}{}
		// Whoever accepted it may have taken it for a client's until now.
		l.changedLocked()
		return c, nil
	}
}

// portPatience is how long a listener waits for its port: while its broker was down, the system may have lent
// it to a connection that is still closing.
const portPatience = 5 * time.Second

// listen makes a broker's listeners.
func (l *links) listen(owner node) func(network, address string) (net.Listener, error) {
	return func(network, address string) (net.Listener, error) {
		var raw net.Listener
		var err error
		for deadline := time.Now().Add(portPatience); ; {
			raw, err = net.Listen(network, address)
			if !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(deadline) {
				break
			}
			time.Sleep(10 * time.Millisecond) // nobody tells when a port is free
		}
		if err != nil {
			return nil, err
		}
		_, port, err := net.SplitHostPort(raw.Addr().String())
		if err != nil {
			return nil, errors.Join(err, raw.Close())
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.mu.ports[port] = owner
		return &listener{Listener: raw, links: l, owner: owner, closed: make(chan struct{})}, nil
	}
}

// listener hands a broker the connections it accepts, none while the broker is paused.
type listener struct {
	net.Listener
	links  *links
	owner  node
	once   sync.Once
	closed chan struct{}
}

// Accept waits for a connection.
func (l *listener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	for {
		l.links.mu.Lock()
		paused, changed := l.links.mu.paused[l.owner], l.links.mu.changed
		if !paused {
			c := &conn{Conn: raw, links: l.links, owner: l.owner, peer: clients, accepted: true}
			l.links.mu.conns[c] = struct{}{}
			l.links.mu.Unlock()
			return c, nil
		}
		l.links.mu.Unlock()
		select {
		case <-changed:
		case <-l.closed:
			return nil, errors.Join(net.ErrClosed, raw.Close())
		}
	}
}

// Close ends Accept. It may be called more than once.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}
