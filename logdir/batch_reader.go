package logdir

import (
	"fmt"

	"ottla/logdir/batch"
)

// batchReader reads whole batches of a segment, one after another, many with each read of the file, and
// checks their CRC: what is written anew would else make a flipped bit look sound.
type batchReader struct {
	cleaning *cleaning
	file     *openFile
	name     string
	at, end  int64 // of what is not in buf yet
	buf      []byte
	from, n  int   // of buf, what is not consumed
	position int64 // of the batch that next returned last
}

func (k *cleaning) open(s *segment, position int64) (*batchReader, error) {
	f, err := s.log.acquire()
	if err != nil {
		return nil, err
	}
	if len(k.by.readBuffer) < k.by.bufferSize() {
		k.by.readBuffer = make([]byte, k.by.bufferSize())
	}
	return &batchReader{cleaning: k, file: f, name: s.log.name(), at: position, end: s.size.Load(), buf: k.by.readBuffer}, nil
}

func (r *batchReader) close() {
	r.cleaning.by.readBuffer = r.buf
	r.file.unref()
}

// next returns the next batch, a view until the next call; ok is false at the end. A batch that is not
// sound is ErrCorruptBatch.
func (r *batchReader) next() (h batch.Header, b []byte, ok bool, err error) {
	if r.from == r.n && r.at == r.end {
		return h, nil, false, nil
	}
	r.position = r.at - int64(r.n-r.from)
	if err := r.have(batch.HeaderSize); err != nil {
		return h, nil, false, err
	}
	if h, err = batch.ReadHeader(r.buf[r.from:r.n]); err != nil {
		return h, nil, false, r.failed(err)
	}
	if err := r.have(h.SizeInBytes()); err != nil {
		return h, nil, false, err
	}
	b = r.buf[r.from:r.n]
	if h, err = batch.Check(b); err != nil {
		return h, nil, false, r.failed(err)
	}
	r.from += h.SizeInBytes()
	return h, b[:h.SizeInBytes()], true, nil
}

// have reads on until n bytes are there, or all.
func (r *batchReader) have(n int) error {
	if r.n-r.from >= n || r.at == r.end {
		return nil
	}
	if left := int64(r.n-r.from) + r.end - r.at; int64(n) > left {
		n = int(left)
	}
	if n > len(r.buf) {
		grown := make([]byte, n)
		copy(grown, r.buf[r.from:r.n])
		r.buf = grown
	} else {
		copy(r.buf, r.buf[r.from:r.n])
	}
	r.n -= r.from
	r.from = 0
	more := int(min(int64(len(r.buf)-r.n), r.end-r.at))
	got, err := r.file.ReadAt(r.buf[r.n:r.n+more], r.at)
	if got < more {
		return fmt.Errorf("read %s, position %d: %w", r.name, r.at, shortRead(err))
	}
	r.at += int64(more)
	r.n += more
	r.cleaning.read += int64(more)
	r.cleaning.by.spend(more, r.cleaning.log.cleaning.giveUp)
	return nil
}

// failed says at which batch something went wrong.
func (r *batchReader) failed(err error) error {
	if err == nil || isDiskError(err) {
		return err
	}
	return &scanError{name: r.name, position: r.position, err: err}
}
