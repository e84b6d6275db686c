package logdir

import (
	"errors"
	"fmt"

	"ottla/logdir/batch"
)

// Origin tells on whose account records are appended.
type Origin int8

const (
	// OriginClient is a produce request.
	OriginClient Origin = iota
	// OriginCoordinator is a group or transaction coordinator of this broker: it may write markers.
	OriginCoordinator
	// OriginReplication is a follower's copy.
	OriginReplication
)

// AppendResult is what became of an append.
type AppendResult struct {
	// FirstOffset and LastOffset of what was appended; of the original for a duplicate; -1 if refused.
	FirstOffset, LastOffset int64
	// LogAppendTime is the time of the append in ms if the topic's timestamps are of that type, and for
	// a duplicate the original's maximum timestamp; else -1.
	LogAppendTime int64
	// LogStartOffset is -1 if the records were refused before they reached the log.
	LogStartOffset int64
	// MaxTimestamp is the largest of the records', in ms.
	MaxTimestamp int64
	// Records and Bytes are how much was written, for metrics.
	Records int64
	Bytes   int
	// Conversion is what it has cost to store them otherwise than as they came.
	Conversion batch.Conversion
	// Duplicate: the batch was in the log already, and nothing was written.
	Duplicate bool
}

func refused(logStart int64) AppendResult {
	return AppendResult{FirstOffset: -1, LastOffset: -1, LogAppendTime: -1, LogStartOffset: logStart, MaxTimestamp: -1}
}

// plainSince is the first version of Produce that carries nothing but one batch of magic 2, and zstdSince the first one
// after it in which that may be compressed by zstd. Before both, nobody looks.
const (
	plainSince = 3
	zstdSince  = 7
)

// AppendAsLeader checks the records as Kafka's leader does, numbers them and writes them. records is
// what a client sent for one partition, or one batch of a coordinator; it may be changed, and is not
// needed any more when the call returns. With flush.messages=1 it returns when they are synced.
func (l *Log) AppendAsLeader(records []byte, leaderEpoch int32, o Origin, produceVersion int16) (AppendResult, error) {
	return l.AppendVerified(records, leaderEpoch, o, produceVersion, NoGuard)
}

// AppendVerified is AppendAsLeader for a batch that, if it is transactional, goes in only while its guard holds.
func (l *Log) AppendVerified(records []byte, leaderEpoch int32, o Origin, produceVersion int16, g Guard) (AppendResult, error) {
	cfg := l.cfg.Load()
	if needsConversion(records, o, produceVersion, cfg) {
		return l.appendConverted(records, leaderEpoch, o, produceVersion, g, cfg)
	}
	h, err := checkShape(records, o, produceVersion)
	if err != nil {
		return refused(-1), appendError(err)
	}
	if o == OriginClient && h.BaseOffset != 0 {
		return refused(l.LogStartOffset()), fmt.Errorf("base offset %d instead of 0: %w", h.BaseOffset, ErrInvalidRecord)
	}
	if h.SizeInBytes() > cfg.MaxMessageBytes {
		return refused(-1), fmt.Errorf("batch of %d bytes, allowed are %d: %w", h.SizeInBytes(), cfg.MaxMessageBytes, ErrTooLarge)
	}
	if _, err := batch.Check(records); err != nil {
		return refused(-1), appendError(err)
	}
	now := nowMillis()
	checked, err := l.validate(records, h, o, cfg, now)
	if err != nil {
		return refused(l.LogStartOffset()), appendError(err)
	}
	if n := len(checked.Batch); n > cfg.MaxMessageBytes {
		return refused(-1), fmt.Errorf("batch of %d bytes once compressed, allowed are %d: %w", n, cfg.MaxMessageBytes, ErrTooLarge)
	} else if n > cfg.SegmentBytes {
		return refused(-1), fmt.Errorf("batch of %d bytes in segments of %d: %w", n, cfg.SegmentBytes, ErrBatchTooLarge)
	}
	a := leaderAppend{log: l, cfg: cfg, batch: checked.Batch, header: checked.Header, cost: checked.Conversion, epoch: leaderEpoch, origin: o, guard: g, now: now}
	return a.run()
}

// checkShape holds what a client sent to what its version of Produce allows, before anything is
// computed from it. Whole batches behind the first are refused; a torn one is not looked at.
func checkShape(records []byte, o Origin, version int16) (batch.Header, error) {
	h, err := batch.ReadHeader(records)
	switch {
	case err == nil && h.Magic < 2:
		return h, fmt.Errorf("%w: produce version %d carries magic 2 only", ErrInvalidRecord, version)
	case err == batch.ErrShort:
		return h, fmt.Errorf("no whole record batch: %w", ErrInvalidRecord)
	case err != nil:
		return h, err
	case h.SizeInBytes() > len(records):
		return h, fmt.Errorf("no whole record batch: %w", ErrInvalidRecord)
	}
	if o == OriginClient && h.Codec() == batch.Zstd && version >= plainSince && version < zstdSince {
		return h, fmt.Errorf("zstd in produce version %d: %w", version, ErrUnsupportedCompression)
	}
	return h, checkOneBatch(records[h.SizeInBytes():])
}

func checkOneBatch(rest []byte) error {
	h, err := batch.ReadHeader(rest)
	if err == batch.ErrShort || err == nil && h.SizeInBytes() > len(rest) {
		return nil
	}
	var magic *batch.MagicError
	if errors.Is(err, batch.ErrCorrupt) || errors.As(err, &magic) {
		return err
	}
	return fmt.Errorf("more than one record batch: %w", ErrInvalidRecord)
}

// validate needs no lock: nothing it checks depends on what the log holds.
func (l *Log) validate(records []byte, h batch.Header, o Origin, cfg *Config, now int64) (batch.Checked, error) {
	if h.Codec() != batch.None {
		l.m.decompressing.enter()
		defer l.m.decompressing.leave()
	}
	rules := l.rules(o, cfg, now)
	return batch.Validate(records, h, &rules)
}

// rules are what the topic demands of records at a time in ms.
func (l *Log) rules(o Origin, cfg *Config, now int64) batch.Rules {
	target, keep := cfg.target()
	return batch.Rules{Partition: l.tp, FromClient: o == OriginClient, Compacted: cfg.Compact, Type: cfg.TimestampType, Now: now,
		BeforeMax: millis(cfg.TimestampBeforeMax), AfterMax: millis(cfg.TimestampAfterMax), Target: target, Keep: keep}
}

// leaderAppend is one batch on its way into the log.
type leaderAppend struct {
	log      *Log
	cfg      *Config
	batch    []byte
	header   batch.Header
	cost     batch.Conversion
	epoch    int32
	origin   Origin
	guard    Guard
	now      int64
	marker   batch.Marker
	isMarker bool
}

func (a *leaderAppend) run() (AppendResult, error) {
	l := a.log
	if a.header.IsControl() {
		var err error
		if a.marker, a.isMarker, err = batch.ReadMarker(a.batch); err != nil {
			return refused(l.LogStartOffset()), err
		}
	}
	l.mu.Lock()
	result, wait, err := a.appendLocked()
	l.mu.Unlock()
	if err == nil && wait != nil {
		err = l.commit(wait)
	}
	if err != nil {
		start := l.LogStartOffset()
		if errors.Is(err, ErrStorage) {
			start = -1
		}
		return refused(start), err
	}
	return result, nil
}

// appendLocked returns the mark to commit, if the topic asks for a sync with every append.
func (a *leaderAppend) appendLocked() (r AppendResult, wait *mark, err error) {
	l, h := a.log, &a.header
	if err := l.usableLocked(); err != nil {
		return r, nil, err
	}
	dup, isDup, err := l.mu.producers.check(h, a.marker, a.isMarker, a.origin, a.guard)
	if err != nil {
		return r, nil, err
	}
	if isDup {
		// The first try may still be on its way to the disk: its retry may not be acknowledged earlier.
		return l.duplicate(dup), l.waitFor(a.cfg), nil
	}
	if a.origin == OriginClient {
		if err := l.dir.refusal(l.tp); err != nil {
			return r, nil, err
		}
	}
	a.number()
	l.assignEpochLocked(a.epoch, h.BaseOffset)
	if err := l.rollIfNeededLocked(a.cfg, len(a.batch), h, a.now); err != nil {
		return r, nil, l.failing(err)
	}
	if err := l.writeLocked(a.batch); err != nil {
		return r, nil, err
	}
	if err := l.takeLocked(h, a.marker, a.isMarker, a.cfg); err != nil {
		return r, nil, l.failing(err)
	}
	wait, err = l.appendedLocked(a.cfg, int64(h.Count))
	return a.result(), wait, err
}

// number sets the fields that only the leader knows. Base offset and epoch are outside the CRC.
func (a *leaderAppend) number() {
	l, h := a.log, &a.header
	h.BaseOffset = l.mu.written.offset
	h.LeaderEpoch = a.epoch
	batch.SetOffset(a.batch, h.BaseOffset)
	batch.SetLeaderEpoch(a.batch, a.epoch)
	if h.TimestampType() != batch.LogAppendTime {
		return
	}
	// The time was taken before the lock: another append may have overtaken this one.
	if h.MaxTimestamp < l.mu.appendTime {
		h.MaxTimestamp = l.mu.appendTime
		batch.SetLogAppendTime(a.batch, h.MaxTimestamp)
	}
	l.mu.appendTime = h.MaxTimestamp
}

func (a *leaderAppend) result() AppendResult {
	h := &a.header
	r := AppendResult{FirstOffset: h.BaseOffset, LastOffset: h.LastOffset(), LogAppendTime: -1, LogStartOffset: a.log.LogStartOffset(),
		MaxTimestamp: h.MaxTimestamp, Records: int64(h.Count), Bytes: len(a.batch), Conversion: a.cost}
	if h.TimestampType() == batch.LogAppendTime {
		r.LogAppendTime = h.MaxTimestamp
	}
	return r
}

func (l *Log) duplicate(m batchMark) AppendResult {
	return AppendResult{FirstOffset: m.firstOffset(), LastOffset: m.lastOffset, LogAppendTime: m.timestamp,
		LogStartOffset: l.LogStartOffset(), MaxTimestamp: m.timestamp, Duplicate: true}
}

// writeLocked writes whole batches into the active segment; nothing counts until takeLocked.
func (l *Log) writeLocked(records []byte) error {
	if err := l.active().write(records); err != nil {
		return l.failing(err)
	}
	l.dir.space.took(len(records))
	return nil
}

// takeLocked takes in one written batch: indexes, producers, transactions, the written end.
func (l *Log) takeLocked(h *batch.Header, m batch.Marker, isMarker bool, cfg *Config) error {
	s := l.active()
	if err := s.added(h, cfg.IndexIntervalBytes); err != nil {
		return err
	}
	l.mu.written = &mark{offset: h.NextOffset(), base: s.base, position: s.size.Load()}
	if !h.HasProducerID() {
		l.mu.producers.end = h.NextOffset()
		return nil
	}
	ended, ok := l.mu.producers.add(h, m, isMarker)
	if ok && ended.aborted {
		if err := s.txns.add(l.txnEntryLocked(ended)); err != nil {
			return err
		}
	}
	l.refreshUnstableLocked()
	return nil
}

func (l *Log) txnEntryLocked(t endedTxn) txnEntry {
	return txnEntry{producerID: t.producerID, firstOffset: t.firstOffset, lastOffset: t.lastOffset, lastStable: l.mu.producers.stableAfter(t)}
}

// appendedLocked publishes what was written, or says which mark is to be synced first.
func (l *Log) appendedLocked(cfg *Config, records int64) (wait *mark, err error) {
	l.active().modified.Store(nowMillis())
	l.mu.unflushed += records
	if cfg.FlushMessages == 1 {
		return l.mu.written, nil
	}
	l.publishLocked(l.mu.written)
	if l.mu.unflushed >= cfg.FlushMessages {
		return l.mu.written, nil
	}
	return nil, nil
}

// waitFor is what a duplicate has to wait for. Needs mu.
func (l *Log) waitFor(cfg *Config) *mark {
	if cfg.FlushMessages == 1 {
		return l.mu.written
	}
	return nil
}
