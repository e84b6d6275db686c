package group

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
)

// ownership knows the partitions of __consumer_offsets that this broker leads, and the groups in them.
type ownership struct {
	mu struct {
		sync.RWMutex
		closed     bool
		partitions map[int32]*partition
	}
}

// partition is one partition's groups. It stays after a resignation, without groups, to remember the epoch.
type partition struct {
	// epoch is the highest leader epoch heard of. Loading takes time, and LeaderAndIsr may come twice or in
	// the wrong order: only a newer or equal reign may load, and an older one's end must not unload a newer one.
	epoch int32
	state ownState
	// loading ends when stop is called; the load publishes its groups only if the partition still has it.
	stop   context.CancelFunc
	groups map[string]*Group
	// ended are the transactions whose markers came while the groups were being read: the reading may have missed them.
	ended []endedTransaction
}

type ownState int8

const (
	notOwned ownState = iota
	loading
	owned
)

func (o *ownership) init() { o.mu.partitions = make(map[int32]*partition) }

// check returns 0 when requests for the partition's groups can be served, or the code that answers them.
func (o *ownership) check(id int32) int16 {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if o.mu.closed {
		return kerr.CoordinatorNotAvailable.Code
	}
	if p := o.mu.partitions[id]; p != nil && p.state == loading {
		return kerr.CoordinatorLoadInProgress.Code
	} else if p != nil && p.state == owned {
		return 0
	}
	return kerr.NotCoordinator.Code
}

func (o *ownership) get(id int32, group string) *Group {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if p := o.mu.partitions[id]; p != nil && p.state == owned {
		return p.groups[group]
	}
	return nil
}

// add keeps the group already there, and else the given one.
func (o *ownership) add(id int32, g *Group) *Group {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.mu.partitions[id]
	if p == nil || p.state != owned || o.mu.closed {
		return nil
	}
	if there := p.groups[g.id]; there != nil {
		return there
	}
	p.groups[g.id] = g
	return g
}

// remove forgets a dead group, if it is still that one.
func (o *ownership) remove(g *Group) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if p := o.mu.partitions[g.partition]; p != nil && p.groups[g.id] == g {
		delete(p.groups, g.id)
	}
}

// beginLoading notes the epoch and hands out the partition to load, or nil when there is nothing to do:
// an older epoch, or one that is loaded or being loaded already. stop ends that load.
func (o *ownership) beginLoading(id, epoch int32, stop context.CancelFunc) *partition {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mu.closed {
		return nil
	}
	p := o.mu.partitions[id]
	if p != nil && (epoch < p.epoch || p.state != notOwned) {
		// Still the leader, in a newer epoch: the state stays valid, nobody else has written meanwhile.
		p.epoch = max(p.epoch, epoch)
		return nil
	}
	p = &partition{epoch: epoch, state: loading, stop: stop}
	o.mu.partitions[id] = p
	return p
}

// endLoading publishes the groups unless the reign ended meanwhile.
func (o *ownership) endLoading(id int32, p *partition, groups map[string]*Group) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mu.closed || o.mu.partitions[id] != p || p.state != loading {
		return false
	}
	for _, t := range p.ended {
		for _, g := range groups {
			g.mu.offsets.endTransaction(t.producerID, t.commit) // nobody else knows of g yet
		}
	}
	p.state, p.groups, p.ended = owned, groups, nil
	return true
}

// noteEnded keeps the end of a transaction for the groups of a partition that is still loading, and reports whether it is.
func (o *ownership) noteEnded(id int32, t endedTransaction) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.mu.partitions[id]
	if p == nil || p.state != loading {
		return false
	}
	p.ended = append(p.ended, t)
	return true
}

// resign gives the partition up and returns its groups. An epoch older than the one known changes nothing;
// nil is the end of the replica, whatever the epoch.
func (o *ownership) resign(id int32, epoch *int32) []*Group {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.mu.partitions[id]
	if p == nil {
		p = &partition{epoch: -1}
		o.mu.partitions[id] = p
	}
	if epoch != nil && *epoch < p.epoch {
		return nil
	}
	if epoch != nil {
		p.epoch = *epoch
	}
	return p.leave()
}

func (p *partition) leave() (groups []*Group) {
	if p.stop != nil {
		p.stop()
	}
	for _, g := range p.groups {
		groups = append(groups, g)
	}
	p.state, p.groups = notOwned, nil
	return groups
}

// all returns every group, and whether some partition is still loading.
func (o *ownership) all() (groups []*Group, stillLoading bool) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	for _, p := range o.mu.partitions {
		stillLoading = stillLoading || p.state == loading
		for _, g := range p.groups {
			groups = append(groups, g)
		}
	}
	return groups, stillLoading
}

// of returns the groups of one partition.
func (o *ownership) of(id int32) (groups []*Group) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if p := o.mu.partitions[id]; p != nil {
		for _, g := range p.groups {
			groups = append(groups, g)
		}
	}
	return groups
}

func (o *ownership) close() (groups []*Group) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mu.closed = true
	for _, p := range o.mu.partitions {
		groups = append(groups, p.leave()...)
	}
	return groups
}
