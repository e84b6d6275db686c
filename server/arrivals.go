package server

import (
	"context"
	"net/netip"
	"slices"
	"sync"

	"github.com/sirupsen/logrus"

	"ottla/server/network"
	"ottla/zkcoord/cluster"
)

// arrivals tells, once each, of this machine's addresses by which clients come though nobody tells them to: what such a client
// asks first is answered with the advertised address, to which it then goes, and that it cannot reach that one is the commonest
// trouble behind NAT and in containers.
type arrivals struct {
	advertised func() ([]cluster.Endpoint, error)
	dns        resolver
	log        logrus.FieldLogger
	ctx        context.Context
	cancel     context.CancelFunc
	looks      sync.WaitGroup

	mu struct {
		sync.Mutex
		seen map[arrival]bool
	}
}

// arrival is a way into the broker.
type arrival struct {
	listener string
	by       netip.AddrPort
}

func newArrivals(advertised func() ([]cluster.Endpoint, error), dns resolver, log logrus.FieldLogger) *arrivals {
	a := &arrivals{advertised: advertised, dns: dns, log: log}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	a.mu.seen = make(map[arrival]bool)
	return a
}

// Close ends the search for addresses. No client comes any more.
func (a *arrivals) Close() {
	a.cancel()
	a.looks.Wait()
}

// connected notes a connection. It does not wait.
func (a *arrivals) connected(s *network.Session) {
	if !s.Local.IsValid() {
		return
	}
	way := arrival{s.Listener, s.Local}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.mu.seen[way] {
		a.mu.seen[way] = true
		a.looks.Go(func() { a.look(way) })
	}
}

// look compares a way with what clients of its listener are told. The port does not count: a proxy or a container's bridge may stand
// before it on the same machine.
func (a *arrivals) look(way arrival) {
	endpoints, err := a.advertised()
	if err != nil {
		return // the registration tells of it
	}
	told := slices.IndexFunc(endpoints, func(e cluster.Endpoint) bool { return e.Listener == way.listener })
	if told < 0 {
		return
	}
	found, err := addresses(a.ctx, endpoints[told].Host, a.dns)
	if a.ctx.Err() != nil || slices.Contains(found, plain(way.by.Addr())) {
		return
	}
	unknown := ""
	if err != nil {
		unknown = ", which this machine does not find (" + err.Error() + ")"
	}
	a.log.Infof("A client came to listener %s by %s, which is advertised to nobody; it is sent on to %s%s, and has to reach that (advertised.listeners)",
		way.listener, way.by, endpoints[told].Address(), unknown)
}
