package network

import (
	"context"
	"sync"
	"sync/atomic"
)

// budget counts the bytes of all frames in work and holds new ones back while there are too many.
type budget struct {
	limit int64 // 0 means no limit
	used  atomic.Int64
	mu    struct {
		sync.Mutex
		freed chan struct{} // closed when used falls below limit; nil while nobody waits
	}
}

// tryAcquire takes n bytes if any are left; the last taker may exceed the limit.
func (b *budget) tryAcquire(n int) bool {
	if b.limit <= 0 {
		return true
	}
	for {
		used := b.used.Load()
		if used >= b.limit {
			return false
		}
		if b.used.CompareAndSwap(used, used+int64(n)) {
			return true
		}
	}
}

// acquire takes n bytes, waiting as long as none are left.
func (b *budget) acquire(ctx context.Context, n int) error {
	for {
		b.mu.Lock()
		if b.mu.freed == nil {
			b.mu.freed = make(chan struct{})
		}
		freed := b.mu.freed
		b.mu.Unlock()
		// Only after the channel stands: a release in between would otherwise be missed.
		if b.tryAcquire(n) {
			return nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// release gives n bytes back.
func (b *budget) release(n int) {
	if b.limit <= 0 || n == 0 {
		return
	}
	if now := b.used.Add(-int64(n)); now < b.limit && now+int64(n) >= b.limit {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.mu.freed != nil {
			close(b.mu.freed)
			b.mu.freed = nil
		}
	}
}
