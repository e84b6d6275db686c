package replica

import (
	"sync"

	"ottla/purgatory"
)

// delayedDeleteRecords waits for the followers to move their log starts, which their fetches tell.
type delayedDeleteRecords struct {
	purgatory.Base
	done func([]RecordDeletion)

	mu struct {
		sync.Mutex // Ready may still look while the time-out answers
		deletions  []RecordDeletion
	}
}

// Ready reports whether every partition is through.
func (d *delayedDeleteRecords) Ready() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := true
	for i := range d.mu.deletions {
		all = d.mu.deletions[i].settled() && all
	}
	return all
}

// Complete answers. What is still open will be deleted by followers that come back later.
func (d *delayedDeleteRecords) Complete(bool) {
	d.mu.Lock()
	deletions := d.mu.deletions
	d.mu.deletions = nil
	d.mu.Unlock()
	for i := range deletions {
		if !deletions[i].settled() {
			deletions[i].Err, deletions[i].partition = ErrTimeout, nil
		}
	}
	d.done(deletions)
}
