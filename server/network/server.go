package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// Server owns the listeners and their connections. Its goroutines, one for each listener, one or two for each
// connection and the sweeper, end at Close. Lock order: Server.mu, then conn.mu.
type Server struct {
	options   Options
	handler   Handler
	budget    budget
	failures  failures
	metrics   *metrics
	listeners []*listener
	ctx       context.Context
	cancel    context.CancelFunc
	wg        sync.WaitGroup

	gatherFile int // see sender.gatherFile; benchmarks change it

	mu struct {
		sync.Mutex
		started, stopped, closed bool
		conns                    map[*conn]struct{}
		perIP                    map[netip.Addr]int
		limits                   Limits
		freed                    chan struct{} // closed and replaced when a connection has gone or the limits change
		made                     int           // connections so far
	}
}

// listener is a bound Listener.
type listener struct {
	net.Listener
	name, protocol string
	metrics        *listenerMetrics
}

// Listen binds all listeners, so that their ports are known, but accepts no connection before Start.
func Listen(o Options, h Handler) (*Server, error) {
	o = o.withDefaults()
	s := &Server{options: o, handler: h, budget: budget{limit: o.QueuedMaxBytes}, failures: failures{log: o.Log}, gatherFile: gatherFile}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.mu.conns = map[*conn]struct{}{}
	s.mu.perIP = map[netip.Addr]int{}
	s.mu.limits = o.Limits
	s.mu.freed = make(chan struct{})
	s.metrics = newMetrics(s)
	for _, l := range o.Listeners {
		address := net.JoinHostPort(l.Host, strconv.Itoa(l.Port))
		bound, err := o.Listen("tcp", address)
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("listen on %s://%s: %w", l.Name, address, err)
		}
		s.listeners = append(s.listeners, &listener{bound, l.Name, l.Protocol, s.metrics.listener(l.Name)})
	}
	if err := s.metrics.register(o.Metrics); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Addrs returns where each listener listens, by its name.
func (s *Server) Addrs() map[string]net.Addr {
	addrs := map[string]net.Addr{}
	for _, l := range s.listeners {
		addrs[l.name] = l.Addr()
	}
	return addrs
}

// Start begins to accept connections.
func (s *Server) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.started || s.mu.stopped || s.mu.closed {
		return
	}
	s.mu.started = true
	for _, l := range s.listeners {
		s.wg.Go(func() { s.accept(l) })
	}
	if s.options.IdleTimeout > 0 {
		s.wg.Go(s.sweep)
	}
}

// StopAccepting closes the listeners. Connections go on.
func (s *Server) StopAccepting() {
	s.mu.Lock()
	stopped := s.mu.stopped
	s.mu.stopped = true
	s.mu.Unlock()
	if stopped {
		return
	}
	for _, l := range s.listeners {
		_ = l.Close()
	}
}

// Close ends listeners and connections and waits for their goroutines. Requests still in work may be answered
// later: their answers are dropped.
func (s *Server) Close() {
	s.StopAccepting()
	s.mu.Lock()
	s.mu.closed = true
	conns := make([]*conn, 0, len(s.mu.conns))
	for c := range s.mu.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	s.cancel()
	for _, c := range conns {
		_ = c.nc.Close()
	}
	s.wg.Wait()
	s.metrics.unregister(s.options.Metrics)
}

// accept takes connections from a listener until it is closed.
func (s *Server) accept(l *listener) {
	for pause := time.Duration(0); ; {
		if !s.waitForSlot(l) {
			return
		}
		nc, err := l.Accept()
		if err == nil {
			pause = 0
			s.admit(l, nc)
			continue
		}
		if errors.Is(err, net.ErrClosed) || s.isStopped() {
			return
		}
		// Descriptors are exhausted, most likely; they come back when connections end.
		if suffix, ok := s.failures.allow("accept"); ok {
			s.options.Log.Errorf("Error while accepting a connection on %s: %v%s", l.name, err, suffix)
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		select {
		case <-time.After(pause):
		case <-s.ctx.Done():
			return
		}
	}
}

func (s *Server) isStopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.stopped
}

// serveConnLocked starts the goroutine of an admitted connection.
func (s *Server) serveConnLocked(l *listener, nc net.Conn) {
	if tcp, ok := nc.(*net.TCPConn); ok && s.options.SendBuffer > 0 {
		_ = tcp.SetWriteBuffer(s.options.SendBuffer) // a hint: without it the connection works as well
	}
	c := &conn{
		server: s, nc: nc, stats: l.metrics,
		session:    newSession(l, nc, s.mu.made),
		in:         newFrameReader(newReceiver(nc), s.options.MaxRequestBytes),
		header:     headerParser{version: s.handler.HeaderVersion, apiName: s.options.APIName},
		readerWake: make(chan struct{}, 1),
		writerWake: make(chan struct{}, 1),
	}
	s.mu.made++
	c.touch()
	c.out = sender{nc: nc, files: newFileSender(nc, c.touch), gatherFile: s.gatherFile, begin: c.writeBegins, wrote: c.wrote}
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	s.mu.conns[c] = struct{}{}
	l.metrics.opened()
	s.wg.Go(c.serve)
}

func newSession(l *listener, nc net.Conn, index int) *Session {
	session := &Session{Listener: l.name, Protocol: l.protocol, Principal: Anonymous}
	local, remote := nc.LocalAddr(), nc.RemoteAddr()
	session.Local, session.Remote = addrPort(local), addrPort(remote)
	session.ConnectionID = fmt.Sprintf("%s-%s-0-%d", plainAddress(session.Local, local), plainAddress(session.Remote, remote), index)
	return session
}

func addrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		ap := tcp.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

// plainAddress prints an address without the brackets of IPv6, as Kafka does.
func plainAddress(ap netip.AddrPort, a net.Addr) string {
	switch {
	case ap.IsValid():
		return ap.Addr().String() + ":" + strconv.Itoa(int(ap.Port()))
	case a != nil:
		return a.String()
	}
	return "unknown"
}
