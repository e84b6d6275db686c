package purgatory

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const shards = 256

// Purgatory holds the waiting operations of one kind, watched under keys of type K.
type Purgatory[K comparable] struct {
	ledger
	seed    maphash.Seed
	shards  [shards]shard[K]
	stop    chan struct{}
	once    sync.Once
	wg      sync.WaitGroup
	metrics metrics
}

// New returns an empty purgatory; it owns one goroutine, the reaper, until Close. The name, as in Produce, Fetch
// or Rebalance, tells its metrics apart. The registry may be nil.
func New[K comparable](name string, timer *Timer, registry prometheus.Registerer) *Purgatory[K] {
	p := &Purgatory[K]{ledger: ledger{timer: timer, reap: make(chan struct{}, 1)}, seed: maphash.MakeSeed(), stop: make(chan struct{})}
	p.metrics.register(name, registry, p.Watched, p.Pending)
	p.wg.Go(p.run)
	return p
}

// Watch answers the operation at once if it is ready, and reports true. Otherwise it waits under the keys for at
// most the timeout; it may then have been answered, by whoever, before Watch returns. Without keys only Force
// and the time end the waiting.
func (p *Purgatory[K]) Watch(op Operation, timeout time.Duration, keys ...K) (done bool) {
	b := op.base()
	b.op, b.owner = op, &p.ledger
	if b.try() {
		return true
	}
	b.shared = true
	p.pending.Add(1)
	for _, key := range keys {
		if !p.shard(key).add(key, b) {
			return true
		}
	}
	// The second try: a change since the first may have been checked before the operation was listed.
	if b.try() {
		return true
	}
	b.startTimer(timeout)
	return b.Done()
}

// Check asks the operations under a key and returns how many it answered. An operation that another goroutine is
// asking is left to it.
func (p *Purgatory[K]) Check(key K) int {
	var space [16]*Base
	s := p.shard(key)
	answered, stale := 0, false
	for _, b := range s.snapshot(key, space[:0]) {
		if b.try() {
			answered++
		}
		stale = stale || b.Done()
	}
	if stale {
		s.drop(key)
	}
	return answered
}

// Force answers the operation now, as not expired, and reports whether this call did. It needs no keys, but
// Watch must have returned, or the operation must have been found through CancelKey.
func (p *Purgatory[K]) Force(op Operation) bool { return op.base().finish(false) }

// CancelKey ends the watching under a key and returns the operations that waited there. They still wait under
// their other keys and for their time; the caller may Force them.
func (p *Purgatory[K]) CancelKey(key K) []Operation { return p.shard(key).remove(key) }

// Watched counts the places in all lists: an operation under three keys counts three times, and an answered one
// counts until the reaper came.
func (p *Purgatory[K]) Watched() int { return int(p.listed.Load()) }

// Pending counts the operations that were watched and are not answered.
func (p *Purgatory[K]) Pending() int { return int(p.pending.Load()) }

// Close stops the reaper and takes the metrics away. It answers nothing: what waits goes on waiting for the timer.
func (p *Purgatory[K]) Close() {
	p.once.Do(func() {
		close(p.stop)
		p.metrics.unregister()
	})
	p.wg.Wait()
}

func (p *Purgatory[K]) shard(key K) *shard[K] {
	return &p.shards[maphash.Comparable(p.seed, key)%shards]
}

// run is the reaper.
func (p *Purgatory[K]) run() {
	for {
		select {
		case <-p.reap:
			for i := range p.shards {
				p.shards[i].sweep()
			}
		case <-p.stop:
			return
		}
	}
}
