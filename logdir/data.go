package logdir

import (
	"io"
	"slices"
	"sync/atomic"

	"ottla/logdir/disk"
)

// Limit says how far a reader may see.
type Limit int8

const (
	// LimitLogEnd is for followers and coordinators.
	LimitLogEnd Limit = iota
	// LimitHighWatermark is for consumers that read uncommitted.
	LimitHighWatermark
	// LimitLastStable is for consumers that read committed.
	LimitLastStable
)

// AbortedTxn is a transaction whose data a consumer that reads committed must drop.
type AbortedTxn struct {
	ProducerID  int64
	FirstOffset int64
}

// File is what a Range points into.
type File interface {
	io.ReaderAt
	// Fd is the descriptor for sendfile, or disk.NoFd if there is none.
	Fd() uintptr
}

// Range is a piece of a segment's file, in bytes.
type Range struct {
	File     File
	Position int64
	Length   int
}

// Data is what a read found. The files of its ranges stay open until Release, even if the segments are
// deleted meanwhile; if they are truncated meanwhile, reading them comes up short.
type Data struct {
	Ranges []Range
	// The log's state as the read saw it.
	HighWatermark, LastStableOffset, LogStartOffset, LogEndOffset int64
	// Aborted is filled for LimitLastStable, and then not nil.
	Aborted []AbortedTxn

	release *openFile
	// released makes a second Release of a copy harmless.
	released *atomic.Bool
}

// Len is how many bytes of batches there are.
func (d Data) Len() int {
	n := 0
	for _, r := range d.Ranges {
		n += r.Length
	}
	return n
}

// Bytes reads all ranges into memory.
func (d Data) Bytes() ([]byte, error) {
	return d.appendTo(make([]byte, 0, d.Len()))
}

// appendTo reads all ranges behind what b holds.
func (d Data) appendTo(b []byte) ([]byte, error) {
	for _, r := range d.Ranges {
		b = slices.Grow(b, r.Length)
		n, err := r.File.ReadAt(b[len(b):len(b)+r.Length], r.Position)
		if n < r.Length {
			return nil, shortRead(err)
		}
		b = b[:len(b)+n]
	}
	return b, nil
}

func shortRead(err error) error {
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Release gives the files back. Once is enough; more does no harm.
func (d Data) Release() {
	if d.release != nil && d.released.CompareAndSwap(false, true) {
		d.release.unref()
	}
}

var _ File = disk.File(nil)
