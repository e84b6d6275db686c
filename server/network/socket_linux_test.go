package network

import (
	"net"
	"testing"
	"time"
)

// A listener that nobody accepts from yet: as many connections are made as may wait, and one more, as Linux counts.
func TestTheBacklogIsAsLongAsAskedFor(t *testing.T) {
	made := func(backlog int) (n int) {
		s, err := Listen(Options{Listeners: []Listener{{Name: "PLAINTEXT", Host: "127.0.0.1"}}, Backlog: backlog}, handlerFunc(echo))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for n < 10 {
			nc, err := net.DialTimeout("tcp", s.Addrs()["PLAINTEXT"].String(), time.Second)
			if err != nil {
				return n
			}
			defer nc.Close()
			n++
		}
		return n
	}
	if got := made(2); got == 0 || got > 4 {
		t.Errorf("with room for 2, %d connections were made", got)
	}
	if got := made(0); got != 10 {
		t.Errorf("with the system's room, %d connections were made, want all 10", got)
	}
}
