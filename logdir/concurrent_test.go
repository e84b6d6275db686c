package logdir

import (
	"errors"
	"sync"
	"testing"

	"ottla/logdir/batch"
)

// TestReadersBesideAWriter: while one appends and rolls and another raises the high watermark, readers see
// whole batches, in order, without gaps, up to their limit.
func TestReadersBesideAWriter(t *testing.T) {
	l := logWith(t, func(c *Config) { c.SegmentBytes, c.IndexIntervalBytes = 2000, 200 })
	const batches = 1500
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for i := range batches {
			if _, err := l.AppendAsLeader(plain(2*i, 2, int64(i)), 0, OriginClient, 9); err != nil {
				t.Error(err)
				return
			}
		}
	})
	wg.Go(func() {
		for last := int64(0); ; {
			hw := l.LogEndOffset()
			l.SetHighWatermark(hw)
			if hw < last {
				t.Errorf("the log end went back from %d to %d", last, hw)
				return
			}
			if last = hw; hw == 2*batches {
				return
			}
		}
	})
	for _, limit := range []Limit{LimitLogEnd, LimitHighWatermark, LimitLastStable} {
		wg.Go(func() {
			for from := int64(0); from < 2*batches; {
				next, err := readOn(l, from, limit)
				if err != nil {
					t.Errorf("limit %d, offset %d: %v", limit, from, err)
					return
				}
				from = next
			}
		})
	}
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			ts := l.LogEndOffset() / 4
			offset, timestamp, _, found, err := l.OffsetForTimestamp(ts)
			if err != nil || found && (timestamp < ts || offset < 0) {
				t.Errorf("timestamp %d: %d at %d, %v", ts, timestamp, offset, err)
				return
			}
		}
	})
	wg.Wait()
}

// readOn reads once and checks that the batches go on from an offset; it returns where they end.
func readOn(l *Log, from int64, limit Limit) (int64, error) {
	d, err := l.Read(from, 1500, true, limit)
	if err != nil {
		return 0, err
	}
	defer d.Release()
	b, err := d.Bytes()
	if err != nil {
		return 0, err
	}
	end := d.LogEndOffset
	if limit != LimitLogEnd {
		end = d.HighWatermark
	}
	for one, err := range batch.All(b) {
		if err != nil {
			return 0, err
		}
		h, err := batch.Check(one)
		if err != nil {
			return 0, err
		}
		if h.BaseOffset != from || h.NextOffset() > end {
			return 0, errors.New("a gap, or more than the limit allows")
		}
		from = h.NextOffset()
	}
	return from, nil
}
