package batch

import (
	"fmt"
)

// messages are the records of one message of magic 0 or 1: itself, or what it wraps. A wrapper has no key, and as its
// value messages that were compressed together. Its offset is that of the last of them. Theirs are absolute in magic 0
// and count from the first one on in magic 1.
type messages struct {
	wrapper Header
	inner   []byte // of a wrapper: the messages, one after another
	single  []byte // of a message that wraps nothing: itself
	// base is added to the inner offsets.
	base int64
	// checked has the CRCs of inner messages looked at; those of outer ones, Check does.
	checked bool
}

// openMessages reads the message that b begins with, decompressing it into buf if it is a wrapper. Errors:
// ErrInvalidRecord, ErrCorrupt, ErrDecompress, ErrTooLarge, ErrUnknownCodec, or those of ReadHeader.
func openMessages(b, buf []byte) (s messages, payload []byte, err error) {
	m, err := readMessage(b)
	if err != nil {
		return s, buf, err
	}
	s.wrapper = m.Header
	switch codec := m.Codec(); {
	case codec == None:
		s.single = b[:m.SizeInBytes()]
		return s, buf, nil
	case codec == Zstd:
		return s, buf, fmt.Errorf("zstd in a message of magic %d: %w", m.Magic, ErrInvalidRecord)
	case m.value == nil:
		return s, buf, fmt.Errorf("a wrapper of magic %d without a value: %w", m.Magic, ErrInvalidRecord)
	}
	if payload, err = unwrap(buf, &m); err != nil {
		return s, payload, err
	}
	s.inner = payload
	if m.Magic == 1 {
		s.base, err = s.findBase()
	}
	return s, payload, err
}

// unwrap decompresses what a wrapper holds.
func unwrap(buf []byte, m *message) ([]byte, error) {
	value := m.value
	if m.Magic == 0 && m.Codec() == Lz4 {
		value = rightLz4Header(value)
	}
	return Decompress(buf[:0], m.Codec(), value, MaxDecompressed)
}

// findBase works out what the inner offsets of magic 1 count from.
func (s *messages) findBase() (int64, error) {
	last, n := int64(0), 0
	for rest := s.inner; ; n++ {
		h, ok, err := nextInner(rest)
		if err != nil {
			return 0, err
		}
		if !ok {
			break
		}
		last, rest = h.BaseOffset, rest[h.SizeInBytes():]
	}
	switch wrapper := s.wrapper.BaseOffset; {
	case wrapper == 0:
		return 0, nil // some librdkafka left it at that
	case n > 0 && wrapper < last:
		return 0, fmt.Errorf("a wrapper's offset %d is less than %d, the last one in it: %w", wrapper, last, ErrInvalidRecord)
	default:
		return wrapper - last, nil
	}
}

// nextInner finds the inner message that rest begins with. One that is cut short is left out, as Kafka does.
func nextInner(rest []byte) (h Header, ok bool, err error) {
	if h, err = ReadHeader(rest); err == ErrShort || err == nil && h.SizeInBytes() > len(rest) {
		return h, false, nil
	}
	return h, err == nil, err
}

// each walks the records until yield answers false. The error is that of a record that is none.
func (s *messages) each(yield func(r Record, magic int8) bool) error {
	if s.single != nil {
		m, err := readMessage(s.single)
		if err != nil {
			return err
		}
		yield(m.record(), m.Magic)
		return nil
	}
	n := 0
	for rest := s.inner; ; n++ {
		h, ok, err := nextInner(rest)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		r, err := s.one(rest[:h.SizeInBytes()])
		if err != nil {
			return err
		}
		if !yield(r, h.Magic) {
			return nil
		}
		rest = rest[h.SizeInBytes():]
	}
	if n == 0 {
		return fmt.Errorf("a wrapper with nothing in it: %w", ErrInvalidRecord)
	}
	return nil
}

// one reads an inner message.
func (s *messages) one(b []byte) (Record, error) {
	m, err := readMessage(b)
	switch {
	case err != nil:
		return Record{}, err
	case m.Codec() != None:
		return Record{}, fmt.Errorf("a wrapper in a wrapper: %w", ErrInvalidRecord)
	}
	if s.checked {
		if err := checkMessage(b, &m.Header); err != nil {
			return Record{}, err
		}
	}
	r := m.record()
	r.Offset += s.base
	if m.Magic == 1 && s.wrapper.TimestampType() == LogAppendTime {
		r.Timestamp = s.wrapper.MaxTimestamp
	}
	return r, nil
}

func (m *message) record() Record {
	return Record{Offset: m.BaseOffset, Timestamp: m.MaxTimestamp, Key: m.key, Value: m.value}
}

// FirstOffset is the offset of the first record of the whole batch b, whose header is h. Only of a wrapper does the
// header not tell it.
func FirstOffset(b []byte, h *Header) (first int64, err error) {
	if !h.IsWrapper() {
		return h.BaseOffset, nil
	}
	first = h.BaseOffset
	s, _, err := openMessages(b, nil)
	if err != nil {
		return first, err
	}
	err = s.each(func(r Record, _ int8) bool { first = r.Offset; return false })
	return first, err
}

// IsWrapper reports whether it is a message of magic 0 or 1 that holds others, compressed.
func (h *Header) IsWrapper() bool { return h.Magic < 2 && h.Codec() != None }

// AtMost is how many records there may be, where the header of a wrapper does not tell: not more, nearly ever, than
// it has bytes.
func (h *Header) AtMost() int64 {
	if h.IsWrapper() {
		return int64(h.Length)
	}
	return int64(h.Count)
}
