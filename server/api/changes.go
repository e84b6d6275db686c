package api

import "sync"

// changes wakes those that wait for the metadata to change.
type changes struct {
	mu struct {
		sync.Mutex
		waiting chan struct{} // nil while nobody waits
	}
}

// next is closed at the next change. Take it before looking, or the change may come in between.
func (c *changes) next() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.waiting == nil {
		c.mu.waiting = make(chan struct{})
	}
	return c.mu.waiting
}

func (c *changes) happened() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.waiting != nil {
		close(c.mu.waiting)
		c.mu.waiting = nil
	}
}
