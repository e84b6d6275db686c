package group

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestProbes sends what was once sent to an Apache Kafka 3.9.1 and compares the answers byte for byte, but for the
// random part of member ids.
func TestProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCoordinator(t, newMemory(), func(config *Config) { config.InitialRebalanceDelay = 0 })
		p := &prober{t: t, c: c, ids: make(map[string]string)}
		file, err := os.Open("testdata/probes.jsonl")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for lines := bufio.NewScanner(file); lines.Scan(); {
			var probe probe
			if err := json.Unmarshal(lines.Bytes(), &probe); err != nil {
				t.Fatal(err)
			}
			p.send(&probe)
		}
	})
}

type probe struct {
	Probe, API      string
	Version         int16
	Request, Answer string // frames without their lengths, as hex
}

type prober struct {
	t   *testing.T
	c   *Coordinator
	ids map[string]string // the UUIDs of then to those of now
}

var uuid = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// outOfScope are probes whose answer comes from before the coordinator: it is not asked about topics that do not exist.
var outOfScope = map[string]bool{"commit unknown topic": true, "commit unknown partition": true}

func (p *prober) send(probe *probe) {
	if outOfScope[probe.Probe] {
		return
	}
	request, want := p.translate(probe.Request), p.translate(probe.Answer)
	req := kmsg.RequestForKey(int16(request[0])<<8 | int16(request[1]))
	req.SetVersion(probe.Version)
	body := request[8+2+len("probe"):] // key, version, correlation id, client id
	if req.IsFlexible() {
		body = body[1:]
	}
	if err := req.ReadFrom(body); err != nil {
		p.t.Fatalf("%s: %v", probe.Probe, err)
	}
	var answer kmsg.Response
	ask(p.c, Client{"probe", "/127.0.0.1"}, req, func(resp kmsg.Response) { answer = resp })
	time.Sleep(2 * time.Millisecond) // a rebalance takes a turn of the timing wheel
	synctest.Wait()
	if answer == nil {
		p.t.Fatalf("%s: no answer", probe.Probe)
	}
	want = want[4:]
	if answer.IsFlexible() {
		want = want[1:]
	}
	got := answer.AppendTo(nil)
	p.learn(want, got)
	if want := p.replace(want); !bytes.Equal(got, want) {
		p.t.Errorf("%s:\n got %q\nwant %q", probe.Probe, got, want)
	}
}

func (p *prober) translate(text string) []byte {
	b, err := hex.DecodeString(text)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.replace(b)
}

func (p *prober) replace(b []byte) []byte {
	s := string(b)
	for then, now := range p.ids {
		s = strings.ReplaceAll(s, then, now)
	}
	return []byte(s)
}

// learn pairs the ids of both answers in the order in which they stand there.
func (p *prober) learn(then, now []byte) {
	a, b := uuid.FindAllString(string(then), -1), uuid.FindAllString(string(now), -1)
	for i := range a {
		if i < len(b) && a[i] != b[i] {
			p.ids[a[i]] = b[i]
		}
	}
}

// ask gives a request to the method that takes it.
func ask(c *Coordinator, client Client, req kmsg.Request, reply func(kmsg.Response)) {
	switch req := req.(type) {
	case *kmsg.JoinGroupRequest:
		c.JoinGroup(client, req, func(r *kmsg.JoinGroupResponse) { reply(r) })
	case *kmsg.SyncGroupRequest:
		c.SyncGroup(req, func(r *kmsg.SyncGroupResponse) { reply(r) })
	case *kmsg.HeartbeatRequest:
		c.Heartbeat(req, func(r *kmsg.HeartbeatResponse) { reply(r) })
	case *kmsg.LeaveGroupRequest:
		c.LeaveGroup(req, func(r *kmsg.LeaveGroupResponse) { reply(r) })
	case *kmsg.OffsetCommitRequest:
		c.OffsetCommit(req, func(r *kmsg.OffsetCommitResponse) { reply(r) })
	case *kmsg.OffsetFetchRequest:
		c.OffsetFetch(req, func(r *kmsg.OffsetFetchResponse) { reply(r) })
	case *kmsg.OffsetDeleteRequest:
		c.OffsetDelete(req, func(r *kmsg.OffsetDeleteResponse) { reply(r) })
	case *kmsg.DescribeGroupsRequest:
		c.DescribeGroups(req, func(r *kmsg.DescribeGroupsResponse) { reply(r) })
	case *kmsg.ListGroupsRequest:
		c.ListGroups(req, func(r *kmsg.ListGroupsResponse) { reply(r) })
	case *kmsg.DeleteGroupsRequest:
		c.DeleteGroups(req, func(r *kmsg.DeleteGroupsResponse) { reply(r) })
	}
}
