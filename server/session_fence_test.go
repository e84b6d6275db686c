package server

import "testing"

// lease is a session with ZooKeeper, as far as the fence asks about it.
type lease struct {
	holds bool
	id    int64
}

func (l *lease) LeaseHolds() bool { return l.holds }
func (l *lease) SessionID() int64 { return l.id }

func TestTheFenceStaysUntilTheControllerHasSpoken(t *testing.T) {
	session, epoch, obeyed := &lease{true, 1}, int64(10), int64(10)
	f := &sessionFence{session: session, epoch: func() int64 { return epoch }, obeyed: func() int64 { return obeyed }, log: quietLog()}
	f.register()
	for _, step := range []struct {
		what   string
		happen func()
		closed bool
	}{
		{"registered, and told what to lead", func() {}, false},
		{"ZooKeeper has been silent for the session's time", func() { session.holds = false }, true},
		{"it was ZooKeeper that was away: the session lives", func() { session.holds = true }, false},
		{"the session is over", func() { session.holds = false }, true},
		{"there is a new one, which nobody knows yet", func() { *session = lease{true, 2} }, true},
		{"the broker is registered anew", func() { epoch = 20; f.register() }, true},
		{"the controller has said what it leads now", func() { obeyed = 20 }, false},
	} {
		step.happen()
		if got := f.closed(); got != step.closed {
			t.Errorf("%s: closed is %t", step.what, got)
		}
	}
	if off := (*sessionFence)(nil); off.check() != nil {
		t.Error("without the setting there is a fence")
	}
}
