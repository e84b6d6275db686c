package server

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"ottla/server/config"
	"ottla/server/network"
)

// names are hosts with their addresses.
type names map[string][]netip.Addr

func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if addrs, ok := n[host]; ok {
		return addrs, nil
	}
	return nil, fmt.Errorf("lookup %s: no such host", host)
}

func TestConnectionLimits(t *testing.T) {
	dns := names{"clients": {netip.MustParseAddr("10.0.0.7"), netip.MustParseAddr("fd00::7")}}
	for name, tc := range map[string]struct {
		settings map[string]string
		want     network.Limits
		says     string
	}{
		"nobody has chosen": {want: network.Limits{MaxConnections: 1<<31 - 1, MaxConnectionsPerIP: 1<<31 - 1}},
		"only who is named may come, and 0 is nobody": {
			settings: map[string]string{"max.connections.per.ip": "0", "max.connections.per.ip.overrides": "10.0.0.1:5,::1:6"},
			want:     network.Limits{MaxConnections: 1<<31 - 1, MaxConnectionsPerIP: -1, PerIP: map[string]int{"10.0.0.1": 5, "::1": 6}}},
		"nobody may come at all": {
			settings: map[string]string{"max.connections": "0"},
			want:     network.Limits{MaxConnections: -1, MaxConnectionsPerIP: 1<<31 - 1}},
		"a host has all its addresses, and an address is the same however it is written": {
			settings: map[string]string{"max.connections.per.ip.overrides": "clients:5,FD00:0::8:6,::ffff:10.0.0.9:7"},
			want: network.Limits{MaxConnections: 1<<31 - 1, MaxConnectionsPerIP: 1<<31 - 1,
				PerIP: map[string]int{"10.0.0.7": 5, "fd00::7": 5, "fd00::8": 6, "10.0.0.9": 7}}},
		"a host that nobody knows": {settings: map[string]string{"max.connections.per.ip.overrides": "gone:5"}, says: "max.connections.per.ip.overrides: lookup gone"},
	} {
		t.Run(name, func(t *testing.T) {
			settings := map[string]string{"zookeeper.connect": "zk:2181"}
			for key, value := range tc.settings {
				settings[key] = value
			}
			c, err := config.Parse(settings, logrus.New())
			if err != nil {
				t.Fatal(err)
			}
			got, err := connectionLimits(t.Context(), c, dns)
			if tc.says != "" {
				if err == nil || !strings.Contains(err.Error(), tc.says) {
					t.Errorf("error %v, want %s", err, tc.says)
				}
				return
			}
			if err != nil || fmt.Sprint(got.MaxConnections, got.MaxConnectionsPerIP, got.PerIP) != fmt.Sprint(tc.want.MaxConnections, tc.want.MaxConnectionsPerIP, tc.want.PerIP) {
				t.Errorf("%+v, %v, want %+v", got, err, tc.want)
			}
		})
	}
}
