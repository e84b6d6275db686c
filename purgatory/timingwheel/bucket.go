package timingwheel

// bucket is a list of entries around a sentinel: root.next is the first, root.prev the last, and an empty
// one's root points at itself. So no link is ever nil in the list, and nothing is a special case.
type bucket struct {
	root Entry
	// begins is the tick at which the bucket's span begins, which is when it leaves the queue. It is
	// notQueued while the bucket is not in the queue.
	begins int64
}

const notQueued = -1

func (b *bucket) init() {
	b.root.next, b.root.prev = &b.root, &b.root
	b.begins = notQueued
}

func (b *bucket) empty() bool { return b.root.next == &b.root }

func (b *bucket) push(e *Entry) {
	last := b.root.prev
	e.prev, e.next = last, &b.root
	last.next, b.root.prev = e, e
}

// pop takes the oldest entry out. The bucket must not be empty.
func (b *bucket) pop() *Entry {
	e := b.root.next
	e.unlink()
	return e
}

// moveTo appends all entries to another bucket in constant time.
func (b *bucket) moveTo(to *bucket) {
	if b.empty() {
		return
	}
	first, last := b.root.next, b.root.prev
	end := to.root.prev
	end.next, first.prev = first, end
	last.next, to.root.prev = &to.root, last
	b.root.next, b.root.prev = &b.root, &b.root
}
