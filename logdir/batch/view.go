package batch

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"iter"
)

// Check reads the header of the batch that b begins with and checks its length and its CRC.
// Errors: those of ReadHeader; ErrShort if b does not hold all of it; ErrCorrupt.
func Check(b []byte) (Header, error) {
	h, err := ReadHeader(b)
	if err != nil {
		return h, err
	}
	n := h.SizeInBytes()
	if n > len(b) {
		return h, ErrShort
	}
	if h.Magic < 2 {
		return h, checkMessage(b, &h)
	}
	if sum := crc32.Checksum(b[posAttributes:n], castagnoli); sum != h.CRC {
		return h, fmt.Errorf("stored crc = %d, computed crc = %d: %w", h.CRC, sum, ErrCorrupt)
	}
	return h, nil
}

// All walks the whole batches in data, one after another, as views. It ends quietly where the last
// batch is cut short, as a fetch answer may be, and with an error where the bytes are no batch.
// CRCs are not checked: see Check.
func All(data []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for len(data) > 0 {
			h, err := ReadHeader(data)
			if err == ErrShort || err == nil && h.SizeInBytes() > len(data) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			n := h.SizeInBytes()
			if !yield(data[:n:n], nil) {
				return
			}
			data = data[n:]
		}
	}
}

// SetOffset sets the base offset in place. It is outside the CRC.
func SetOffset(b []byte, base int64) { binary.BigEndian.PutUint64(b[posBaseOffset:], uint64(base)) }

// SetLeaderEpoch sets the leader epoch in place. It is outside the CRC. Only batches of magic 2 have one.
func SetLeaderEpoch(b []byte, epoch int32) {
	binary.BigEndian.PutUint32(b[posLeaderEpoch:], uint32(epoch))
}

// setTimestamps sets type and maximum in place and the CRC anew. b is exactly one batch.
func setTimestamps(b []byte, t TimestampType, maxTimestamp int64) {
	b[posAttributes+1] &^= attrLogAppendTime
	if t == LogAppendTime {
		b[posAttributes+1] |= attrLogAppendTime
	}
	binary.BigEndian.PutUint64(b[posMaxTimestamp:], uint64(maxTimestamp))
	setCRC(b)
}

func setCRC(b []byte) {
	binary.BigEndian.PutUint32(b[posCRC:], crc32.Checksum(b[posAttributes:], castagnoli))
}

// SetLogAppendTime sets the time of the append in place and the CRC anew. b is exactly one batch.
func SetLogAppendTime(b []byte, now int64) { setTimestamps(b, LogAppendTime, now) }
