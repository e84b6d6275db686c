package timingwheel

// ringSize is the number of buckets of one wheel. Twenty is Kafka's choice: few enough that an idle wheel is
// small, many enough that a minute needs four levels.
const ringSize = 20

// wheel is one ring of buckets, guarded by the Timer's lock.
type wheel struct {
	tick int64 // span of one bucket, in ticks of the Timer
	span int64 // span of the ring: tick * ringSize
	// now is the Timer's time rounded down to a whole bucket. The ring reaches from now to now+span.
	now  int64
	ring [ringSize]bucket
	// overflow is the wheel whose tick is this one's span, or nil as long as nothing waited so long.
	overflow *wheel
}

func newWheel(tick, now int64) *wheel {
	w := &wheel{tick: tick, span: tick * ringSize, now: now - now%tick}
	for i := range w.ring {
		w.ring[i].init()
	}
	return w
}

// add links the entry into the bucket of its time, on this wheel or one above it, and queues a bucket that
// was not queued yet. It returns false when the entry is due already.
func (w *wheel) add(e *Entry, queue *bucketQueue) bool {
	if e.due < w.now+w.tick {
		return false
	}
	for e.due >= w.now+w.span {
		if w.overflow == nil {
			w.overflow = newWheel(w.span, w.now)
		}
		w = w.overflow
	}
	// On an overflow wheel the entry lies at least one bucket ahead, since the wheel below reaches to the end of the bucket
	// that contains now.
	nth := e.due / w.tick
	b := &w.ring[nth%ringSize]
	b.push(e)
	if b.begins == notQueued {
		b.begins = nth * w.tick
		queue.add(b)
	}
	return true
}

// advance moves the time of this wheel and all above it to a tick.
func (w *wheel) advance(to int64) {
	for ; w != nil && to >= w.now+w.tick; w = w.overflow {
		w.now = to - to%w.tick
	}
}
