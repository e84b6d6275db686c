package network

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

// chunkReceiver delivers bytes in pieces of changing length.
type chunkReceiver struct {
	data   []byte
	chunks []byte
	turn   int
}

func (c *chunkReceiver) receive(f *frameReader) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := len(c.data)
	if len(c.chunks) > 0 {
		n = min(n, 1+int(c.chunks[c.turn%len(c.chunks)])*97)
		c.turn++
	}
	to := f.space()
	if len(to) == 0 {
		panic("no room was made")
	}
	n = copy(to, c.data[:n])
	c.data = c.data[n:]
	return n, nil
}

// naiveFrames cuts data into frames as the format says, up to the first bad or incomplete one.
func naiveFrames(data []byte, most int) (frames [][]byte, bad bool) {
	for len(data) >= sizeLength {
		size := int(int32(binary.BigEndian.Uint32(data)))
		if size < 0 || size > most {
			return frames, true
		}
		if len(data) < sizeLength+size {
			break
		}
		frames = append(frames, data[sizeLength:sizeLength+size])
		data = data[sizeLength+size:]
	}
	return frames, false
}

// FuzzFrames: however the bytes of a connection arrive, the same frames come out of them as by the naive
// way, a bad length is found exactly where it is, and the buffer stays within a multiple of what arrived.
func FuzzFrames(f *testing.F) {
	f.Add(bytes.Join([][]byte{frame(3, 0, 1, "a"), frame(0, 1, 2, "bc"), {0, 0}}, nil), []byte{1, 0, 5})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, []byte{})
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0}, []byte{0})
	f.Fuzz(func(t *testing.T, data, chunks []byte) {
		const most = 8 << 20
		want, bad := naiveFrames(data, most)
		r := newFrameReader(&chunkReceiver{data: data, chunks: chunks}, most)
		defer r.close()
		for {
			size, err := r.size()
			if _, ok := errors.AsType[sizeError](err); ok {
				if !bad || len(want) > 0 {
					t.Fatalf("%v, with %d frames to come", err, len(want))
				}
				return
			}
			if size >= 0 {
				if got := r.take(size); got != nil {
					if len(want) == 0 || !bytes.Equal(got, want[0]) {
						t.Fatalf("a frame of %d bytes that is not there", len(got))
					}
					want = want[1:]
					continue
				}
			}
			if err := r.fill(); err == io.EOF {
				break
			}
			if r.buffer != nil && len(r.buffer.B) > 2*trusted+4*len(data) {
				t.Fatalf("%d bytes of buffer for %d bytes of data", len(r.buffer.B), len(data))
			}
		}
		if bad || len(want) > 0 {
			t.Fatalf("%d frames were not found, bad length not found: %v", len(want), bad)
		}
	})
}

// FuzzHeader: no header panics; what is accepted has its body at the frame's end and a client id from the frame.
func FuzzHeader(f *testing.F) {
	f.Add(frame(3, 0, 1, "a")[4:], int16(1))
	f.Add(frame(3, 1, 1, "a")[4:], int16(2))
	f.Add([]byte{0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f}, int16(2))
	f.Add([]byte{0, 7, 0, 0, 0, 0, 0, 1}, int16(0))
	f.Fuzz(func(t *testing.T, frame []byte, version int16) {
		h := headerParser{
			version: func(_, v int16) (int16, bool) { return min(max(version, 0), 2), v >= 0 },
			apiName: func(int16) string { return "" },
		}
		r, err := h.parse(frame)
		if err != nil {
			return
		}
		if !bytes.HasSuffix(frame, r.Body) {
			t.Errorf("body %x is not the end of %x", r.Body, frame)
		}
		if r.ClientID != nil && !bytes.Contains(frame, []byte(*r.ClientID)) {
			t.Errorf("client id %q does not come from %x", *r.ClientID, frame)
		}
		if again, err := h.parse(frame); err != nil || again.ClientID != r.ClientID {
			t.Errorf("the same header once more: %v, %v", again, err)
		}
	})
}
