package logdir

import (
	"errors"
	"fmt"
	"io/fs"
	"sort"
	"sync/atomic"
)

// Read finds the batches from the one that holds the offset from, as far as limit allows, at most
// maxBytes of them: the last may be cut in the middle, but not the first. With minOneBatch that comes
// whatever its size, else there is nothing if it does not fit. At the limit there is nothing, which is no error; outside the log it is ErrOffsetOutOfRange.
// No lock is taken that an append holds. The caller releases the Data.
func (l *Log) Read(from int64, maxBytes int, minOneBatch bool, limit Limit) (Data, error) {
	for {
		list := l.segments.Load()
		d, err := l.readIn(list, from, maxBytes, minOneBatch, limit)
		if err == errSegmentsChanged || errors.Is(err, fs.ErrNotExist) && l.segments.Load() != list {
			continue
		}
		if err != nil {
			return Data{}, l.failingRead(err)
		}
		return d, nil
	}
}

// errSegmentsChanged: a roll, a cut or a cleaning came between, so that what is known of positions may be
// of other files. It has the read begin anew.
var errSegmentsChanged = errors.New("the segments have changed")

func (l *Log) readIn(list *[]*segment, from int64, maxBytes int, minOneBatch bool, limit Limit) (Data, error) {
	if err := l.dir.err(); err != nil {
		return Data{}, err
	}
	// The order matters: the high watermark first, then what may only be further.
	hw := l.hw.Load()
	stable := l.lastStable(hw)
	end := l.end.Load()
	d := Data{HighWatermark: hw.offset, LastStableOffset: stable.offset, LogEndOffset: end.offset, LogStartOffset: l.start.Load()}
	if l.segments.Load() != list {
		return Data{}, errSegmentsChanged
	}
	bound := end
	switch limit {
	case LimitHighWatermark:
		bound = hw
	case LimitLastStable:
		bound = stable
		d.Aborted = []AbortedTxn{}
	}
	if from < d.LogStartOffset || from > end.offset {
		return Data{}, fmt.Errorf("%v: offset %d, the log has [%d, %d): %w", l.tp, from, d.LogStartOffset, end.offset, ErrOffsetOutOfRange)
	}
	if from >= bound.offset {
		return d, nil
	}
	r := reader{log: l, segments: *list, from: from, bound: bound, end: end, maxBytes: maxBytes, minOneBatch: minOneBatch}
	if err := r.read(&d, limit == LimitLastStable); err != nil {
		return Data{}, err
	}
	return d, nil
}

// reader is one Read on its way through the segments.
type reader struct {
	log         *Log
	segments    []*segment
	from        int64
	bound, end  *mark
	maxBytes    int
	minOneBatch bool
}

func (r *reader) read(d *Data, aborted bool) error {
	i := floorSegment(r.segments, r.from)
	if i < 0 {
		return fmt.Errorf("%v: offset %d: %w", r.log.tp, r.from, ErrOffsetOutOfRange)
	}
	for ; i < len(r.segments) && r.segments[i].base < r.bound.offset; i++ {
		stop, err := r.stop(i)
		if err != nil {
			return err
		}
		position, length, err := r.find(r.segments[i], stop)
		if err != nil {
			return err
		}
		if length < 0 {
			continue // compaction took all that was behind from in this segment
		}
		if length == 0 {
			return nil
		}
		if aborted {
			d.Aborted = r.aborted(i, position, length)
		}
		return r.take(d, r.segments[i], position, length)
	}
	return nil
}

func (r *reader) take(d *Data, s *segment, position int64, length int) error {
	f, err := s.log.acquire()
	if err != nil {
		return err
	}
	d.Ranges = []Range{{File: f, Position: position, Length: length}}
	d.release, d.released = f, new(atomic.Bool)
	return nil
}

// stop is the position in segment i at which the bound lies: the end of the segment if it lies behind.
func (r *reader) stop(i int) (int64, error) {
	s, size := r.segments[i], r.size(i)
	if r.bound.position >= 0 && r.bound.base == s.base {
		return min(r.bound.position, size), nil
	}
	if i+1 < len(r.segments) && r.segments[i+1].base <= r.bound.offset {
		return size, nil
	}
	if r.bound.offset >= r.end.offset {
		return size, nil
	}
	_, position, ok, err := s.locate(r.bound.offset, size)
	if err != nil || !ok {
		return size, err
	}
	return position, nil
}

// size is how much of segment i is published.
func (r *reader) size(i int) int64 {
	if r.segments[i].base == r.end.base {
		return r.end.position
	}
	return r.segments[i].size.Load()
}

// find returns where the batch with r.from begins and how many bytes to take; -1 if it is not below stop.
func (r *reader) find(s *segment, stop int64) (position int64, length int, err error) {
	if m := r.log.recentMark(r.from); m != nil && m.base == s.base && m.position < stop && stop-m.position <= int64(r.maxBytes) {
		return m.position, int(stop - m.position), nil
	}
	h, position, ok, err := s.locate(r.from, stop)
	if err != nil || !ok {
		return 0, -1, err
	}
	length = int(min(stop-position, int64(max(r.maxBytes, 0))))
	switch first := h.SizeInBytes(); {
	case r.minOneBatch:
		length = max(length, first)
	case length < first:
		length = 0 // a client can do nothing with a part of its first batch
	}
	return position, length, nil
}

// aborted lists the aborted transactions that overlap what the read returns.
func (r *reader) aborted(i int, position int64, length int) []AbortedTxn {
	to := r.upperBound(i, position+int64(length))
	found, complete := []AbortedTxn{}, false
	for ; i < len(r.segments) && !complete; i++ {
		found, complete = r.segments[i].txns.collect(found, r.from, to)
	}
	return found
}

// upperBound is an offset at or behind the last one before a position, by the index: more than needed
// does no harm.
func (r *reader) upperBound(i int, position int64) int64 {
	s := r.segments[i]
	e, ok, err := s.offsets.first(func(e offsetEntry) bool { return int64(e.position) >= position })
	if err == nil && ok {
		return min(s.base+int64(e.relative), r.bound.offset)
	}
	if i+1 < len(r.segments) {
		return min(r.segments[i+1].base, r.bound.offset)
	}
	return r.bound.offset
}

// floorSegment is the number of the last segment whose base is at most offset, -1 if there is none.
func floorSegment(list []*segment, offset int64) int {
	return sort.Search(len(list), func(i int) bool { return list[i].base > offset }) - 1
}

// failingRead tells the directory of a disk that does not read. A segment that was truncated or deleted
// under the reader is no such failure.
func (l *Log) failingRead(err error) error {
	if isDiskError(err) {
		return l.failing(err)
	}
	return err
}
