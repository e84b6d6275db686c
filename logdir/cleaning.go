package logdir

import (
	"fmt"
	"math"
	"time"

	"ottla/logdir/batch"
)

// cleaning is one pass over one log: it notes the newest offset of each key in the part that was not
// cleaned yet, as far as the map has room, and writes all segments up to there anew without the records
// that are older than what the map says. What survives has the offset it had.
//
// What goes, by the rules of Kafka's cleaner:
//   - a record whose key has a newer one, and one without a key;
//   - a tombstone, once the horizon that a first pass has written into its batch is over (KIP-534): a
//     reader has delete.retention.ms from then on to see it; a tombstone of magic 0 or 1, whose message has no room
//     for a horizon, once its segment is older by that much than the newest one cleaned before;
//   - data of an aborted transaction, at once;
//   - a transaction's marker, once a pass has met none of its data and the horizon set then is over.
//
// The last batch of each producer that the log still knows stays, if need be empty: its sequence and
// epoch are what a retry is recognised by.
type cleaning struct {
	cleanable
	by   *sweeper
	cfg  *Config
	now  int64 // ms
	keys *offsetMap
	txns *cleanedTxns
	last map[int64]lastBatch // of the producers

	out     *segment // being written
	pending []byte   // of it, not written yet
	// A segment written after oldHorizon, in ms, keeps the tombstones in it that are messages of magic 0 or 1; keepOld
	// says so of the segment at hand.
	oldHorizon int64
	keepOld    bool
	// Of the batch at hand.
	header  *batch.Header
	horizon int64 // math.MaxInt64 without one
	discard bool
	// keepRecord is keep, made once instead of for each batch.
	keepRecord func(batch.Key) bool

	read, written int64 // bytes
}

// lastBatch is where a producer's newest data is, -1 if the log knows only a marker of it.
type lastBatch struct {
	offset int64
	epoch  int16
}

// run cleans and returns the offset up to which the log is clean now. It needs l.cleaning.
func (k *cleaning) run() (end int64, err error) {
	l := k.log
	// A record may go only for the sake of a newer one that the disk has for sure.
	if l.RecoveryPoint() < k.to {
		if err := l.syncBelow(k.to); err != nil {
			return 0, err
		}
	}
	// After a crash, what was cleaned shall not be walked to learn of producers: their batches may be gone.
	if l.savedPoint.Load() < k.to {
		if err := l.m.checkpointDir(l.dir, recoveryPointFile); err != nil {
			return 0, err
		}
	}
	if err := k.learn(); err != nil {
		return 0, err
	}
	end = k.keys.latest + 1
	k.txns = newCleanedTxns()
	if cleaned := between(l.list(), -1, k.from); len(cleaned) > 0 {
		k.oldHorizon = cleaned[len(cleaned)-1].modified.Load() - millis(k.cfg.DeleteRetention)
	}
	for _, group := range k.groups(between(l.list(), -1, end)) {
		if err := k.rewrite(group); err != nil {
			return 0, err
		}
	}
	return end, nil
}

// check ends the cleaning if somebody waits for it to.
func (k *cleaning) check() error {
	if k.log.cleaning.wanted.Load() > 0 || k.by.stopped() {
		return errCleaningAborted
	}
	return k.log.dir.err()
}

// learn fills the map of keys.
func (k *cleaning) learn() error {
	dirty := between(k.log.list(), k.from, k.to)
	o := k.by.o
	memory := o.DedupeBufferSize / int64(max(o.Threads, 1))
	want, err := countRecords(dirty, memory/offsetSlotSize)
	if err != nil {
		return err
	}
	k.keys = k.by.keys
	k.keys.reset(want, memory, o.LoadFactor)
	k.txns = newCleanedTxns()
	k.txns.expect(abortedBetween(k.log.list(), k.from, k.to))
	for i, s := range dirty {
		next := k.to
		if i+1 < len(dirty) {
			next = dirty[i+1].base
		}
		full, err := k.learnSegment(s)
		if err != nil {
			return err
		}
		if full {
			return nil
		}
		k.keys.reached(next - 1)
	}
	return nil
}

// countRecords is how many keys there may be, as far as it matters.
func countRecords(list []*segment, enough int64) (n int64, err error) {
	for _, s := range list {
		c, err := s.scan(0, s.size.Load())
		if err != nil {
			return 0, err
		}
		for n < enough {
			h, _, ok, err := c.next()
			if err != nil {
				c.close()
				return 0, err
			}
			if !ok {
				break
			}
			n += h.AtMost()
		}
		c.close()
	}
	return n, nil
}

// learnSegment notes the keys of one segment and reports whether the map is full.
func (k *cleaning) learnSegment(s *segment) (full bool, err error) {
	start, err := s.startFor(k.from)
	if err != nil {
		return false, err
	}
	r, err := k.open(s, start)
	if err != nil {
		return false, err
	}
	defer r.close()
	for {
		h, b, ok, err := r.next()
		if err != nil || !ok {
			return false, err
		}
		if err := k.check(); err != nil {
			return false, err
		}
		aborted, err := k.follow(&h, b)
		if err != nil {
			return false, err
		}
		if !h.IsControl() && !aborted {
			err := k.by.filter.Keys(&h, b, func(key batch.Key) bool {
				full = !key.Null && key.Offset >= k.from && !k.keys.put(key.Bytes, key.Offset)
				return !full
			})
			if err != nil || full {
				return full, r.failed(err)
			}
		}
		if h.LastOffset() >= k.from {
			k.keys.reached(h.LastOffset())
		}
	}
}

// follow takes a batch into the transactions. idle says of data that it was aborted, and of a marker that
// it marks nothing any more.
func (k *cleaning) follow(h *batch.Header, b []byte) (idle bool, err error) {
	if !h.IsControl() {
		return k.txns.data(h), nil
	}
	m, isMarker, err := markerOf(h, b)
	if err != nil {
		return false, err
	}
	return k.txns.control(h, m, isMarker)
}

// groups joins neighbours that fit one segment together, so that a log that shrinks does not end as many
// tiny files.
func (k *cleaning) groups(list []*segment) (out [][]*segment) {
	for len(list) > 0 {
		n := k.group(list)
		out = append(out, list[:n:n])
		list = list[n:]
	}
	return out
}

func (k *cleaning) group(list []*segment) int {
	size, offsets, times := int64(0), int64(0), int64(0)
	for i, s := range list {
		size += s.size.Load()
		offsets += s.offsets.count() * s.offsets.size
		times += s.times.count() * s.times.size
		if i == 0 {
			continue
		}
		last := k.to - 1
		if i+1 < len(list) {
			last = list[i+1].base - 1
		}
		tooFar := s.size.Load() > 0 && last-list[0].base > math.MaxInt32
		if size > int64(k.cfg.SegmentBytes) || max(offsets, times) > int64(k.cfg.IndexBytes) || tooFar {
			return i
		}
	}
	return len(list)
}

// rewrite puts one segment with the survivors in the place of a group.
func (k *cleaning) rewrite(group []*segment) (err error) {
	l := k.log
	if k.out, err = l.createCleaned(group[0].base, k.cfg); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			l.dropCleaned(k.out)
		}
	}()
	k.txns.retained = k.out.txns.add
	k.last = l.lastBatches()
	for i, s := range group {
		if err := k.sift(group, i, s); err != nil {
			return err
		}
	}
	if err := k.write(); err != nil {
		return err
	}
	if err := k.out.seal(false); err != nil {
		return err
	}
	k.out.modified.Store(group[len(group)-1].modified.Load())
	if err := k.out.settle(); err != nil {
		return err
	}
	if err := k.out.syncClosed(); err != nil {
		return err
	}
	if err := k.check(); err != nil {
		return err
	}
	return l.swapIn(k.out, group)
}

// lastBatches is the newest batch of each producer the log knows.
func (l *Log) lastBatches() map[int64]lastBatch {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[int64]lastBatch, len(l.mu.producers.byID))
	for id, p := range l.mu.producers.byID {
		b := lastBatch{offset: -1, epoch: p.epoch}
		if p.n > 0 {
			b.offset = p.batches[p.n-1].lastOffset
		}
		out[id] = b
	}
	return out
}

// sift copies what survives of one segment.
func (k *cleaning) sift(group []*segment, i int, s *segment) error {
	end, err := s.findEnd()
	if err != nil {
		return err
	}
	if i+1 < len(group) {
		end = group[i+1].base
	}
	k.txns.expect(abortedBetween(k.log.list(), s.base, end))
	k.keepOld = s.modified.Load() > k.oldHorizon
	r, err := k.open(s, 0)
	if err != nil {
		return err
	}
	defer r.close()
	for {
		h, b, ok, err := r.next()
		if err != nil || !ok {
			return err
		}
		if err := k.check(); err != nil {
			return err
		}
		if err := k.batch(&h, b); err != nil {
			return r.failed(err)
		}
	}
}

// batch copies what survives of one batch.
func (k *cleaning) batch(h *batch.Header, b []byte) error {
	idle, err := k.follow(h, b)
	if err != nil {
		return err
	}
	horizon, has := h.DeleteHorizon()
	if h.Magic < 2 && !k.keepOld {
		horizon = math.MinInt64
	} else if !has {
		horizon = math.MaxInt64
	}
	k.header, k.horizon, k.discard = h, horizon, idle && (!h.IsControl() || horizon <= k.now)
	cut := batch.Cut{Keep: k.keepRecord, KeepEmpty: k.isLast(h), Horizon: k.newHorizon(), Mark: idle && h.IsControl()}
	if k.discard && !cut.KeepEmpty {
		return nil
	}
	if k.pending, _, err = k.by.filter.Append(k.pending, b, h, &cut); err != nil {
		return err
	}
	if len(k.pending) >= k.by.bufferSize() {
		return k.write()
	}
	return nil
}

// newHorizon is when the tombstones met now may go.
func (k *cleaning) newHorizon() int64 {
	if retention := millis(k.cfg.DeleteRetention); retention < math.MaxInt64-k.now {
		return k.now + retention
	}
	return math.MaxInt64
}

// isLast reports whether a batch has the newest that the log knows of its producer.
func (k *cleaning) isLast(h *batch.Header) bool {
	if !h.HasProducerID() {
		return false
	}
	last, ok := k.last[h.ProducerID]
	if !ok {
		return false
	}
	if last.offset >= 0 {
		return h.LastOffset() == last.offset
	}
	return h.IsControl() && h.ProducerEpoch == last.epoch
}

// keep decides over a record of the batch at hand.
func (k *cleaning) keep(key batch.Key) bool {
	switch {
	case k.discard:
		return false
	case k.header.IsControl() || key.Offset > k.keys.latest:
		return true
	case key.Null || key.Offset < k.keys.get(key.Bytes):
		return false
	default:
		return !key.Tombstone || k.now < k.horizon
	}
}

// write puts what is pending into the new segment.
func (k *cleaning) write() error {
	if len(k.pending) == 0 {
		return nil
	}
	if err := k.out.write(k.pending); err != nil {
		return err
	}
	for rest := k.pending; len(rest) > 0; {
		h, err := batch.ReadHeader(rest)
		if err != nil {
			return fmt.Errorf("what was kept is no batch: %w", err)
		}
		if err := k.out.added(&h, k.cfg.IndexIntervalBytes); err != nil {
			return err
		}
		rest = rest[h.SizeInBytes():]
	}
	k.written += int64(len(k.pending))
	k.by.spend(len(k.pending), k.log.cleaning.giveUp)
	k.pending = k.pending[:0]
	return nil
}

// report is what a cleaning says of itself when it is done.
func (k *cleaning) report(end int64, took time.Duration) {
	k.log.m.log.Infof("%v: cleaned up to offset %d in %v: %d bytes read, %d kept, %d keys", k.log.tp, end, took.Round(time.Millisecond),
		k.read, k.written, k.keys.used)
}
