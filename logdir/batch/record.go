package batch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
)

// ErrInvalidRecord says that a batch holds other records than its header announces, or that a
// record's lengths contradict each other.
var ErrInvalidRecord = errors.New("invalid record")

// RecordHeader is one name and value beside a record. A nil Value is null.
type RecordHeader struct {
	Key   string
	Value []byte
}

// Record is one record. Key and Value are views, valid as long as the batch they were read from, or,
// for a compressed batch, as long as the iteration's step unless said otherwise; nil is null.
type Record struct {
	Offset    int64
	Timestamp int64
	Key       []byte
	Value     []byte
	Headers   []RecordHeader
}

// Records walks the records of one whole batch, decompressing it first (at most MaxDecompressed
// bytes). The records' bytes stay valid when the walk is over. It checks no CRC. An error ends it:
// ErrInvalidRecord, ErrDecompress, ErrTooLarge, ErrUnknownCodec, or those of ReadHeader. A message of magic 0 or 1 is
// a batch of one record, or of those that it wraps.
func Records(b []byte) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		h, err := ReadHeader(b)
		if err == nil && h.SizeInBytes() > len(b) {
			err = ErrShort
		}
		if err != nil {
			yield(Record{}, err)
			return
		}
		if h.Magic < 2 {
			walkMessages(b, yield)
			return
		}
		payload := b[HeaderSize:h.SizeInBytes()]
		if h.Codec() != None {
			if payload, err = Decompress(nil, h.Codec(), payload, MaxDecompressed); err != nil {
				yield(Record{}, err)
				return
			}
		}
		walkRecords(&h, payload, yield)
	}
}

func walkMessages(b []byte, yield func(Record, error) bool) {
	s, _, err := openMessages(b, nil)
	if err == nil {
		err = s.each(func(r Record, _ int8) bool { return yield(r, nil) })
	}
	if err != nil {
		yield(Record{}, err)
	}
}

func walkRecords(h *Header, payload []byte, yield func(Record, error) bool) {
	for i := int32(0); i < h.Count; i++ {
		raw, rest, err := nextRecord(payload)
		if err != nil {
			yield(Record{}, err)
			return
		}
		r, err := raw.record(h)
		if err != nil {
			yield(Record{}, err)
			return
		}
		if !yield(r, nil) {
			return
		}
		payload = rest
	}
	if len(payload) > 0 {
		yield(Record{}, errRemaining)
	}
}

var (
	errRemaining = fmt.Errorf("records still remaining behind the declared count: %w", ErrInvalidRecord)
	errPremature = fmt.Errorf("fewer records than the declared count: %w", ErrInvalidRecord)
	errLengths   = fmt.Errorf("a record's lengths contradict each other: %w", ErrInvalidRecord)
)

// rawRecord is a record's fields as they stand in its batch.
type rawRecord struct {
	timestampDelta int64
	offsetDelta    int32
	hasKey         bool
	key            []byte
	hasValue       bool
	value          []byte
	headers        int
	headerBytes    []byte
}

// nextRecord reads the record that p begins with and returns what is behind it. It allocates nothing.
func nextRecord(p []byte) (r rawRecord, rest []byte, err error) {
	size, n := varint(p)
	if n <= 0 {
		return r, nil, errPremature
	}
	if size < 0 {
		return r, nil, errLengths
	}
	p = p[n:]
	if size > int64(len(p)) {
		return r, nil, errPremature
	}
	rest, p = p[size:], p[:size]
	if len(p) == 0 {
		return r, nil, errLengths
	}
	p = p[1:] // attributes, of which none is in use
	if r.timestampDelta, n = varint64(p); n <= 0 {
		return r, nil, errLengths
	}
	p = p[n:]
	delta, n := varint(p)
	if n <= 0 {
		return r, nil, errLengths
	}
	r.offsetDelta, p = int32(delta), p[n:]
	var ok bool
	if r.key, r.hasKey, p, ok = field(p); !ok {
		return r, nil, errLengths
	}
	if r.value, r.hasValue, p, ok = field(p); !ok {
		return r, nil, errLengths
	}
	count, n := varint(p)
	if n <= 0 || count < 0 || count > int64(len(p)) {
		return r, nil, errLengths
	}
	r.headers, r.headerBytes = int(count), p[n:]
	if !r.checkHeaders() {
		return r, nil, errLengths
	}
	return r, rest, nil
}

// checkHeaders reports whether the headers fill exactly what is left of the record.
func (r *rawRecord) checkHeaders() bool {
	p := r.headerBytes
	for range r.headers {
		_, hasKey, rest, ok := field(p)
		if !ok || !hasKey {
			return false
		}
		if _, _, p, ok = field(rest); !ok {
			return false
		}
	}
	return len(p) == 0
}

func (r *rawRecord) record(h *Header) (Record, error) {
	out := Record{Offset: h.BaseOffset + int64(r.offsetDelta), Timestamp: r.timestamp(h)}
	if r.hasKey {
		out.Key = r.key
	}
	if r.hasValue {
		out.Value = r.value
	}
	if r.headers == 0 {
		return out, nil
	}
	out.Headers = make([]RecordHeader, r.headers)
	p := r.headerBytes
	for i := range out.Headers {
		key, _, rest, ok := field(p)
		value, _, rest, ok2 := field(rest)
		if !ok || !ok2 {
			return Record{}, errLengths
		}
		out.Headers[i], p = RecordHeader{Key: string(key), Value: value}, rest
	}
	return out, nil
}

// timestamp is the record's own, or the whole batch's under LogAppendTime.
func (r *rawRecord) timestamp(h *Header) int64 {
	if h.TimestampType() == LogAppendTime {
		return h.MaxTimestamp
	}
	return h.BaseTimestamp + r.timestampDelta
}

// field reads a length and as many bytes; length -1 is null.
func field(p []byte) (value []byte, present bool, rest []byte, ok bool) {
	size, n := varint(p)
	if n <= 0 {
		return nil, false, nil, false
	}
	p = p[n:]
	if size < 0 {
		return nil, false, p, true
	}
	if size > int64(len(p)) {
		return nil, false, nil, false
	}
	return p[:size:size], true, p[size:], true
}

// varint reads a zigzag varint of at most 32 bits. Nearly all of them have one byte or two.
func varint(p []byte) (v int64, n int) {
	if len(p) >= 1 && p[0] < 0x80 {
		return int64(p[0]>>1) ^ -int64(p[0]&1), 1
	}
	if len(p) >= 2 && p[1] < 0x80 {
		u := int64(p[0]&0x7f) | int64(p[1])<<7
		return u>>1 ^ -(u & 1), 2
	}
	v, n = binary.Varint(p)
	if n > 5 || int64(int32(v)) != v {
		return 0, -1
	}
	return v, n
}

func varint64(p []byte) (v int64, n int) {
	if len(p) >= 1 && p[0] < 0x80 {
		return int64(p[0]>>1) ^ -int64(p[0]&1), 1
	}
	return binary.Varint(p)
}
