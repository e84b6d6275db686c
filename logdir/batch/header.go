package batch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Positions of the header's fields, in bytes.
const (
	posBaseOffset      = 0
	posLength          = 8
	posLeaderEpoch     = 12
	posMagic           = 16
	posCRC             = 17
	posAttributes      = 21
	posLastOffsetDelta = 23
	posBaseTimestamp   = 27
	posMaxTimestamp    = 35
	posProducerID      = 43
	posProducerEpoch   = 51
	posBaseSequence    = 53
	posCount           = 57

	// HeaderSize is the size of a batch's header in bytes; a batch is never smaller.
	HeaderSize = 61
	// LogOverhead is the size of base offset and length, which the length does not count.
	LogOverhead = 12
	// MagicSize is how many bytes must be there before the magic is known.
	MagicSize = posMagic + 1
	// minLegacyLength is the least length that any message format may announce.
	minLegacyLength = 14
)

// NoTimestamp, NoProducerID, NoProducerEpoch and NoSequence stand for what a batch does not have.
const (
	NoTimestamp     = int64(-1)
	NoProducerID    = int64(-1)
	NoProducerEpoch = int16(-1)
	NoSequence      = int32(-1)
)

// Bits of the attributes.
const (
	attrCodec         = 0x07
	attrLogAppendTime = 0x08
	attrTransactional = 0x10
	attrControl       = 0x20
	attrDeleteHorizon = 0x40
)

var (
	// ErrShort says that the bytes end before the batch does.
	ErrShort = errors.New("batch is cut short")
	// ErrCorrupt says that the bytes contradict themselves: a wrong CRC, an impossible length.
	ErrCorrupt = errors.New("corrupt batch")
	// ErrMagic says that the format is none that Kafka ever wrote.
	ErrMagic = errors.New("unknown magic")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// TimestampType tells who set a batch's timestamps.
type TimestampType int8

const (
	// CreateTime timestamps come from the producer.
	CreateTime TimestampType = 0
	// LogAppendTime timestamps come from the leader, one for the whole batch.
	LogAppendTime TimestampType = 1
)

// Header is the head of a batch of magic 2, without its records; or that of a message of magic 0 or 1, which has no
// producer and no leader epoch. Of a message that wraps others, BaseOffset is the last offset, and Count is 0.
type Header struct {
	BaseOffset int64
	// Length counts the bytes behind the length field; see SizeInBytes.
	Length          int32
	LeaderEpoch     int32
	Magic           int8
	CRC             uint32
	Attributes      int16
	LastOffsetDelta int32
	BaseTimestamp   int64
	MaxTimestamp    int64
	ProducerID      int64
	ProducerEpoch   int16
	BaseSequence    int32
	Count           int32
}

// ReadHeader reads the header that b begins with. The batch itself need not be there in full.
// Errors: ErrShort, ErrCorrupt (a length no batch can have), ErrMagic.
func ReadHeader(b []byte) (Header, error) {
	if err := checkStart(b); err != nil {
		return Header{}, err
	}
	if b[posMagic] < 2 {
		return readMessageHeader(b)
	}
	if len(b) < HeaderSize {
		return Header{}, ErrShort
	}
	h := decodeHeader(b)
	if int(h.Length) < HeaderSize-LogOverhead {
		return Header{}, fmt.Errorf("length %d is less than a header: %w", h.Length, ErrCorrupt)
	}
	return h, nil
}

// checkStart checks what is common to all formats.
func checkStart(b []byte) error {
	if len(b) < MagicSize {
		return ErrShort
	}
	if n := int32(binary.BigEndian.Uint32(b[posLength:])); n < minLegacyLength {
		return fmt.Errorf("length %d is less than the minimum record overhead (%d): %w", n, minLegacyLength, ErrCorrupt)
	}
	if magic := int8(b[posMagic]); magic < 0 || magic > 2 {
		return &MagicError{Magic: magic}
	}
	return nil
}

// MagicError is an ErrMagic with the magic that was found.
type MagicError struct{ Magic int8 }

// Error is the text that clients are told.
func (e *MagicError) Error() string { return fmt.Sprintf("Invalid magic found in record: %d", e.Magic) }

// Is makes it an ErrMagic and an ErrCorrupt.
func (e *MagicError) Is(target error) bool { return target == ErrMagic || target == ErrCorrupt }

// decodeHeader reads the fields of a header that is there in full.
func decodeHeader(b []byte) Header {
	_ = b[HeaderSize-1]
	return Header{
		BaseOffset:      int64(binary.BigEndian.Uint64(b[posBaseOffset:])),
		Length:          int32(binary.BigEndian.Uint32(b[posLength:])),
		LeaderEpoch:     int32(binary.BigEndian.Uint32(b[posLeaderEpoch:])),
		Magic:           int8(b[posMagic]),
		CRC:             binary.BigEndian.Uint32(b[posCRC:]),
		Attributes:      int16(binary.BigEndian.Uint16(b[posAttributes:])),
		LastOffsetDelta: int32(binary.BigEndian.Uint32(b[posLastOffsetDelta:])),
		BaseTimestamp:   int64(binary.BigEndian.Uint64(b[posBaseTimestamp:])),
		MaxTimestamp:    int64(binary.BigEndian.Uint64(b[posMaxTimestamp:])),
		ProducerID:      int64(binary.BigEndian.Uint64(b[posProducerID:])),
		ProducerEpoch:   int16(binary.BigEndian.Uint16(b[posProducerEpoch:])),
		BaseSequence:    int32(binary.BigEndian.Uint32(b[posBaseSequence:])),
		Count:           int32(binary.BigEndian.Uint32(b[posCount:])),
	}
}

// encodeHeader writes the fields into b, which holds at least HeaderSize bytes.
func encodeHeader(b []byte, h Header) {
	_ = b[HeaderSize-1]
	binary.BigEndian.PutUint64(b[posBaseOffset:], uint64(h.BaseOffset))
	binary.BigEndian.PutUint32(b[posLength:], uint32(h.Length))
	binary.BigEndian.PutUint32(b[posLeaderEpoch:], uint32(h.LeaderEpoch))
	b[posMagic] = byte(h.Magic)
	binary.BigEndian.PutUint32(b[posCRC:], h.CRC)
	binary.BigEndian.PutUint16(b[posAttributes:], uint16(h.Attributes))
	binary.BigEndian.PutUint32(b[posLastOffsetDelta:], uint32(h.LastOffsetDelta))
	binary.BigEndian.PutUint64(b[posBaseTimestamp:], uint64(h.BaseTimestamp))
	binary.BigEndian.PutUint64(b[posMaxTimestamp:], uint64(h.MaxTimestamp))
	binary.BigEndian.PutUint64(b[posProducerID:], uint64(h.ProducerID))
	binary.BigEndian.PutUint16(b[posProducerEpoch:], uint16(h.ProducerEpoch))
	binary.BigEndian.PutUint32(b[posBaseSequence:], uint32(h.BaseSequence))
	binary.BigEndian.PutUint32(b[posCount:], uint32(h.Count))
}

// SizeInBytes is the size of the whole batch, header included.
func (h *Header) SizeInBytes() int { return int(h.Length) + LogOverhead }

// LastOffset is the offset of the last record the batch was written with.
func (h *Header) LastOffset() int64 { return h.BaseOffset + int64(h.LastOffsetDelta) }

// NextOffset is the offset behind the batch.
func (h *Header) NextOffset() int64 { return h.LastOffset() + 1 }

// LastSequence is the sequence of the last record; sequences wrap from 2147483647 to 0.
func (h *Header) LastSequence() int32 {
	if h.BaseSequence == NoSequence {
		return NoSequence
	}
	return AddSequence(h.BaseSequence, h.LastOffsetDelta)
}

// AddSequence counts n on from a sequence; it wraps from 2147483647 to 0.
func AddSequence(sequence, n int32) int32 { return int32((int64(sequence) + int64(n)) & 0x7fffffff) }

// Codec is how the records are compressed. It may be one that does not exist: see Codec.Known.
func (h *Header) Codec() Codec { return Codec(h.Attributes & attrCodec) }

// TimestampType tells who set the timestamps.
func (h *Header) TimestampType() TimestampType {
	if h.Attributes&attrLogAppendTime != 0 {
		return LogAppendTime
	}
	return CreateTime
}

// IsTransactional reports whether the records belong to a transaction, or are its marker.
func (h *Header) IsTransactional() bool { return h.Attributes&attrTransactional != 0 }

// IsControl reports whether the batch holds a marker instead of data.
func (h *Header) IsControl() bool { return h.Attributes&attrControl != 0 }

// HasProducerID reports whether an idempotent or transactional producer wrote it.
func (h *Header) HasProducerID() bool { return h.ProducerID != NoProducerID }

// DeleteHorizon is when tombstones of the batch may go, in ms, if compaction has set it.
func (h *Header) DeleteHorizon() (int64, bool) {
	return h.BaseTimestamp, h.Attributes&attrDeleteHorizon != 0
}
