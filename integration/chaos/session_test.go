package main

import (
	"encoding/binary"
	"os"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"ottla/integration/apache"
)

func TestTheSnifferSeesASession(t *testing.T) {
	hello := binary.BigEndian.AppendUint32(nil, 36)
	hello = binary.BigEndian.AppendUint32(hello, 0)
	hello = binary.BigEndian.AppendUint32(hello, 4000)
	hello = binary.BigEndian.AppendUint64(hello, 0x1234)
	hello = binary.BigEndian.AppendUint32(hello, 16)
	hello = append(hello, "0123456789abcdef and what follows"...)
	for step := 1; step <= len(hello); step++ {
		var found []session
		s := &sniffer{found: func(s session) { found = append(found, s) }}
		for at := 0; at < len(hello); at += step {
			s.read(hello[at:min(at+step, len(hello))])
		}
		if len(found) != 1 || found[0].id != 0x1234 || string(found[0].password) != "0123456789abcdef" {
			t.Fatalf("%d bytes at a time: %v", step, found)
		}
	}
}

// A session of the real ZooKeeper ends, though its client is there and wants it back at once.
func TestASessionExpires(t *testing.T) {
	server := apache.StartZooKeeper(t)
	l := newLinks()
	l.own(os.Getpid(), clients)
	p, err := startProxy(l, zooKeeper, "127.0.0.1:0", server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	defer l.close()
	conn, events, err := zk.Connect([]string{p.addr()}, 10*time.Second, zk.WithLogger(silent{}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	next := func(want zk.State) {
		t.Helper()
		for {
			select {
			case e := <-events:
				if e.State == want {
					return
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("never %v", want)
			}
		}
	}
	next(zk.StateHasSession)
	s, ok := l.sessionOf(clients)
	if !ok || s.id != conn.SessionID() {
		t.Fatalf("the session 0x%x was seen as 0x%x", conn.SessionID(), s.id)
	}
	if err := s.expire(server.Addr); err != nil {
		t.Fatal(err)
	}
	next(zk.StateExpired)
}
