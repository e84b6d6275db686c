package batch

import (
	"encoding/binary"
	"fmt"
)

// Filter takes records out of batches, as compaction does, and keeps the memory for that from one batch
// to the next. Not for concurrent use. The zero value is ready.
type Filter struct {
	payload []byte // of a compressed batch
	records []byte // of the batch to be
	set     messageSet
}

// Key is what decides over a record: where it is, and its key.
type Key struct {
	Offset int64
	// Bytes are a view, until the next step of the walk; Null is a record without a key.
	Bytes []byte
	Null  bool
	// Tombstone is a record without a value, which deletes its key.
	Tombstone bool
}

// Cut says what to do with a batch.
type Cut struct {
	// Keep decides over each record.
	Keep func(Key) bool
	// KeepEmpty leaves the header where no record is left, for the producer's sequence and epoch in it.
	KeepEmpty bool
	// Horizon is when tombstones may go, in ms. It is written into a batch that keeps a tombstone, or
	// whatever it keeps if Mark is set, unless a horizon is there already. Negative is never.
	Horizon int64
	Mark    bool
}

// Keys walks the keys of a whole batch whose header is h, until f answers false. It checks no CRC.
func (f *Filter) Keys(h *Header, b []byte, each func(Key) bool) error {
	if h.Magic < 2 {
		return f.messageKeys(b, each)
	}
	payload, err := f.open(h, b)
	if err != nil {
		return err
	}
	for range h.Count {
		r, rest, err := nextRecord(payload)
		if err != nil {
			return err
		}
		if !each(r.asKey(h)) {
			return nil
		}
		payload = rest
	}
	if len(payload) > 0 {
		return errRemaining
	}
	return nil
}

func (r *rawRecord) asKey(h *Header) Key {
	return Key{Offset: h.BaseOffset + int64(r.offsetDelta), Bytes: r.key, Null: !r.hasKey, Tombstone: !r.hasValue}
}

// open returns the records' bytes, decompressed.
func (f *Filter) open(h *Header, b []byte) ([]byte, error) {
	if h.SizeInBytes() > len(b) {
		return nil, ErrShort
	}
	payload := b[HeaderSize:h.SizeInBytes()]
	if h.Codec() == None {
		return payload, nil
	}
	var err error
	f.payload, err = Decompress(f.payload[:0], h.Codec(), payload, MaxDecompressed)
	return f.payload, err
}

// Append appends to dst what is left of the whole batch b, whose header is h, and returns how many records
// that are; nothing at all if none is left and c does not keep empty batches. Offsets, base offset and last
// offset stay, as do the header's producer fields. A batch that keeps all is copied as it is. Errors: those
// of Records.
func (f *Filter) Append(dst, b []byte, h *Header, c *Cut) (out []byte, kept int, err error) {
	if h.Magic < 2 {
		return f.appendMessages(dst, b, h, c)
	}
	payload, err := f.open(h, b)
	if err != nil {
		return dst, 0, err
	}
	w := sieve{header: h, cut: c, records: f.records[:0], maxTimestamp: NoTimestamp}
	err = w.run(payload)
	f.records = w.records
	if err != nil {
		return dst, 0, err
	}
	if w.kept == 0 {
		if c.KeepEmpty {
			dst = appendEmpty(dst, h)
		}
		return dst, 0, nil
	}
	_, has := h.DeleteHorizon()
	set := c.Horizon >= 0 && !has && (w.tombstones || c.Mark)
	if w.kept == int(h.Count) && !set {
		return append(dst, b[:h.SizeInBytes()]...), w.kept, nil
	}
	n := w.rest(set)
	if set {
		if f.records, err = rebase(f.records, h, n.BaseTimestamp); err != nil {
			return dst, 0, err
		}
	}
	dst, err = appendBatch(dst, n, Compression{Codec: h.Codec()}, f.records)
	return dst, w.kept, err
}

// sieve is one walk over a batch's records.
type sieve struct {
	header       *Header
	cut          *Cut
	records      []byte // those kept, as they stand in the batch
	kept         int
	tombstones   bool // among those kept
	maxTimestamp int64
}

func (w *sieve) run(payload []byte) error {
	for range w.header.Count {
		r, rest, err := nextRecord(payload)
		if err != nil {
			return err
		}
		key := r.asKey(w.header)
		if w.cut.Keep(key) {
			w.records = append(w.records, payload[:len(payload)-len(rest)]...)
			w.kept++
			w.tombstones = w.tombstones || key.Tombstone
			w.maxTimestamp = max(w.maxTimestamp, r.timestamp(w.header))
		}
		payload = rest
	}
	if len(payload) > 0 {
		return errRemaining
	}
	return nil
}

// rest is the header of what is left.
func (w *sieve) rest(setHorizon bool) Header {
	n := *w.header
	n.Count = int32(w.kept)
	n.MaxTimestamp = w.maxTimestamp
	if setHorizon {
		n.Attributes |= attrDeleteHorizon
		n.BaseTimestamp = w.cut.Horizon
	}
	return n
}

// rebase writes records anew whose timestamps are differences to another base: KIP-534 keeps the horizon
// where the base timestamp was.
func rebase(records []byte, h *Header, base int64) ([]byte, error) {
	// The differences may need more bytes than before, so this cannot be done in place.
	out := make([]byte, 0, len(records)+8*int(h.Count))
	var body []byte
	for len(records) > 0 {
		size, n := varint(records)
		if n <= 0 || size < 2 || size > int64(len(records)-n) {
			return nil, errLengths
		}
		p := records[n : n+int(size)]
		records = records[n+int(size):]
		delta, n := varint64(p[1:])
		if n <= 0 {
			return nil, errLengths
		}
		body = append(body[:0], p[0])
		body = binary.AppendVarint(body, h.BaseTimestamp+delta-base)
		body = append(body, p[1+n:]...)
		out = binary.AppendVarint(out, int64(len(body)))
		out = append(out, body...)
	}
	return out, nil
}

// appendEmpty appends a batch of no records that keeps the place of h and its producer.
func appendEmpty(dst []byte, h *Header) []byte {
	n := *h
	n.Attributes &^= attrCodec | attrDeleteHorizon
	n.BaseTimestamp, n.Count = NoTimestamp, 0
	dst, _ = appendBatch(dst, n, Compression{}, nil) // without a codec nothing fails
	return dst
}

// appendBatch appends a batch of a header and records, which it compresses.
func appendBatch(dst []byte, h Header, c Compression, records []byte) ([]byte, error) {
	at := len(dst)
	dst = append(dst, make([]byte, HeaderSize)...)
	dst, err := Compress(dst, c, records)
	if err != nil {
		return dst[:at], fmt.Errorf("compress what is left of the batch at %d: %w", h.BaseOffset, err)
	}
	b := dst[at:]
	h.Length = int32(len(b) - LogOverhead)
	encodeHeader(b, h)
	setCRC(b)
	return dst, nil
}
