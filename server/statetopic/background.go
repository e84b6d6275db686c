package statetopic

import "sync"

// Background is the work that Close waits for. What comes after Close is not begun.
type Background struct {
	mu struct {
		sync.Mutex
		closed bool
	}
	wg sync.WaitGroup
}

// Run runs f in a goroutine, unless Close has been called.
func (b *Background) Run(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.mu.closed {
		b.wg.Go(f)
	}
}

// Close waits for all that runs.
func (b *Background) Close() {
	b.mu.Lock()
	b.mu.closed = true
	b.mu.Unlock()
	b.wg.Wait()
}
