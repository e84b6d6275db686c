package txn

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/server/statetopic"
)

// store writes what the transaction is to become, which was begun before, and makes it so when the record is safe. done
// gets 0 or the code that answers for the failure; after a failure nothing is pending any more, unless keep says so.
func (c *Coordinator) store(t *transaction, next metadata, keep func(code int16) bool, done func(code int16)) {
	c.append(t, newBatch(t.id, &next, nowMillis()), time.Duration(next.timeout)*time.Millisecond, func(code int16) {
		if code == 0 && !c.owned.Current(t.reign) {
			// It is in the log, but whoever loads that now may have missed it: the client shall ask the next coordinator.
			code = kerr.NotCoordinator.Code
		}
		t.mu.Lock()
		switch {
		case code == 0:
			t.finishLocked(next)
		case keep == nil || !keep(code):
			t.mu.pending = none
		}
		t.mu.Unlock()
		done(code)
	})
}

// append writes a record, if the reign of the transaction is not over: one of a past reign must not get into the log
// behind what the next has loaded.
func (c *Coordinator) append(t *transaction, batch []byte, timeout time.Duration, done func(code int16)) {
	if !c.owned.Current(t.reign) {
		done(kerr.NotCoordinator.Code)
		return
	}
	c.storage.Append(t.reign.Partition, t.reign.Epoch, batch, timeout, func(err error) { done(appendCode(err)) })
}

// appendCode is what a failed append means to a producer. One that took too long may be tried again.
func appendCode(err error) int16 {
	switch code := statetopic.AppendCode(err); code {
	case kerr.RequestTimedOut.Code:
		return kerr.CoordinatorNotAvailable.Code
	case kerr.MessageTooLarge.Code, kerr.RecordListTooLarge.Code:
		return kerr.UnknownServerError.Code
	default:
		return code
	}
}
