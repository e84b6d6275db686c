package txn

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/zkcoord/cluster"
)

// Producer is who asks: a transactional id, and the producer id and epoch it was given.
type Producer struct {
	TransactionalID string
	ID              int64
	Epoch           int16
}

// AddPartitions adds partitions to the producer's transaction, and begins one if none is open. done gets 0 or a code, once.
func (c *Coordinator) AddPartitions(p Producer, added []cluster.TopicPartition, done func(code int16)) {
	t, code := c.known(p.TransactionalID)
	if code != 0 {
		done(code)
		return
	}
	set := make(partitions, len(added))
	for _, tp := range added {
		set[tp] = struct{}{}
	}
	next, there, code := t.prepareAdd(p, set)
	if code != 0 || there {
		done(code)
		return
	}
	c.store(t, next, nil, done)
}

// prepareAdd begins the addition. there says that all of them belong to the transaction already.
func (t *transaction) prepareAdd(p Producer, added partitions) (next metadata, there bool, code int16) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if code := t.checkLocked(p); code != 0 {
		return next, false, code
	}
	switch {
	case t.mu.pending != none, t.mu.state.decided(), t.mu.state == Dead:
		return next, false, kerr.ConcurrentTransactions.Code
	case t.mu.state == Ongoing && t.mu.contains(added):
		return next, true, 0
	}
	return t.beginLocked(t.mu.toOngoing(added, nowMillis())), false, 0
}

// checkLocked compares the producer with the one that is known.
func (t *transaction) checkLocked(p Producer) int16 {
	switch {
	case t.mu.producerID != p.ID:
		return kerr.InvalidProducerIDMapping.Code
	case t.mu.epoch != p.Epoch:
		return kerr.ProducerFenced.Code
	}
	return 0
}

// VerifyPartitions tells for each partition whether it belongs to the producer's open transaction: a code each, or one for
// all. A leader asks it before it takes the first records of a transaction, so that none come in behind its marker and
// stay open for ever (KIP-890).
func (c *Coordinator) VerifyPartitions(p Producer, asked []cluster.TopicPartition) (codes []int16, code int16) {
	t, code := c.known(p.TransactionalID)
	if code != 0 {
		return nil, code
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if code := t.checkLocked(p); code != 0 {
		return nil, code
	}
	if t.mu.state.decided() {
		return nil, kerr.ConcurrentTransactions.Code
	}
	codes = make([]int16, len(asked))
	for i, tp := range asked {
		if _, ok := t.mu.metadata.partitions[tp]; !ok {
			codes[i] = kerr.TransactionAbortable.Code
		}
	}
	return codes, 0
}
