package batch

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// Positions of the fields of a message of magic 0 or 1, in bytes. Offset, size and magic are where a batch of
// magic 2 has them, so that one look tells them apart.
const (
	posMessageCRC        = 12
	posMessageAttributes = 17
	posMessageTimestamp  = 18 // magic 1 only

	// messageFields are the sizes of what stands before the key, by magic.
	messageFields0 = 18
	messageFields1 = 26
	// keyAndValue is the size of the two lengths.
	keyAndValue = 4 + 4
)

func messageFields(magic int8) int {
	if magic == 0 {
		return messageFields0
	}
	return messageFields1
}

// readMessageHeader reads the head of a message as that of a batch: one without producer and leader epoch. Of a
// wrapper it tells the last offset only, and no count: see Records for the rest.
func readMessageHeader(b []byte) (Header, error) {
	magic := int8(b[posMagic])
	fields := messageFields(magic)
	length := int32(binary.BigEndian.Uint32(b[posLength:]))
	if int(length) < fields+keyAndValue-LogOverhead {
		return Header{}, fmt.Errorf("length %d is less than a message of magic %d: %w", length, magic, ErrCorrupt)
	}
	if len(b) < fields {
		return Header{}, ErrShort
	}
	h := Header{
		BaseOffset:    int64(binary.BigEndian.Uint64(b[posBaseOffset:])),
		Length:        length,
		LeaderEpoch:   -1,
		Magic:         magic,
		CRC:           binary.BigEndian.Uint32(b[posMessageCRC:]),
		Attributes:    int16(b[posMessageAttributes] & attrCodec),
		BaseTimestamp: NoTimestamp,
		MaxTimestamp:  NoTimestamp,
		ProducerID:    NoProducerID,
		ProducerEpoch: NoProducerEpoch,
		BaseSequence:  NoSequence,
		Count:         1,
	}
	if h.Attributes != int16(None) {
		h.Count = 0
	}
	if magic == 1 {
		h.Attributes |= int16(b[posMessageAttributes] & attrLogAppendTime)
		h.BaseTimestamp = int64(binary.BigEndian.Uint64(b[posMessageTimestamp:]))
		h.MaxTimestamp = h.BaseTimestamp
	}
	return h, nil
}

// checkMessage checks the CRC of a message that is there in full. Unlike that of a batch it is a CRC-32 as of
// zip, and covers everything behind it.
func checkMessage(b []byte, h *Header) error {
	if sum := crc32.ChecksumIEEE(b[posMagic:h.SizeInBytes()]); sum != h.CRC {
		return fmt.Errorf("stored crc = %d, computed crc = %d: %w", h.CRC, sum, ErrCorrupt)
	}
	return nil
}

// message is one message of magic 0 or 1. Key and value are views; nil is null.
type message struct {
	Header
	key, value []byte
}

// readMessage reads the message that b begins with and that is there in full.
func readMessage(b []byte) (m message, err error) {
	if m.Header, err = ReadHeader(b); err != nil {
		return m, err
	}
	if m.Magic > 1 {
		return m, fmt.Errorf("magic %d among messages: %w", m.Magic, ErrInvalidRecord)
	}
	if m.SizeInBytes() > len(b) {
		return m, ErrShort
	}
	rest := b[messageFields(m.Magic):m.SizeInBytes()]
	var ok bool
	if m.key, rest, ok = messageField(rest); !ok {
		return m, errMessageLengths
	}
	if m.value, _, ok = messageField(rest); !ok {
		return m, errMessageLengths
	}
	return m, nil
}

var errMessageLengths = fmt.Errorf("a message's lengths contradict each other: %w", ErrInvalidRecord)

// messageField reads a length of four bytes and what it counts; a negative length is null.
func messageField(p []byte) (value, rest []byte, ok bool) {
	if len(p) < 4 {
		return nil, nil, false
	}
	n := int(int32(binary.BigEndian.Uint32(p)))
	if p = p[4:]; n > len(p) {
		return nil, nil, false
	}
	if n < 0 {
		return nil, p, true
	}
	return p[:n:n], p[n:], true
}

// appendMessage appends a message. Magic 0 has neither timestamp nor its type.
func appendMessage(dst []byte, magic int8, offset int64, attributes int16, timestamp int64, key, value []byte) []byte {
	at := len(dst)
	size := messageFields(magic) + keyAndValue + len(key) + len(value)
	dst = binary.BigEndian.AppendUint64(dst, uint64(offset))
	dst = binary.BigEndian.AppendUint32(dst, uint32(size-LogOverhead))
	dst = append(dst, 0, 0, 0, 0, byte(magic))
	if magic == 0 {
		dst = append(dst, byte(attributes&attrCodec))
	} else {
		dst = append(dst, byte(attributes&(attrCodec|attrLogAppendTime)))
		dst = binary.BigEndian.AppendUint64(dst, uint64(timestamp))
	}
	dst = appendMessageField(dst, key)
	dst = appendMessageField(dst, value)
	setMessageCRC(dst[at:])
	return dst
}

func appendMessageField(dst, value []byte) []byte {
	if value == nil {
		return binary.BigEndian.AppendUint32(dst, 1<<32-1)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(value)))
	return append(dst, value...)
}

// setMessageCRC sets the CRC in place. b is exactly one message.
func setMessageCRC(b []byte) {
	binary.BigEndian.PutUint32(b[posMessageCRC:], crc32.ChecksumIEEE(b[posMagic:]))
}
