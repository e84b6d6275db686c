package logdir

import (
	"fmt"

	"ottla/logdir/batch"
)

// AppendAsFollower writes whole batches as the leader sent them: offsets and epochs are kept. A batch
// that is cut short at the end of records, as fetch answers may have it, is left out. Batches before a
// bad one stay written. records is not needed any more when the call returns.
func (l *Log) AppendAsFollower(records []byte) (AppendResult, error) {
	headers, n, bad := checkReplicated(records)
	result := refused(l.LogStartOffset())
	if len(headers) == 0 {
		return result, bad
	}
	cfg := l.cfg.Load()
	l.mu.Lock()
	wait, err := l.followLocked(cfg, headers, records[:n])
	l.mu.Unlock()
	if err == nil && wait != nil {
		err = l.commit(wait)
	}
	if err != nil {
		return result, err
	}
	result.FirstOffset, result.LastOffset = headers[0].BaseOffset, headers[len(headers)-1].LastOffset()
	result.Bytes = n
	for i := range headers {
		result.Records += int64(headers[i].Count)
		result.MaxTimestamp = max(result.MaxTimestamp, headers[i].MaxTimestamp)
	}
	return result, bad
}

// checkReplicated reads the headers of the good batches and how many bytes they take.
func checkReplicated(records []byte) (headers []batch.Header, n int, err error) {
	for n < len(records) {
		h, err := batch.Check(records[n:])
		if err == batch.ErrShort {
			break
		}
		if err != nil {
			return headers, n, appendError(err)
		}
		if !h.Codec().Known() || h.LastOffsetDelta < 0 {
			return headers, n, fmt.Errorf("batch at offset %d: %w", h.BaseOffset, ErrCorruptBatch)
		}
		headers = append(headers, h)
		n += h.SizeInBytes()
	}
	return headers, n, nil
}

func (l *Log) followLocked(cfg *Config, headers []batch.Header, records []byte) (wait *mark, err error) {
	if err := l.usableLocked(); err != nil {
		return nil, err
	}
	if err := l.checkOrderLocked(headers); err != nil {
		return nil, err
	}
	var count int64
	for len(headers) > 0 {
		n, size := l.runLocked(cfg, headers)
		if err := l.followRunLocked(cfg, headers[:n], records[:size]); err != nil {
			return nil, err
		}
		for i := range headers[:n] {
			count += int64(headers[i].Count)
		}
		headers, records = headers[n:], records[size:]
	}
	return l.appendedLocked(cfg, count)
}

// checkOrderLocked: offsets may leave gaps, since compaction does, but never go back.
func (l *Log) checkOrderLocked(headers []batch.Header) error {
	next := l.mu.written.offset
	for i := range headers {
		if headers[i].BaseOffset < next {
			return fmt.Errorf("batch [%d, %d] where offset %d is next: %w", headers[i].BaseOffset, headers[i].LastOffset(), next, ErrNonMonotonic)
		}
		next = headers[i].NextOffset()
	}
	return nil
}

// runLocked counts the batches that go into one segment with one write: as many as fit, at least one.
func (l *Log) runLocked(cfg *Config, headers []batch.Header) (n, size int) {
	room := cfg.SegmentBytes - int(l.active().size.Load())
	first := headers[0].SizeInBytes()
	if first > room {
		room = cfg.SegmentBytes
	}
	base := l.active().base
	for n < len(headers) {
		next := headers[n].SizeInBytes()
		if n > 0 && (size+next > room || headers[n].LastOffset()-base > 1<<30) {
			break
		}
		n, size = n+1, size+next
	}
	return n, size
}

func (l *Log) followRunLocked(cfg *Config, headers []batch.Header, records []byte) error {
	if err := l.rollIfNeededLocked(cfg, len(records), &headers[0], nowMillis()); err != nil {
		return l.failing(err)
	}
	for i := range headers {
		l.assignEpochLocked(headers[i].LeaderEpoch, headers[i].BaseOffset)
	}
	if err := l.writeLocked(records); err != nil {
		return err
	}
	for i := range headers {
		h := &headers[i]
		m, isMarker, err := markerOf(h, records[:h.SizeInBytes()])
		if err != nil {
			return err
		}
		if err := l.takeLocked(h, m, isMarker, cfg); err != nil {
			return l.failing(err)
		}
		records = records[h.SizeInBytes():]
	}
	return nil
}

// markerOf reads the transaction marker of a batch, if it is one. Compaction may have left only its header.
func markerOf(h *batch.Header, b []byte) (batch.Marker, bool, error) {
	if !h.IsControl() || h.Count == 0 {
		return batch.Marker{}, false, nil
	}
	return batch.ReadMarker(b)
}
