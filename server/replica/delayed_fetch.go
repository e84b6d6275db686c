package replica

import (
	"sync"

	"ottla/logdir"
	"ottla/purgatory"
	"ottla/zkcoord/cluster"
)

// delayedFetch is a fetch that found fewer than min.bytes. It is watched under its partitions and freed by their
// log ends or high watermarks, by anything that has to be told at once, or by its time.
//
// What it found at first is not kept: files would stay open for nothing. It reads again when it answers.
type delayedFetch struct {
	purgatory.Base
	m      *Manager
	params FetchParams
	done   func([]FetchPartition)

	mu struct {
		sync.Mutex // Ready may still look while the time-out answers
		parts      []FetchPartition
		seen       []seen
	}
}

// seen is what a look at a partition found, so that the next look need not measure again what has not changed.
type seen struct {
	end   int64
	bytes int
}

func (m *Manager) awaitRecords(p FetchParams, parts []FetchPartition, done func([]FetchPartition)) {
	op := &delayedFetch{m: m, params: p, done: done}
	op.mu.parts, op.mu.seen = parts, make([]seen, len(parts))
	keys := make([]cluster.TopicPartition, len(parts))
	for i := range parts {
		keys[i] = parts[i].TopicPartition
		op.mu.seen[i].end = unknownOffset
	}
	m.fetches.Watch(op, p.MaxWait, keys...)
}

// Ready reports whether there are min.bytes, or something to tell at once.
func (d *delayedFetch) Ready() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	total := 0
	for i := range d.mu.parts {
		bytes, atOnce := d.look(&d.mu.parts[i], &d.mu.seen[i])
		if total += bytes; atOnce || total >= int(d.params.MinBytes) {
			return true
		}
	}
	return false
}

// look measures what a partition has for the sender.
func (d *delayedFetch) look(fp *FetchPartition, s *seen) (bytes int, atOnce bool) {
	if fp.partition == nil {
		return 0, true
	}
	// Should the partition be deleted, and made anew as another Partition, this one has no reign any more, which
	// is told at once.
	r := fp.partition.mu.reign.Load()
	l, err := r.readable(fp.CurrentLeaderEpoch, d.params.OnlyLeader || d.params.isFollower())
	if err != nil {
		return 0, true
	}
	limit := d.params.limit()
	end := visibleEnd(limit, l.LogEndOffset(), l.HighWatermark(), l.LastStableOffset())
	switch {
	case fp.FetchOffset > end || fp.FetchOffset < l.LogStartOffset():
		return 0, true // the log was cut, or its start has moved
	case end == s.end:
		return s.bytes, false
	case fp.FetchOffset < end && d.heldBack(fp.partition, r):
		return 0, diverges(l, fp) // not remembered: it may get them at the next look
	case fp.FetchOffset < end:
		// A record is at least one byte, which is all that most fetches want.
		if s.bytes = 1; d.params.MinBytes > 1 {
			s.bytes, err = measure(l, fp, limit)
		}
	}
	s.end = end
	return s.bytes, err != nil || diverges(l, fp)
}

// heldBack reports whether the sender is a follower that is throttled now.
func (d *delayedFetch) heldBack(p *Partition, r *reign) bool {
	if d.m.options.Throttle == nil || !d.params.isFollower() {
		return false
	}
	f, ok := r.follower(d.params.Replica)
	return ok && p.holdsBack(r, f)
}

// measure counts the bytes that a read would give. It touches the index, not the records.
func measure(l *logdir.Log, fp *FetchPartition, limit logdir.Limit) (int, error) {
	data, err := l.Read(fp.FetchOffset, int(max(0, fp.MaxBytes)), true, limit)
	if err != nil {
		return 0, err
	}
	defer data.Release()
	return min(data.Len(), int(max(1, fp.MaxBytes))), nil
}

// diverges reports whether the sender has to cut its log: ours was cut while it waited.
func diverges(l *logdir.Log, fp *FetchPartition) bool {
	if fp.LastFetchedEpoch < 0 {
		return false
	}
	epoch, end := l.EndOffsetForEpoch(fp.LastFetchedEpoch)
	return epoch != fp.LastFetchedEpoch || end < fp.FetchOffset
}

// Complete reads and answers. The follower's progress was noted when the fetch came.
func (d *delayedFetch) Complete(bool) {
	d.mu.Lock()
	parts := d.mu.parts
	d.mu.parts = nil // a Ready that comes late must not look at what the caller has now
	d.mu.Unlock()
	d.m.readAll(&d.params, parts, false)
	d.m.fetched(&d.params, parts)
	d.done(parts)
}
