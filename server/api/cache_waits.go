package api

import (
	"context"
	"sync"
	"time"

	"ottla/server/metadata"
)

// MetadataUpdated wakes whoever waits for the metadata cache.
func (t *TopicCreator) MetadataUpdated() { t.waits.wake() }

// Await returns true as soon as ready finds what it wants in the metadata cache, false when the timeout
// or ctx ends before.
func (t *TopicCreator) Await(ctx context.Context, timeout time.Duration, ready func(*metadata.Snapshot) bool) bool {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		// Take the channel first: an update between the look and the wait must not be missed.
		changed := t.waits.changed()
		if ready(t.cache.Snapshot()) {
			return true
		}
		select {
		case <-changed:
		case <-timer.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// cacheWaits is a broadcast: changed returns a channel that the next wake closes.
type cacheWaits struct {
	mu      sync.Mutex
	waiting chan struct{} // nil while nobody waits
}

func (w *cacheWaits) changed() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting == nil {
		w.waiting = make(chan struct{})
	}
	return w.waiting
}

func (w *cacheWaits) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting != nil {
		close(w.waiting)
		w.waiting = nil
	}
}
