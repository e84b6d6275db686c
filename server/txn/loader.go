package txn

import (
	"context"

	"ottla/logdir/batch"
	"ottla/server/statetopic"
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
	return statetopic.Replay(ctx, l.c.storage, l.partition, l.c.config.LoadBufferBytes, l.takeBatch)
}

func (l *loader) takeBatch(b []byte, h *batch.Header) error {
	if h.IsControl() {
		return nil
	}
	for r, err := range batch.Records(b) {
		if err != nil {
			return err
		}
		l.takeRecord(r.Offset, r.Key, r.Value)
	}
	return nil
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
