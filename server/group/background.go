package group

import "sync"

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
