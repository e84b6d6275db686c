package purgatory

import "sync"

// shard holds the lists of some of the keys. Its lock is held for a look-up or an append, never while an
// operation is asked or answered.
type shard[K comparable] struct {
	mu    sync.Mutex
	lists map[K][]*Base
	_     [48]byte // a cache line each: neighbours are locked by other cores
}

// add lists an operation under a key, and reports false if it is done already.
func (s *shard[K]) add(key K, b *Base) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.Done() {
		return false
	}
	if s.lists == nil {
		s.lists = make(map[K][]*Base)
	}
	s.lists[key] = append(s.lists[key], b)
	b.owner.listed.Add(1)
	if b.listings.Add(1) >= sealed {
		b.owner.leave(1) // it was finished after we looked, and its finisher has not counted this place
	}
	return true
}

// snapshot copies the operations of a key, into the space given if it is enough. The list itself stays as it
// is: taking it away while it is checked would hide its operations from the next Check.
func (s *shard[K]) snapshot(key K, space []*Base) []*Base {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(space, s.lists[key]...)
}

// drop takes the finished operations out of one list.
func (s *shard[K]) drop(key K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if list, ok := s.lists[key]; ok {
		s.dropLocked(key, list)
	}
}

// sweep takes the finished operations out of all lists.
func (s *shard[K]) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, list := range s.lists {
		s.dropLocked(key, list)
	}
}

func (s *shard[K]) dropLocked(key K, list []*Base) {
	kept := list[:0]
	var owner *ledger
	for _, b := range list {
		if b.Done() {
			owner = b.owner
		} else {
			kept = append(kept, b)
		}
	}
	gone := int64(len(list) - len(kept))
	if gone == 0 {
		return
	}
	owner.listed.Add(-gone)
	owner.finished.Add(-gone)
	if len(kept) == 0 {
		delete(s.lists, key)
		return
	}
	clear(list[len(kept):]) // let the answered requests go
	s.lists[key] = kept
}

// remove ends a list and returns its operations that were not done.
func (s *shard[K]) remove(key K) []Operation {
	s.mu.Lock()
	defer s.mu.Unlock()
	list, ok := s.lists[key]
	if !ok {
		return nil
	}
	delete(s.lists, key)
	var ops []Operation
	for _, b := range list {
		b.owner.listed.Add(-1)
		if b.listings.Add(-1) >= sealed {
			b.owner.finished.Add(-1) // its finisher counted this place
		} else {
			ops = append(ops, b.op)
		}
	}
	return ops
}
