package batch

import (
	"encoding/binary"
	"fmt"
)

// messageSet writes records as messages of magic 0 or 1: one behind the other, or compressed together in a wrapper.
// Offsets must rise. The zero value is not ready: see begin. It keeps its memory for the next use.
type messageSet struct {
	magic int8
	c     Compression
	// attributes holds the timestamps' type, and appendTime the time if that is LogAppendTime.
	attributes int16
	appendTime int64

	out          []byte
	wrapperAt    int // in out
	inner        []byte
	n            int
	first, last  int64
	maxTimestamp int64
}

// begin has the messages appended to dst.
func (s *messageSet) begin(dst []byte, magic int8, c Compression, t TimestampType, appendTime int64) error {
	if c.Codec == Zstd {
		return fmt.Errorf("magic %d: %w", magic, ErrZstd)
	}
	*s = messageSet{magic: magic, c: c, appendTime: appendTime, out: dst, inner: s.inner[:0], maxTimestamp: NoTimestamp, wrapperAt: len(dst)}
	if t == LogAppendTime && magic > 0 {
		s.attributes = attrLogAppendTime
	}
	if c.Codec != None {
		s.out = append(s.out, make([]byte, messageFields(magic)+keyAndValue)...)
	}
	return nil
}

// add appends a record. More than a batch may decompress to is ErrTooLarge.
func (s *messageSet) add(offset, timestamp int64, key, value []byte) error {
	if s.n == 0 {
		s.first = offset
	}
	if s.attributes&attrLogAppendTime != 0 {
		timestamp = s.appendTime
	}
	if s.magic > 0 {
		s.maxTimestamp = max(s.maxTimestamp, timestamp)
	}
	s.n, s.last = s.n+1, offset
	if s.c.Codec == None {
		s.out = appendMessage(s.out, s.magic, offset, s.attributes, timestamp, key, value)
		return bounded(len(s.out) - s.wrapperAt)
	}
	if s.magic > 0 {
		offset -= s.first
	}
	s.inner = appendMessage(s.inner, s.magic, offset, s.attributes, timestamp, key, value)
	return bounded(len(s.inner))
}

func bounded(n int) error {
	if n > MaxDecompressed {
		return ErrTooLarge
	}
	return nil
}

// end returns what was begun with and the messages behind it.
func (s *messageSet) end() ([]byte, error) {
	if s.n == 0 {
		return s.out[:s.wrapperAt], nil
	}
	if s.c.Codec == None {
		return s.out, nil
	}
	valueAt := len(s.out)
	out, err := Compress(s.out, s.c, s.inner)
	if err != nil {
		return s.out[:s.wrapperAt], err
	}
	value := out[valueAt:]
	if s.magic == 0 && s.c.Codec == Lz4 {
		wrongLz4Header(value)
	}
	s.seal(out[s.wrapperAt:], len(value))
	return out, nil
}

// seal writes what stands before the value of a wrapper, which b is.
func (s *messageSet) seal(b []byte, value int) {
	head := appendMessage(make([]byte, 0, messageFields1+keyAndValue), s.magic, s.last, s.attributes|int16(s.c.Codec), s.maxTimestamp, nil, []byte{})
	copy(b, head)
	binary.BigEndian.PutUint32(b[posLength:], uint32(len(b)-LogOverhead))
	binary.BigEndian.PutUint32(b[messageFields(s.magic)+4:], uint32(value))
	setMessageCRC(b)
}
