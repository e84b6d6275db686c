package logdir

import (
	"errors"
	"fmt"
	"io/fs"
	"math"

	"ottla/logdir/batch"
)

// OffsetForTimestamp finds the first record whose timestamp is at least ts, from the log start on.
// epoch is its leader epoch, -1 if unknown.
func (l *Log) OffsetForTimestamp(ts int64) (offset, timestamp int64, epoch int32, found bool, err error) {
	if l.cfg.Load().MessageFormat == 0 {
		return -1, -1, -1, false, fmt.Errorf("%v: a timestamp in a topic of magic 0: %w", l.tp, ErrUnsupportedFormat)
	}
	for {
		end, start, list := l.view()
		offset, timestamp, epoch, found, err = l.timestampIn(list, ts, start, end)
		if !errors.Is(err, fs.ErrNotExist) || &l.list()[0] == &list[0] {
			return offset, timestamp, epoch, found, l.failingRead(err)
		}
	}
}

func (l *Log) timestampIn(list []*segment, ts, start int64, end *mark) (offset, timestamp int64, epoch int32, found bool, err error) {
	if err := l.dir.err(); err != nil {
		return -1, -1, -1, false, err
	}
	highest := batch.NoTimestamp
	for i, s := range list {
		if i+1 < len(list) && list[i+1].base <= start {
			continue
		}
		young, err := l.holds(list, i, ts, &highest)
		if err != nil {
			return -1, -1, -1, false, err
		}
		if !young {
			continue
		}
		visible := &mark{offset: math.MaxInt64, position: s.size.Load()}
		if s.base == end.base {
			visible = end
		}
		offset, timestamp, epoch, found, err = s.timestampAtLeast(ts, start, visible)
		if err != nil || found {
			return offset, timestamp, epoch, found, err
		}
	}
	return -1, -1, -1, false, nil
}

// view is the log's end and start, and segments in which they are.
func (l *Log) view() (end *mark, start int64, list []*segment) {
	for {
		p := l.segments.Load()
		end, start = l.end.Load(), l.start.Load()
		if l.segments.Load() == p {
			return end, start, *p
		}
	}
}

// MaxTimestamp finds the first record that has the largest timestamp of the log.
func (l *Log) MaxTimestamp() (offset, timestamp int64, epoch int32, found bool, err error) {
	if l.cfg.Load().MessageFormat == 0 {
		return l.OffsetForTimestamp(batch.NoTimestamp) // which says why not
	}
	for {
		list, newest := l.list(), 0
		for i, s := range list {
			if s.maxTimestamp().timestamp > list[newest].maxTimestamp().timestamp {
				newest = i
			}
		}
		if last := len(list) - 1; list[last].unconfirmed.Load() {
			newest = last // more likely than another to have what its index does not tell
		}
		if list[newest].unconfirmed.Load() {
			err := l.confirmTime(list, newest)
			if err == nil || errors.Is(err, fs.ErrNotExist) && &l.list()[0] != &list[0] {
				continue
			}
			return -1, -1, -1, false, l.failingRead(err)
		}
		if largest := list[newest].maxTimestamp().timestamp; largest >= 0 {
			return l.OffsetForTimestamp(largest)
		}
		return -1, -1, -1, false, nil
	}
}

// timestampAtLeast looks from the newest time entry that is too old on, up to where others may see.
func (s *segment) timestampAtLeast(ts, start int64, visible *mark) (offset, timestamp int64, epoch int32, found bool, err error) {
	c, err := s.scanForTime(ts, start, visible)
	if err != nil {
		return -1, -1, -1, false, err
	}
	defer c.close()
	for {
		h, position, ok, err := c.next()
		if err != nil || !ok {
			return -1, -1, -1, false, err
		}
		if h.MaxTimestamp < ts || h.LastOffset() < start {
			continue
		}
		r, ok, err := c.firstRecord(&h, position, ts, start)
		if err != nil || ok {
			return r.Offset, r.Timestamp, h.LeaderEpoch, ok, err
		}
	}
}

// firstRecord finds the first record of a batch that is young enough and not below start.
func (c *scanner) firstRecord(h *batch.Header, position, ts, start int64) (r batch.Record, ok bool, err error) {
	b, err := c.batch(h, position, nil)
	if err != nil {
		return r, false, err
	}
	for r, err := range batch.Records(b) {
		if err != nil {
			return batch.Record{}, false, &scanError{name: c.name, position: position, err: err}
		}
		if r.Timestamp >= ts && r.Offset >= start {
			return batch.Record{Offset: r.Offset, Timestamp: r.Timestamp}, true, nil
		}
	}
	return r, false, nil
}
