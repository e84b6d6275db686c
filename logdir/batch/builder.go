package batch

import (
	"encoding/binary"
	"fmt"
)

// Options of a batch to build. Producer id 0 is a producer like any other: a batch without one needs
// NoProducerID, NoProducerEpoch and NoSequence, which PlainOptions fills in.
type Options struct {
	Codec Codec
	// Level is that of Kafka's compression.*.level; zero is the codec's default.
	Level         int
	ProducerID    int64
	ProducerEpoch int16
	BaseSequence  int32
	Transactional bool
	// Control makes it a batch of markers: see AppendMarker.
	Control     bool
	LeaderEpoch int32
}

// PlainOptions describes a batch without a producer id, compressed by codec.
func PlainOptions(codec Codec) Options {
	return Options{Codec: codec, ProducerID: NoProducerID, ProducerEpoch: NoProducerEpoch,
		BaseSequence: NoSequence, LeaderEpoch: -1}
}

// Builder makes one batch. Its base offset is 0 until the leader sets it. Not for concurrent use.
type Builder struct {
	o       Options
	header  Header
	records []byte
	scratch []byte
}

// NewBuilder returns a Builder for one batch.
func NewBuilder(o Options) *Builder {
	b := &Builder{o: o}
	b.Reset()
	return b
}

// Reset begins another batch of the same options and keeps the memory.
func (b *Builder) Reset() {
	o := b.o
	b.header = Header{Magic: 2, LeaderEpoch: o.LeaderEpoch, Attributes: int16(o.Codec),
		BaseTimestamp: NoTimestamp, MaxTimestamp: NoTimestamp, ProducerID: o.ProducerID, ProducerEpoch: o.ProducerEpoch,
		BaseSequence: o.BaseSequence}
	if o.Transactional {
		b.header.Attributes |= attrTransactional
	}
	if o.Control {
		b.header.Attributes |= attrControl
	}
	b.records = b.records[:0]
}

// Append adds a record. A nil key or value is null. The bytes are copied.
func (b *Builder) Append(timestamp int64, key, value []byte, headers ...RecordHeader) {
	h := &b.header
	if h.Count == 0 {
		h.BaseTimestamp = timestamp
	}
	h.MaxTimestamp = max(h.MaxTimestamp, timestamp)
	h.LastOffsetDelta = h.Count
	b.records = b.appendRecord(b.records, timestamp-h.BaseTimestamp, h.Count, key, value, headers)
	h.Count++
}

func (b *Builder) appendRecord(dst []byte, timestampDelta int64, offsetDelta int32, key, value []byte, headers []RecordHeader) []byte {
	r := append(b.scratch[:0], 0)
	r = binary.AppendVarint(r, timestampDelta)
	r = binary.AppendVarint(r, int64(offsetDelta))
	r = appendField(r, key)
	r = appendField(r, value)
	r = binary.AppendVarint(r, int64(len(headers)))
	for _, h := range headers {
		r = binary.AppendVarint(r, int64(len(h.Key)))
		r = append(r, h.Key...)
		r = appendField(r, h.Value)
	}
	b.scratch = r
	dst = binary.AppendVarint(dst, int64(len(r)))
	return append(dst, r...)
}

func appendField(dst, value []byte) []byte {
	if value == nil {
		return binary.AppendVarint(dst, -1)
	}
	dst = binary.AppendVarint(dst, int64(len(value)))
	return append(dst, value...)
}

// Count is how many records were appended.
func (b *Builder) Count() int { return int(b.header.Count) }

// Size is how many bytes the batch has so far, before compression.
func (b *Builder) Size() int { return HeaderSize + len(b.records) }

// Bytes is the whole batch: valid, with base offset 0, in memory of its own. It is nil without records,
// since Kafka knows no empty batch. A codec that does not exist panics.
func (b *Builder) Bytes() []byte {
	if b.header.Count == 0 {
		return nil
	}
	out, err := assemble(b.header, Compression{Codec: b.o.Codec, Level: b.o.Level}, b.records)
	if err != nil {
		panic(fmt.Sprintf("batch.Builder: %v", err))
	}
	return out
}

// assemble compresses the records and puts the header with length and CRC before them.
func assemble(h Header, c Compression, records []byte) ([]byte, error) {
	out, err := Compress(make([]byte, HeaderSize, HeaderSize+len(records)), c, records)
	if err != nil {
		return nil, err
	}
	h.Length = int32(len(out) - LogOverhead)
	encodeHeader(out, h)
	setCRC(out)
	return out, nil
}
