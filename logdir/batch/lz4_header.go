package batch

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// An lz4 frame begins with a magic number, a descriptor of two bytes or more, and a byte of a hash of the descriptor.
// The client of Kafka 0.8.2 hashed the magic number as well. So it stayed in messages of magic 0 (KAFKA-3160): those who
// speak that format expect the wrong byte, and some write the right one.

const lz4MagicSize = 4

// lz4Descriptor is how long the descriptor of a frame is, 0 if that is none.
func lz4Descriptor(frame []byte) int {
	const magic = 0x184D2204
	if len(frame) < lz4MagicSize+3 || binary.LittleEndian.Uint32(frame) != magic {
		return 0
	}
	n, flags := 2, frame[lz4MagicSize]
	if flags&0x08 != 0 {
		n += 8 // the content's size
	}
	if flags&0x01 != 0 {
		n += 4 // a dictionary's id
	}
	if len(frame) < lz4MagicSize+n+1 {
		return 0
	}
	return n
}

// rightLz4Header returns the frame as the lz4 format has it: a copy if a byte must change.
func rightLz4Header(frame []byte) []byte {
	n := lz4Descriptor(frame)
	if n == 0 {
		return frame
	}
	at := lz4MagicSize + n
	right := lz4HeaderHash(frame[lz4MagicSize:at])
	if frame[at] == right {
		return frame
	}
	frame = bytes.Clone(frame)
	frame[at] = right
	return frame
}

// wrongLz4Header makes a frame one of magic 0, in place.
func wrongLz4Header(frame []byte) {
	if n := lz4Descriptor(frame); n > 0 {
		at := lz4MagicSize + n
		frame[at] = lz4HeaderHash(frame[:at])
	}
}

func lz4HeaderHash(p []byte) byte { return byte(shortXXHash32(p) >> 8) }

// shortXXHash32 is xxHash32 with seed 0. The part of that hash which is for inputs of 16 bytes and more is left out but
// for one step of it, since a header has 18 bytes at most.
func shortXXHash32(p []byte) uint32 {
	const prime1, prime2, prime3, prime4, prime5 = 2654435761, 2246822519, 3266489917, 668265263, 374761393
	h := uint32(len(p))
	if len(p) < 16 {
		h += prime5
	} else {
		seeds := [4]uint32{(prime1 + prime2) % (1 << 32), prime2, 0, 1<<32 - prime1}
		for i, turn := range [4]int{1, 7, 12, 18} {
			lane := bits.RotateLeft32(seeds[i]+binary.LittleEndian.Uint32(p[4*i:])*prime2, 13) * prime1
			h += bits.RotateLeft32(lane, turn)
		}
		p = p[16:]
	}
	for ; len(p) >= 4; p = p[4:] {
		h = bits.RotateLeft32(h+binary.LittleEndian.Uint32(p)*prime3, 17) * prime4
	}
	for _, b := range p {
		h = bits.RotateLeft32(h+uint32(b)*prime5, 11) * prime1
	}
	h = (h ^ h>>15) * prime2
	h = (h ^ h>>13) * prime3
	return h ^ h>>16
}
