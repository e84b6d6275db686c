package txn

import (
	"context"
	"fmt"

	"ottla/logdir/batch"
)

// loader gathers what the records of a partition amount to: for each transactional id the last one counts.
type loader struct {
	c         *Coordinator
	partition int32
	found     map[string]metadata
	skipped   int
}

// read goes through the whole log, up to its end at the time.
func (l *loader) read(ctx context.Context) error {
	from, err := l.c.storage.LogStart(l.partition)
	if err != nil {
		return fmt.Errorf("log start: %w", err)
	}
	for ctx.Err() == nil {
		end, err := l.c.storage.LogEnd(l.partition)
		if err != nil {
			return fmt.Errorf("log end: %w", err)
		}
		if from >= end {
			return nil
		}
		data, err := l.c.storage.Read(l.partition, from, l.c.config.LoadBufferBytes)
		if err != nil {
			return fmt.Errorf("read from offset %d: %w", from, err)
		}
		next, err := l.take(data, from)
		if err != nil {
			return fmt.Errorf("read from offset %d: %w", from, err)
		}
		if next == from {
			return nil // compaction has left nothing between here and the end
		}
		from = next
	}
	return ctx.Err()
}

// take applies batches and returns the offset to go on at.
func (l *loader) take(data []byte, from int64) (next int64, err error) {
	for b, err := range batch.All(data) {
		if err != nil {
			return from, err
		}
		h, err := batch.ReadHeader(b)
		if err != nil {
			return from, err
		}
		if h.LastOffset() < from {
			continue
		}
		if !h.IsControl() {
			for r, err := range batch.Records(b) {
				if err != nil {
					return from, fmt.Errorf("batch at offset %d: %w", h.BaseOffset, err)
				}
				l.takeRecord(r.Offset, r.Key, r.Value)
			}
		}
		from = h.NextOffset()
	}
	return from, nil
}

// takeRecord applies one record. One that is broken, or newer than we are, costs its own transactional id the change it
// tells of and no other anything.
func (l *loader) takeRecord(offset int64, key, value []byte) {
	id, err := decodeKey(key)
	if err != nil {
		if l.skipped++; l.skipped == 1 {
			l.c.log.Errorf("__transaction_state-%d: record at offset %d skipped, as are others like it: %v", l.partition, offset, err)
		}
		return
	}
	if value == nil {
		delete(l.found, id)
		return
	}
	m, err := decodeValue(value)
	if err != nil {
		l.c.log.WithField("transactional.id", id).Errorf("__transaction_state-%d: record at offset %d skipped, the state before it counts: %v", l.partition, offset, err)
		return
	}
	l.found[id] = m
}
