package statetopic

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Reigns knows which partitions of its topic this broker leads, and who lives in them, by id: groups, or transactional ids. Its
// lock is taken alone.
type Reigns[T comparable] struct {
	mu struct {
		sync.RWMutex
		closed bool
		now    map[int32]*Reign[T]
		// epochs are the highest leader epochs heard of. Loading takes time, and LeaderAndIsr may come twice or in the wrong
		// order: an older reign may not begin, and its end must not end a newer one.
		epochs map[int32]int32
	}
}

// Reign is the time in which this broker leads a partition, with those who live in it.
type Reign[T comparable] struct {
	Partition int32
	Epoch     int32 // the leader epoch in which it began

	ctx     context.Context // of the loading
	stop    context.CancelFunc
	state   reignState          // this and what follows is guarded by the lock of Reigns
	members map[string]T        // once it is loaded
	missed  []func(members []T) // what the loading may have missed
}

type reignState int8

const (
	loading reignState = iota
	loaded
	over
)

// NewReigns returns one without a partition.
func NewReigns[T comparable]() *Reigns[T] {
	o := &Reigns[T]{}
	o.mu.now, o.mu.epochs = make(map[int32]*Reign[T]), make(map[int32]int32)
	return o
}

// Find returns who has an id in a partition, the zero value for nobody, or the code that answers while this broker cannot
// tell.
func (o *Reigns[T]) Find(partition int32, id string) (who T, code int16) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	r, code := o.reignLocked(partition)
	if code == 0 {
		who = r.members[id]
	}
	return who, code
}

func (o *Reigns[T]) reignLocked(partition int32) (*Reign[T], int16) {
	r := o.mu.now[partition]
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

// Add returns who has the id already, and else gives it to a newcomer.
func (o *Reigns[T]) Add(partition int32, id string, newcomer func(*Reign[T]) T) (who T, code int16) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, code := o.reignLocked(partition)
	if code != 0 {
		return who, code
	}
	who, ok := r.members[id]
	if !ok {
		who = newcomer(r)
		r.members[id] = who
	}
	return who, 0
}

// Remove forgets who has the id, if it is still that one.
func (o *Reigns[T]) Remove(partition int32, id string, who T) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if r := o.mu.now[partition]; r != nil && r.members[id] == who {
		delete(r.members, id)
	}
}

// Current reports whether the reign has been loaded and is not over.
func (o *Reigns[T]) Current(r *Reign[T]) bool {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return !o.mu.closed && r.state == loaded
}

// Begin starts a reign that is to be loaded, or returns nil if there is nothing to do: an older epoch, or one that is there
// already. A newer epoch of a partition that this broker has led all the time begins anew only if it is asked to: nobody else
// has written meanwhile, so what was loaded is still true.
func (o *Reigns[T]) Begin(ctx context.Context, partition, epoch int32, anew bool) *Reign[T] {
	o.mu.Lock()
	defer o.mu.Unlock()
	known, ok := o.mu.epochs[partition]
	if o.mu.closed || ok && epoch < known {
		return nil
	}
	o.mu.epochs[partition] = epoch
	if r := o.mu.now[partition]; r != nil {
		if !anew || r.Epoch == epoch {
			return nil
		}
		r.end()
	}
	r := &Reign[T]{Partition: partition, Epoch: epoch}
	r.ctx, r.stop = context.WithCancel(ctx)
	o.mu.now[partition] = r
	return r
}

// end returns those who lived in it.
func (r *Reign[T]) end() (members []T) {
	members = r.list()
	r.state, r.members, r.missed = over, nil, nil
	r.stop()
	return members
}

func (r *Reign[T]) list() []T {
	list := make([]T, 0, len(r.members))
	for _, who := range r.members {
		list = append(list, who)
	}
	return list
}

// Publish opens a reign for requests, unless it is over. The map belongs to it from now on.
func (o *Reigns[T]) Publish(r *Reign[T], members map[string]T) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mu.closed || r.state != loading {
		return false
	}
	r.state, r.members = loaded, members
	for _, do := range r.missed {
		do(r.list())
	}
	r.missed = nil
	r.stop()
	return true
}

// WhenLoaded keeps what is to be done to those of a partition that is still loading, and reports whether it is. It is done
// before anybody else knows of them.
func (o *Reigns[T]) WhenLoaded(partition int32, do func(members []T)) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.mu.now[partition]
	if r == nil || r.state != loading {
		return false
	}
	r.missed = append(r.missed, do)
	return true
}

// Resign ends a reign and returns those who lived in it. An epoch older than the one known changes nothing; nil is the end of
// the replica, whatever the epoch.
func (o *Reigns[T]) Resign(partition int32, epoch *int32) []T {
	o.mu.Lock()
	defer o.mu.Unlock()
	if epoch != nil {
		if known, ok := o.mu.epochs[partition]; ok && *epoch < known {
			return nil
		}
		o.mu.epochs[partition] = *epoch
	}
	r := o.mu.now[partition]
	if r == nil {
		return nil
	}
	delete(o.mu.now, partition)
	return r.end()
}

// In lists those of one partition.
func (o *Reigns[T]) In(partition int32) []T {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if r := o.mu.now[partition]; r != nil {
		return r.list()
	}
	return nil
}

// All lists those of all partitions, and tells whether some partition is still loading.
func (o *Reigns[T]) All() (list []T, stillLoading bool) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	for _, r := range o.mu.now {
		stillLoading = stillLoading || r.state == loading
		list = append(list, r.list()...)
	}
	return list, stillLoading
}

// Close ends all reigns for good, and returns those who lived in them.
func (o *Reigns[T]) Close() (members []T) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mu.closed = true
	for _, r := range o.mu.now {
		members = append(members, r.end()...)
	}
	clear(o.mu.now)
	return members
}
