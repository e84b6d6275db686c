package txn

import (
	"context"
	"sync"
	"time"
)

// background is the work that Close waits for. What comes after Close is not begun.
type background struct {
	mu struct {
		sync.Mutex
		closed bool
	}
	wg sync.WaitGroup
}

func (b *background) run(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.mu.closed {
		b.wg.Go(f)
	}
}

func (b *background) close() {
	b.mu.Lock()
	b.mu.closed = true
	b.mu.Unlock()
	b.wg.Wait()
}

// every does a thing again and again until ctx ends, the first time after the interval.
func every(ctx context.Context, interval time.Duration, do func()) {
	for wait(ctx, interval) {
		do()
	}
}

// wait returns after the time, or false when ctx ends.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
