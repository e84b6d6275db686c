package server

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"ottla/server/network"
	"ottla/zkcoord/cluster"
)

func TestAClientThatComesByAnAddressThatNobodyAdvertises(t *testing.T) {
	advertised := []cluster.Endpoint{
		{Listener: "INSIDE", Host: "10.0.0.1", Port: 9092},
		{Listener: "OUTSIDE", Host: "broker.example.com", Port: 29092},
		{Listener: "LOST", Host: "nowhere.example.com", Port: 39092},
	}
	dns := names{"broker.example.com": {netip.MustParseAddr("::ffff:203.0.113.5"), netip.MustParseAddr("fd00::5")}}
	for name, tc := range map[string]struct {
		listener string
		by       []string
		says     []string // in the lines, one each
	}{
		"as told":                          {"INSIDE", []string{"10.0.0.1:9092", "10.0.0.1:9092"}, nil},
		"by any address of the host":       {"OUTSIDE", []string{"203.0.113.5:29092", "[fd00::5]:29092"}, nil},
		"through something on the machine": {"OUTSIDE", []string{"203.0.113.5:9092"}, nil},
		"by the bridge of a container, often": {"OUTSIDE", []string{"172.17.0.2:9092", "172.17.0.2:9092", "172.17.0.2:9092"},
			[]string{"listener OUTSIDE by 172.17.0.2:9092, which is advertised to nobody; it is sent on to broker.example.com:29092"}},
		"by the address that another listener advertises": {"OUTSIDE", []string{"10.0.0.1:29092"}, []string{"10.0.0.1:29092"}},
		"where the name is not known here":                {"LOST", []string{"10.0.0.1:39092"}, []string{"nowhere.example.com:39092, which this machine does not find (lookup"}},
	} {
		t.Run(name, func(t *testing.T) {
			log, said := logtest.NewNullLogger()
			a := newArrivals(func() ([]cluster.Endpoint, error) { return advertised, nil }, dns, log)
			for _, by := range tc.by {
				a.connected(&network.Session{Listener: tc.listener, Local: netip.MustParseAddrPort(by)})
			}
			a.connected(&network.Session{Listener: tc.listener}) // in memory
			a.looks.Wait()
			a.Close()
			var lines []string
			for _, e := range said.AllEntries() {
				lines = append(lines, e.Message)
			}
			if !slices.EqualFunc(lines, tc.says, strings.Contains) {
				t.Errorf("said %q, want %q", lines, tc.says)
			}
		})
	}
}
