package logdir

import (
	"fmt"
	"sync"

	"ottla/logdir/batch"
)

// scanner walks the headers of a segment's batches without reading their records.
type scanner struct {
	file *openFile
	name string
	at   int64 // of the next batch
	end  int64
	buf  *scanBuffer
	from int64 // position of buf's first byte
	n    int   // bytes in buf
}

// scanBuffer is one page: with small batches it holds many headers, with large ones it costs one.
type scanBuffer [4096]byte

var scanBuffers = sync.Pool{New: func() any { return new(scanBuffer) }}

// scan starts at a position that is the start of a batch. close it.
func (s *segment) scan(from, to int64) (*scanner, error) {
	f, err := s.log.acquire()
	if err != nil {
		return nil, err
	}
	return &scanner{file: f, name: s.log.name(), at: from, end: to, buf: scanBuffers.Get().(*scanBuffer)}, nil
}

func (c *scanner) close() {
	c.file.unref()
	scanBuffers.Put(c.buf)
}

// next returns the next batch's header and position. ok is false at the end. A batch that is cut short
// or makes no sense is ErrCorruptBatch.
func (c *scanner) next() (h batch.Header, position int64, ok bool, err error) {
	if c.at >= c.end {
		return h, 0, false, nil
	}
	if err := c.fill(); err != nil {
		return h, 0, false, err
	}
	if h, err = c.header(); err != nil {
		return h, 0, false, &scanError{name: c.name, position: c.at, err: err}
	}
	position = c.at
	c.at += int64(h.SizeInBytes())
	return h, position, true, nil
}

// header is the next batch's, which fill has read. One that does not fit what is left is batch.ErrShort.
func (c *scanner) header() (batch.Header, error) {
	h, err := batch.ReadHeader(c.buf[c.at-c.from : c.n])
	if err == nil && c.at+int64(h.SizeInBytes()) > c.end {
		err = batch.ErrShort
	}
	return h, err
}

// fill has the next header in the buffer, or as much of it as there is.
func (c *scanner) fill() error {
	want := min(int64(batch.HeaderSize), c.end-c.at)
	if c.at >= c.from && c.at+want <= c.from+int64(c.n) {
		return nil
	}
	n := int(min(int64(len(c.buf)), c.end-c.at))
	got, err := c.file.ReadAt(c.buf[:n], c.at)
	if got < n {
		return fmt.Errorf("read %s, position %d: %w", c.name, c.at, shortRead(err))
	}
	c.from, c.n = c.at, n
	return nil
}

// batch reads the whole batch of a header that next returned, into buf if it is large enough.
func (c *scanner) batch(h *batch.Header, position int64, buf []byte) ([]byte, error) {
	n := h.SizeInBytes()
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if got, err := c.file.ReadAt(buf, position); got < n {
		return nil, fmt.Errorf("read %s, position %d: %w", c.name, position, shortRead(err))
	}
	return buf, nil
}

// scanError is an ErrCorruptBatch with its place.
type scanError struct {
	name     string
	position int64
	err      error
}

func (e *scanError) Error() string {
	return fmt.Sprintf("%s, position %d: %v", e.name, e.position, e.err)
}
func (e *scanError) Unwrap() error        { return e.err }
func (e *scanError) Is(target error) bool { return target == ErrCorruptBatch }

// locate finds the first batch whose last offset is at least offset, below the position end. ok is
// false if there is none.
func (s *segment) locate(offset, end int64) (h batch.Header, position int64, ok bool, err error) {
	c, err := s.scanFor(offset, end)
	if err != nil {
		return h, 0, false, err
	}
	defer c.close()
	for {
		h, position, ok, err = c.next()
		if err != nil || !ok || h.LastOffset() >= offset {
			return h, position, ok, err
		}
	}
}

// startFor is a position at or before the batch with the offset, by the index.
func (s *segment) startFor(offset int64) (int64, error) {
	c, err := s.scanFor(offset, s.size.Load())
	if err != nil {
		return 0, err
	}
	defer c.close()
	return c.at, nil
}

// scanFor is a scan from a batch at or before the one with the offset, by the index.
//
// A start looks at an index's length and last entry only. An index that is out of order, or another segment's, shows here at the
// latest: the batch it leads to is none, or lies behind. Then it is passed over, once with a line in the log; what it
// is for can be had by walking (TestAnIndexThatLiesIsPassedOver).
func (s *segment) scanFor(offset, end int64) (*scanner, error) {
	p, err := s.offsets.around(offset - s.base)
	if err != nil {
		return nil, err
	}
	c, err := s.scan(0, end)
	if err != nil || s.startsBehind(c, p, offset) || p.number == 0 {
		return c, err
	}
	if c.at = int64(p.before.position); c.at >= end || s.leadsTo(c, p.before, offset) {
		return c, nil
	}
	c.at = 0
	s.offsets.file.cache.lies(s.offsets.file)
	return c, nil
}

// startsBehind moves to the entry behind an offset if it is the offset's own batch. Where batches are larger than a page each has
// an entry, but for the first, with its last offset, so that the entry before an offset is mostly the batch before.
func (s *segment) startsBehind(c *scanner, p place[offsetEntry], offset int64) bool {
	at := int64(p.behind.position)
	if p.last || at >= c.end || at-int64(p.before.position) <= 2*int64(len(c.buf)) || p.number > 0 && s.base+int64(p.before.relative) == offset {
		return false
	}
	if c.at = at; c.fill() == nil {
		if h, err := c.header(); err == nil && h.BaseOffset <= offset && offset <= h.LastOffset() {
			return true
		}
	}
	c.at = 0
	return false
}

// leadsTo reports whether an entry of the index names a batch at or before an offset. Kafka's followers make one entry for
// several batches: the position of the first, and the last offset of the last.
func (s *segment) leadsTo(c *scanner, e offsetEntry, offset int64) bool {
	last := s.base + int64(e.relative)
	if last > offset {
		return false
	}
	if c.fill() != nil {
		return true // the walk will tell of it
	}
	h, err := c.header()
	first := h.BaseOffset
	if err == nil && h.Magic < 2 {
		first = min(first, last) // a message that wraps others is known by its last offset
	}
	return err == nil && first >= s.base && first <= last
}
