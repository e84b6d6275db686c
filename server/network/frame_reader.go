package network

import (
	"encoding/binary"
	"fmt"
)

// sizeLength is the length of the field that begins a frame.
const sizeLength = 4

const (
	// firstRead is the buffer of a connection of which nothing is known yet.
	firstRead = 4 << 10
	// greedyRead is the most that one read asks for, hoping for several frames.
	greedyRead = 128 << 10
	// largeFrame is where frames are no longer fetched several at a time: reading exactly to a frame's end
	// costs less than moving the beginning of the next one to the front.
	largeFrame = 64 << 10
	// trusted is how much memory a frame's length alone is worth. Beyond it the buffer doubles as bytes
	// arrive, so that an announced hundred megabytes cost nothing until they are sent.
	trusted = 1 << 20
)

// sizeError is a frame length that is not acceptable.
type sizeError struct{ size, max int }

// Error has the words of Kafka's InvalidReceiveException.
func (e sizeError) Error() string {
	if e.size < 0 {
		return fmt.Sprintf("Invalid receive (size = %d)", e.size)
	}
	return fmt.Sprintf("Invalid receive (size = %d larger than %d)", e.size, e.max)
}

// receiver fetches bytes from a connection.
type receiver interface {
	// receive reads once into f.space() and returns how many bytes came. Where it can wait without a
	// buffer, it calls f.rest() first.
	receive(f *frameReader) (int, error)
}

// frameReader cuts the bytes of a connection into frames. The bytes [begin, end) of its buffer are read and
// not taken yet. A frame taken is valid until the next call of fill or rest.
type frameReader struct {
	from       receiver
	max        int     // bytes of a frame
	buffer     *Buffer // nil while there is nothing to hold
	begin, end int
	need       int // bytes of the frame that begins at begin, with its length; 0 if unknown
	last       int // bytes of the frame before, likewise
	ask        int // size of the next buffer
	slack      int // how often in a row the buffer was much too large
}

func newFrameReader(from receiver, maxBytes int) frameReader {
	return frameReader{from: from, max: maxBytes, ask: firstRead}
}

// size returns the length of the next frame, or -1 if too little has been read to know it.
func (f *frameReader) size() (int, error) {
	if f.end-f.begin < sizeLength {
		f.need = 0
		return -1, nil
	}
	size := int(int32(binary.BigEndian.Uint32(f.buffer.B[f.begin:])))
	if size < 0 || size > f.max {
		return 0, sizeError{size, f.max}
	}
	f.need = sizeLength + size
	return size, nil
}

// take returns the next frame without its length, or nil if it is not complete.
func (f *frameReader) take(size int) []byte {
	if f.end-f.begin < sizeLength+size {
		return nil
	}
	frame := f.buffer.B[f.begin+sizeLength : f.begin+sizeLength+size : f.begin+sizeLength+size]
	f.begin += sizeLength + size
	f.last, f.need = sizeLength+size, 0
	if f.last > f.ask {
		f.ask, f.slack = min(f.last, trusted), 0
	}
	return frame
}

// hasProduce reports whether a whole Produce lies in the buffer behind what was taken.
func (f *frameReader) hasProduce() bool {
	if f.end-f.begin < sizeLength+2 {
		return false
	}
	next := f.buffer.B[f.begin:f.end]
	size := int(int32(binary.BigEndian.Uint32(next)))
	return size >= 2 && len(next) >= sizeLength+size && binary.BigEndian.Uint16(next[sizeLength:]) == produceKey
}

// fill reads once, having made room for the frame that has begun.
func (f *frameReader) fill() error {
	f.makeRoom()
	n, err := f.from.receive(f)
	f.end += n
	if f.buffer != nil && n > 0 {
		f.learn()
	}
	return err
}

// makeRoom moves the frame that has begun to the front, or into a larger buffer, if it does not fit.
func (f *frameReader) makeRoom() {
	have := f.end - f.begin
	if f.buffer == nil {
		return
	}
	if have == 0 {
		f.begin, f.end = 0, 0
		if have := len(f.buffer.B); have < f.ask || have >= 4*f.ask {
			f.rest()
		}
		return
	}
	need := max(f.need, sizeLength)
	if f.begin+need <= len(f.buffer.B) {
		return
	}
	to := f.buffer
	if need > len(to.B) {
		to = wholeBuffer(max(f.ask, min(need, max(trusted, 2*have))))
	}
	copy(to.B, f.buffer.B[f.begin:f.end])
	if to != f.buffer {
		f.buffer.Release()
	}
	f.buffer, f.begin, f.end = to, 0, have
}

// wholeBuffer returns a buffer of at least n bytes in all the length it has.
func wholeBuffer(n int) *Buffer {
	b := GetBuffer(n)
	b.B = b.B[:cap(b.B)]
	return b
}

// space returns where the next bytes go. It is never empty after makeRoom.
func (f *frameReader) space() []byte {
	if f.buffer == nil {
		f.buffer = wholeBuffer(f.ask)
		f.begin, f.end = 0, 0
	}
	end := len(f.buffer.B)
	switch need := f.need; {
	case need == 0 && f.end == f.begin && f.last >= largeFrame:
		need = f.last // most likely like the one before
		fallthrough
	case need >= largeFrame:
		end = min(end, f.begin+need)
	}
	return f.buffer.B[f.end:end]
}

// learn adapts the size of the next buffer to what came.
func (f *frameReader) learn() {
	switch {
	case f.end == len(f.buffer.B) && len(f.buffer.B) < greedyRead:
		f.ask, f.slack = max(f.ask, min(4*len(f.buffer.B), greedyRead)), 0
	case f.end > len(f.buffer.B)/4 || f.ask == firstRead:
		f.slack = 0
	default:
		if f.slack++; f.slack == 64 {
			f.ask, f.slack = max(f.ask/2, firstRead), 0
		}
	}
}

// rest gives the buffer back if nothing in it is needed any more.
func (f *frameReader) rest() {
	if f.buffer != nil && f.begin == f.end {
		f.buffer.Release()
		f.buffer, f.begin, f.end = nil, 0, 0
	}
}

// forget leaves the buffer to whoever still looks at it, and what was read behind it to nobody.
func (f *frameReader) forget() { f.buffer, f.begin, f.end = nil, 0, 0 }

// close gives the buffer back.
func (f *frameReader) close() {
	f.begin = f.end
	f.rest()
}
