package server

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"ottla/server/config"
	"ottla/server/network"
)

// resolver finds the addresses of a host: net.Resolver.
type resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// lookupTimeout bounds the search for one host's addresses.
const lookupTimeout = 5 * time.Second

// connectionLimits are those of the settings in force. A host that max.connections.per.ip.overrides names counts with all its
// addresses of now; one that has none is an error, for its limit would be none.
func connectionLimits(ctx context.Context, c *config.Config, dns resolver) (network.Limits, error) {
	l := network.Limits{MaxConnections: limit(c.MaxConnections), MaxConnectionsPerIP: limit(c.MaxConnectionsPerIP), PerIP: map[string]int{}}
	for host, n := range c.MaxConnectionsOfIP {
		addrs, err := addresses(ctx, host, dns)
		if err != nil {
			return l, fmt.Errorf("max.connections.per.ip.overrides: %w", err)
		}
		for _, addr := range addrs {
			l.PerIP[addr.String()] = int(n)
		}
	}
	return l, nil
}

// limit is a setting's number as the listeners take it: for them 0 is no limit, for Kafka nobody at all.
func limit(n int32) int {
	if n == 0 {
		return -1
	}
	return int(n)
}

// addresses are those of a host, each in the one form that compares: as IPv4 where it is, and without a zone.
func addresses(ctx context.Context, host string, dns resolver) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{plain(addr)}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	found, err := dns.LookupNetIP(ctx, "ip", host)
	all := make([]netip.Addr, len(found))
	for i, addr := range found {
		all[i] = plain(addr)
	}
	return all, err
}

func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// idleTimeout is after which silence connections are closed: for the listeners 0 is their default, for Kafka at once.
func idleTimeout(c *config.Config) time.Duration {
	if c.ConnectionsMaxIdle == 0 {
		return time.Millisecond
	}
	return c.ConnectionsMaxIdle
}

// backlog is how many connections may wait to be accepted. Kafka's default stands for nobody having chosen: then nobody is turned away
// while a whole cluster's clients come back at once, as after a restart.
func backlog(c *config.Config) int {
	const kafkas = 50
	if c.ListenBacklog == kafkas {
		return 0
	}
	return int(c.ListenBacklog)
}
