package server

import (
	"sync/atomic"

	"github.com/sirupsen/logrus"
)

// sessionFence keeps new records out of the partitions that this broker leads while it may have been replaced there
// (leader.fence.on.session.loss).
//
// A leader that ZooKeeper does not hear is replaced once its session has ended, and nobody can tell it so. With acks=all nothing is
// lost by that: its followers have gone to the new leader, and its high watermark stands still. With acks=1 it would acknowledge
// records until the network heals, and cut them off then. So the fence goes up when the session may have ended by our own clock. It
// comes down when that same session turns out to live; a new session says nothing of what was led in the old one, and so the fence
// stays until the controller has told the broker of the new registration what it leads now (TestTheFenceStaysUntilTheControllerHasSpoken).
// Off, leaders outlive an outage of ZooKeeper itself, as Kafka's do.
type sessionFence struct {
	session interface {
		LeaseHolds() bool
		SessionID() int64
	}
	// registered is the session of the last registration, epoch its broker epoch.
	registered atomic.Int64
	epoch      func() int64
	// obeyed is the newest broker epoch under which the controller has told of leaders.
	obeyed func() int64

	up  atomic.Bool
	log logrus.FieldLogger
}

// check is the question that is asked before each append, nil without a fence.
func (f *sessionFence) check() func() bool {
	if f == nil {
		return nil
	}
	return f.closed
}

// register notes under which session the broker is registered now.
func (f *sessionFence) register() {
	if f != nil {
		f.registered.Store(f.session.SessionID())
	}
}

// closed reports whether no records may be taken.
func (f *sessionFence) closed() bool {
	up := !f.session.LeaseHolds() || f.session.SessionID() != f.registered.Load() || f.obeyed() < f.epoch()
	if f.up.Swap(up) == up {
		return up
	}
	if up {
		f.log.Warn("ZooKeeper has not answered for a session's time: partitions led here take no records until the controller confirms it (leader.fence.on.session.loss)")
	} else {
		f.log.Info("Partitions led here take records again")
	}
	return up
}
