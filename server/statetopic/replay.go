package statetopic

import (
	"context"
	"fmt"

	"ottla/logdir/batch"
)

// Log is the topic as Replay needs it.
type Log interface {
	// Read returns whole batches from an offset on, about maxBytes of them but at least one, up to the end of
	// the log; nothing at the end.
	Read(partition int32, from int64, maxBytes int) ([]byte, error)
	// LogStart and LogEnd are the first offset and the one after the last.
	LogStart(partition int32) (int64, error)
	LogEnd(partition int32) (int64, error)
}

// Replay goes through a whole partition, up to its end at the time, and has each batch taken. An error of take ends it.
func Replay(ctx context.Context, log Log, partition int32, maxBytes int, take func(b []byte, h *batch.Header) error) error {
	from, err := log.LogStart(partition)
	if err != nil {
		return fmt.Errorf("log start: %w", err)
	}
	for ctx.Err() == nil {
		end, err := log.LogEnd(partition)
		if err != nil {
			return fmt.Errorf("log end: %w", err)
		}
		if from >= end {
			return nil
		}
		data, err := log.Read(partition, from, maxBytes)
		if err != nil {
			return fmt.Errorf("read from offset %d: %w", from, err)
		}
		next, err := takeAll(data, from, take)
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

// takeAll has the batches taken that reach from, and returns the offset to go on at.
func takeAll(data []byte, from int64, take func(b []byte, h *batch.Header) error) (next int64, err error) {
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
		if err := take(b, &h); err != nil {
			return from, fmt.Errorf("batch at offset %d: %w", h.BaseOffset, err)
		}
		from = h.NextOffset()
	}
	return from, nil
}
