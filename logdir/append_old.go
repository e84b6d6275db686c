package logdir

import (
	"fmt"

	"ottla/logdir/batch"
)

// needsConversion reports whether records are not stored as they came: producers below version 3 may send messages of
// magic 0 and 1, several of them, or nothing whole at all.
func needsConversion(records []byte, o Origin, version int16, cfg *Config) bool {
	if cfg.MessageFormat < 2 {
		return true
	}
	if o != OriginClient || version >= plainSince {
		return false
	}
	h, err := batch.ReadHeader(records)
	return err != nil || h.Magic < 2 || h.SizeInBytes() > len(records)
}

// appendConverted is AppendVerified for records whose format is another one than the log's.
func (l *Log) appendConverted(records []byte, leaderEpoch int32, o Origin, version int16, g Guard, cfg *Config) (AppendResult, error) {
	if o != OriginClient || version >= plainSince {
		if _, err := checkShape(records, o, version); err != nil {
			return refused(-1), appendError(err)
		}
	}
	n, err := checkSet(records, o, cfg)
	if err != nil {
		return refused(-1), appendError(err)
	}
	if n == 0 {
		return refused(l.LogStartOffset()), nil // as in Kafka: nothing came, and that went well
	}
	// What wraps what is not known before it is open.
	l.m.decompressing.enter()
	defer l.m.decompressing.leave()
	if cfg.MessageFormat < 2 {
		return l.appendMessages(records[:n], o, cfg)
	}
	now := nowMillis()
	rules := l.rules(o, cfg, now)
	c, err := batch.Convert(records[:n], 2, 0, &rules)
	if err != nil {
		return refused(l.LogStartOffset()), appendError(err)
	}
	if err := checkSizes(c.Batches, cfg); err != nil {
		return refused(-1), err
	}
	h, err := batch.ReadHeader(c.Batches)
	if err != nil {
		return refused(-1), appendError(err)
	}
	a := leaderAppend{log: l, cfg: cfg, batch: c.Batches, header: h, cost: c.Conversion, epoch: leaderEpoch, origin: o, guard: g, now: now}
	return a.run()
}

// checkSet checks size and CRC of each whole batch or message and returns how many bytes these take. What is cut short
// behind them does not count.
func checkSet(records []byte, o Origin, cfg *Config) (n int, err error) {
	for n < len(records) {
		h, err := batch.ReadHeader(records[n:])
		if err == batch.ErrShort || err == nil && h.SizeInBytes() > len(records)-n {
			break
		}
		switch {
		case err != nil:
			return 0, err
		case h.Magic == 2 && o == OriginClient && h.BaseOffset != 0:
			return 0, fmt.Errorf("base offset %d instead of 0: %w", h.BaseOffset, ErrInvalidRecord)
		case h.SizeInBytes() > cfg.MaxMessageBytes:
			return 0, fmt.Errorf("%d bytes in one, allowed are %d: %w", h.SizeInBytes(), cfg.MaxMessageBytes, ErrTooLarge)
		}
		if _, err := batch.Check(records[n:]); err != nil {
			return 0, err
		}
		n += h.SizeInBytes()
	}
	return n, nil
}

// checkSizes holds what is to be stored to the limits of batches, or messages, and segments.
func checkSizes(converted []byte, cfg *Config) error {
	for b, err := range batch.All(converted) {
		if err != nil {
			return err
		}
		if len(b) > cfg.MaxMessageBytes {
			return fmt.Errorf("%d bytes once converted, allowed are %d: %w", len(b), cfg.MaxMessageBytes, ErrTooLarge)
		}
	}
	if n := len(converted); n > cfg.SegmentBytes {
		return fmt.Errorf("%d bytes in segments of %d: %w", n, cfg.SegmentBytes, ErrBatchTooLarge)
	}
	return nil
}

// appendMessages stores records as messages of magic 0 or 1. Compressed ones of magic 0 hold their offsets within, so it is
// done with the lock held, as Kafka does it always. There are no producers and no leader epochs in these formats.
func (l *Log) appendMessages(records []byte, o Origin, cfg *Config) (AppendResult, error) {
	l.mu.Lock()
	result, wait, err := l.appendMessagesLocked(records, o, cfg)
	l.mu.Unlock()
	if err == nil && wait != nil {
		err = l.commit(wait)
	}
	if err != nil {
		return refused(l.LogStartOffset()), err
	}
	return result, nil
}

func (l *Log) appendMessagesLocked(records []byte, o Origin, cfg *Config) (r AppendResult, wait *mark, err error) {
	if err := l.usableLocked(); err != nil {
		return r, nil, err
	}
	now, base := max(nowMillis(), l.mu.appendTime), l.mu.written.offset
	rules := l.rules(o, cfg, now)
	c, err := batch.Convert(records, cfg.MessageFormat, base, &rules)
	if err != nil {
		return r, nil, appendError(err)
	}
	if err := checkSizes(c.Batches, cfg); err != nil {
		return r, nil, err
	}
	last := base + int64(c.Records) - 1
	whole := batch.Header{Magic: cfg.MessageFormat, BaseOffset: base, LastOffsetDelta: int32(c.Records - 1), MaxTimestamp: c.MaxTimestamp}
	if err := l.rollIfNeededLocked(cfg, len(c.Batches), &whole, now); err != nil {
		return r, nil, l.failing(err)
	}
	if err := l.writeLocked(c.Batches); err != nil {
		return r, nil, err
	}
	for b, err := range batch.All(c.Batches) {
		if err != nil {
			return r, nil, err
		}
		h, err := batch.ReadHeader(b)
		if err != nil {
			return r, nil, err
		}
		if err := l.takeLocked(&h, batch.Marker{}, false, cfg); err != nil {
			return r, nil, l.failing(err)
		}
	}
	r = AppendResult{FirstOffset: base, LastOffset: last, LogAppendTime: -1, LogStartOffset: l.LogStartOffset(), MaxTimestamp: c.MaxTimestamp,
		Records: int64(c.Records), Bytes: len(c.Batches), Conversion: c.Conversion}
	if cfg.TimestampType == batch.LogAppendTime {
		r.LogAppendTime, l.mu.appendTime = now, now
	}
	wait, err = l.appendedLocked(cfg, int64(c.Records))
	return r, wait, err
}
