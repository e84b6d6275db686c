package txn

import (
	"fmt"
	"sync"

	"github.com/sirupsen/logrus"

	"ottla/server/statetopic"
)

// reign is the time in which this broker coordinates a partition's transactional ids. Its epoch is the coordinator epoch
// that stands in markers: partitions refuse those of an older one.
type reign = statetopic.Reign[*transaction]

// transaction is one transactional id that this broker coordinates.
//
// Its lock is taken alone, and held neither while a record is written nor while somebody is answered.
type transaction struct {
	id    string
	reign *reign

	mu struct {
		sync.Mutex
		metadata
		// pending is the state that is being written. While there is one nothing else may begin, or a record could overtake
		// another, and what is in the log would not be what we know.
		pending State
		// failedFence: the epoch was raised to fence the producer, and that could not be written.
		failedFence bool
	}
}

func newTransaction(id string, r *reign, m metadata) *transaction {
	t := &transaction{id: id, reign: r}
	t.mu.metadata, t.mu.pending = m, none
	return t
}

func (t *transaction) log(log logrus.FieldLogger) logrus.FieldLogger {
	return log.WithField("transactional.id", t.id)
}

// beginLocked notes what the transaction is to become.
func (t *transaction) beginLocked(next metadata) metadata {
	if t.mu.pending != none || !next.state.mayFollow(t.mu.state) {
		panic(fmt.Sprintf("transactional id %s: from %v, pending %v, to %v", t.id, t.mu.state, t.mu.pending, next.state))
	}
	t.mu.pending = next.state
	return next
}

// finishLocked makes it so: the record is safe.
func (t *transaction) finishLocked(next metadata) {
	if next.state.complete() {
		t.mu.failedFence = false
	}
	t.mu.metadata, t.mu.pending = next, none
}
