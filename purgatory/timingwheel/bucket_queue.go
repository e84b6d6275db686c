package timingwheel

import "container/heap"

// bucketQueue is a heap of the buckets that wait for their time, the next one first. An entry never moves in
// it: it holds at most every bucket of every wheel once.
type bucketQueue []*bucket

func (q *bucketQueue) add(b *bucket) { heap.Push(q, b) }

// next returns the tick at which the first bucket begins.
func (q bucketQueue) next() (tick int64, ok bool) {
	if len(q) == 0 {
		return 0, false
	}
	return q[0].begins, true
}

// take removes the first bucket and returns it with the tick at which it began.
func (q *bucketQueue) take() (*bucket, int64) {
	b := heap.Pop(q).(*bucket)
	begins := b.begins
	b.begins = notQueued
	return b, begins
}

// Len is part of heap.Interface, as are the methods below.
func (q bucketQueue) Len() int           { return len(q) }
func (q bucketQueue) Less(i, j int) bool { return q[i].begins < q[j].begins }
func (q bucketQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }

// Push appends; container/heap calls it.
func (q *bucketQueue) Push(x any) { *q = append(*q, x.(*bucket)) }

// Pop removes the last; container/heap calls it.
func (q *bucketQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return last
}
