package replica

import (
	"sync"
	"time"

	"ottla/purgatory"
	"ottla/zkcoord/cluster"
)

// delayedProduce is an append with acks=all whose records are not on the whole ISR yet. It is watched under its
// partitions and freed by their high watermarks, by the loss of their leadership, or by its time.
type delayedProduce struct {
	purgatory.Base
	done func([]AppendEntry)

	mu struct {
		sync.Mutex // Ready may still look while the time-out answers
		entries    []AppendEntry
	}
}

func (m *Manager) awaitCommit(entries []AppendEntry, timeout time.Duration, open int, done func([]AppendEntry)) {
	op := &delayedProduce{done: done}
	op.mu.entries = entries
	keys := make([]cluster.TopicPartition, 0, open)
	for i := range entries {
		if entries[i].waiting.partition != nil {
			keys = append(keys, entries[i].TopicPartition)
		}
	}
	m.produces.Watch(op, timeout, keys...)
}

// Ready reports whether every entry is safe or lost.
func (d *delayedProduce) Ready() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := true
	for i := range d.mu.entries {
		all = d.mu.entries[i].settled() && all
	}
	return all
}

// Complete answers. What is still open was appended, and nobody knows whether it will stay.
func (d *delayedProduce) Complete(bool) {
	d.mu.Lock()
	entries := d.mu.entries
	d.mu.entries = nil // a Ready that comes late must not write into what the caller has now
	d.mu.Unlock()
	for i := range entries {
		if e := &entries[i]; e.waiting.partition != nil {
			e.Err, e.waiting.partition = ErrTimeout, nil
		}
	}
	d.done(entries)
}
