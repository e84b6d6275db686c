package txn

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
)

// reign is the time in which this broker leads a partition of __transaction_state under one epoch, with the transactional
// ids in it. Its epoch is the coordinator epoch that stands in markers: partitions refuse those of an older one.
type reign struct {
	partition int32
	epoch     int32
	state     reignState
	stop      context.CancelFunc // ends the loading
	// transactions is written under ownership.mu, once the reign is published.
	transactions map[string]*transaction
}

type reignState int8

const (
	loading reignState = iota
	loaded
	over
)

// ownership knows the reigns of this broker, at most one a partition, and for each partition the highest epoch heard of.
type ownership struct {
	mu struct {
		sync.RWMutex
		closed bool
		reigns map[int32]*reign
		epochs map[int32]int32
	}
}

func (o *ownership) init() {
	o.mu.reigns, o.mu.epochs = make(map[int32]*reign), make(map[int32]int32)
}

// find returns a transactional id of a partition, nil if it is not known, or the code that answers while nobody here
// can tell.
func (o *ownership) find(partition int32, id string) (*transaction, int16) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	r, code := o.reignLocked(partition)
	if code != 0 {
		return nil, code
	}
	return r.transactions[id], 0
}

func (o *ownership) reignLocked(partition int32) (*reign, int16) {
	r := o.mu.reigns[partition]
	switch {
	case o.mu.closed:
		return nil, kerr.CoordinatorNotAvailable.Code
	case r == nil:
		return nil, kerr.NotCoordinator.Code
	case r.state == loading:
		return nil, kerr.CoordinatorLoadInProgress.Code
	}
	return r, 0
}

// add keeps the transactional id that is there already, and else makes one.
func (o *ownership) add(partition int32, id string, m metadata) (*transaction, int16) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, code := o.reignLocked(partition)
	if code != 0 {
		return nil, code
	}
	t := r.transactions[id]
	if t == nil {
		t = newTransaction(id, r, m)
		r.transactions[id] = t
	}
	return t, 0
}

// remove forgets a transactional id.
func (o *ownership) remove(t *transaction) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if t.reign.transactions[t.id] == t {
		delete(t.reign.transactions, t.id)
	}
}

// current reports whether the transaction's reign is not over.
func (o *ownership) current(t *transaction) bool {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return !o.mu.closed && t.reign.state == loaded
}

// begin starts a reign, or returns nil if the epoch is not newer than what is known.
func (o *ownership) begin(partition, epoch int32, stop context.CancelFunc) *reign {
	o.mu.Lock()
	defer o.mu.Unlock()
	if known, ok := o.mu.epochs[partition]; o.mu.closed || ok && epoch < known {
		return nil
	}
	if r := o.mu.reigns[partition]; r != nil {
		if r.epoch == epoch {
			return nil
		}
		r.end()
	}
	r := &reign{partition: partition, epoch: epoch, state: loading, stop: stop}
	o.mu.reigns[partition], o.mu.epochs[partition] = r, epoch
	return r
}

func (r *reign) end() {
	r.state = over
	r.stop()
}

// publish opens a reign for requests, unless it is over.
func (o *ownership) publish(r *reign, transactions map[string]*transaction) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mu.closed || r.state != loading {
		return false
	}
	r.state, r.transactions = loaded, transactions
	return true
}

// resign ends a reign. An epoch older than the one known changes nothing; nil is the end of the replica, whatever the
// epoch.
func (o *ownership) resign(partition int32, epoch *int32) *reign {
	o.mu.Lock()
	defer o.mu.Unlock()
	if epoch != nil {
		if known, ok := o.mu.epochs[partition]; ok && *epoch < known {
			return nil
		}
		o.mu.epochs[partition] = *epoch
	}
	r := o.mu.reigns[partition]
	delete(o.mu.reigns, partition)
	if r != nil {
		r.end()
	}
	return r
}

// all lists the transactions, and tells whether some partition is still loading.
func (o *ownership) all() (list []*transaction, stillLoading bool) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	for _, r := range o.mu.reigns {
		stillLoading = stillLoading || r.state == loading
		for _, t := range r.transactions {
			list = append(list, t)
		}
	}
	return list, stillLoading
}

func (o *ownership) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mu.closed = true
	for _, r := range o.mu.reigns {
		r.end()
	}
}
