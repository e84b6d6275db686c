package group

import "ottla/zkcoord/cluster"

// offsets are what a group has committed. They are guarded by the group's lock.
type offsets struct {
	committed map[cluster.TopicPartition]stored
	// writing counts the commits on their way into the log: until they are there, the offset in committed is old.
	writing map[cluster.TopicPartition]int
	// open are commits of transactions that have not ended, by producer id. They count when it ends with a
	// commit marker.
	open map[int64]map[cluster.TopicPartition]stored
	// opening counts the commits of transactions on their way into the log, by producer id.
	opening map[int64]map[cluster.TopicPartition]int
}

// stored is a commit with its place in the log, which decides between two that were written at the same time.
type stored struct {
	commit
	recordOffset int64 // of its batch
}

func newOffsets() offsets {
	return offsets{committed: make(map[cluster.TopicPartition]stored), writing: make(map[cluster.TopicPartition]int),
		open: make(map[int64]map[cluster.TopicPartition]stored), opening: make(map[int64]map[cluster.TopicPartition]int)}
}

// any tells whether there is anything for which the group must be kept.
func (o *offsets) any() bool {
	return len(o.committed) > 0 || len(o.writing) > 0 || len(o.open) > 0 || len(o.opening) > 0
}

// unstable tells whether a newer commit may be on its way.
func (o *offsets) unstable(tp cluster.TopicPartition) bool {
	if o.writing[tp] > 0 {
		return true
	}
	for _, ofProducer := range o.open {
		if _, ok := ofProducer[tp]; ok {
			return true
		}
	}
	for _, ofProducer := range o.opening {
		if ofProducer[tp] > 0 {
			return true
		}
	}
	return false
}

func (o *offsets) begin(tp cluster.TopicPartition) { o.writing[tp]++ }

// end takes the commit over when it is in the log. A partition that is not being written any more was
// deleted meanwhile, and the commit with it.
func (o *offsets) end(tp cluster.TopicPartition, s stored, ok bool) {
	n, expected := o.writing[tp]
	if !expected {
		return
	}
	if ok {
		o.put(tp, s)
	}
	if n == 1 {
		delete(o.writing, tp)
	} else {
		o.writing[tp] = n - 1
	}
}

// put keeps the one that stands later in the log.
func (o *offsets) put(tp cluster.TopicPartition, s stored) {
	if there, ok := o.committed[tp]; !ok || there.recordOffset <= s.recordOffset {
		o.committed[tp] = s
	}
}

// remove forgets a partition and tells whether there was a commit to write a tombstone for.
func (o *offsets) remove(tp cluster.TopicPartition) bool {
	delete(o.writing, tp)
	for producer, ofProducer := range o.open {
		if delete(ofProducer, tp); len(ofProducer) == 0 {
			delete(o.open, producer)
		}
	}
	for producer, ofProducer := range o.opening {
		if delete(ofProducer, tp); len(ofProducer) == 0 {
			delete(o.opening, producer)
		}
	}
	_, ok := o.committed[tp]
	delete(o.committed, tp)
	return ok
}

func (o *offsets) beginOpen(producer int64, tp cluster.TopicPartition) {
	if o.opening[producer] == nil {
		o.opening[producer] = make(map[cluster.TopicPartition]int)
	}
	o.opening[producer][tp]++
}

// endOpen keeps a transaction's commit that is in the log for the transaction's end. One that is not expected any more is
// dropped: its transaction has been ended by the coordinator, or its partition deleted.
func (o *offsets) endOpen(producer int64, tp cluster.TopicPartition, s stored, ok bool) {
	n := o.opening[producer][tp]
	if n == 0 {
		return
	}
	if ok {
		if o.open[producer] == nil {
			o.open[producer] = make(map[cluster.TopicPartition]stored)
		}
		if there, twice := o.open[producer][tp]; !twice || there.recordOffset < s.recordOffset {
			o.open[producer][tp] = s
		}
	}
	if o.opening[producer][tp] = n - 1; n > 1 {
		return
	}
	if delete(o.opening[producer], tp); len(o.opening[producer]) == 0 {
		delete(o.opening, producer)
	}
}

// endTransaction applies or drops what a producer's transaction has committed.
func (o *offsets) endTransaction(producer int64, commit bool) {
	if commit {
		for tp, s := range o.open[producer] {
			o.put(tp, s)
		}
	}
	delete(o.open, producer)
	delete(o.opening, producer)
}
