package logdir

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"ottla/logdir/batch"
)

const (
	snapshotVersion    = 1
	snapshotHeaderSize = 10
	snapshotEntrySize  = 46
)

// ErrCorruptSnapshot says that a producer snapshot cannot be believed; an older one is taken.
var ErrCorruptSnapshot = errors.New("corrupt producer snapshot")

// encodeSnapshot writes what a snapshot file holds. Only the newest batch of a producer is kept.
func encodeSnapshot(all []*producer) []byte {
	b := make([]byte, snapshotHeaderSize, snapshotHeaderSize+len(all)*snapshotEntrySize)
	binary.BigEndian.PutUint16(b, snapshotVersion)
	binary.BigEndian.PutUint32(b[6:], uint32(len(all)))
	for _, p := range all {
		last := batchMark{lastSequence: batch.NoSequence, lastOffset: -1}
		if p.n > 0 {
			last = p.batches[p.n-1]
		}
		b = binary.BigEndian.AppendUint64(b, uint64(p.id))
		b = binary.BigEndian.AppendUint16(b, uint16(p.epoch))
		b = binary.BigEndian.AppendUint32(b, uint32(last.lastSequence))
		b = binary.BigEndian.AppendUint64(b, uint64(last.lastOffset))
		b = binary.BigEndian.AppendUint32(b, uint32(last.offsetDelta))
		b = binary.BigEndian.AppendUint64(b, uint64(p.lastTimestamp))
		b = binary.BigEndian.AppendUint32(b, uint32(p.coordinatorEpoch))
		b = binary.BigEndian.AppendUint64(b, uint64(p.txnFirstOffset))
	}
	binary.BigEndian.PutUint32(b[2:], crc32.Checksum(b[6:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// parseSnapshot reads what encodeSnapshot wrote.
func parseSnapshot(b []byte) ([]*producer, error) {
	if len(b) < snapshotHeaderSize {
		return nil, fmt.Errorf("%d bytes: %w", len(b), ErrCorruptSnapshot)
	}
	if v := binary.BigEndian.Uint16(b); v != snapshotVersion {
		return nil, fmt.Errorf("version %d: %w", v, ErrCorruptSnapshot)
	}
	if binary.BigEndian.Uint32(b[2:]) != crc32.Checksum(b[6:], crc32.MakeTable(crc32.Castagnoli)) {
		return nil, fmt.Errorf("wrong crc: %w", ErrCorruptSnapshot)
	}
	n := int64(binary.BigEndian.Uint32(b[6:]))
	if b = b[snapshotHeaderSize:]; n*snapshotEntrySize != int64(len(b)) {
		return nil, fmt.Errorf("%d producers in %d bytes: %w", n, len(b), ErrCorruptSnapshot)
	}
	out := make([]*producer, 0, n)
	for ; len(b) > 0; b = b[snapshotEntrySize:] {
		out = append(out, parseProducer(b))
	}
	return out, nil
}

func parseProducer(b []byte) *producer {
	p := &producer{
		id:               int64(binary.BigEndian.Uint64(b)),
		epoch:            int16(binary.BigEndian.Uint16(b[8:])),
		lastTimestamp:    int64(binary.BigEndian.Uint64(b[26:])),
		coordinatorEpoch: int32(binary.BigEndian.Uint32(b[34:])),
		txnFirstOffset:   int64(binary.BigEndian.Uint64(b[38:])),
	}
	last := batchMark{
		lastSequence: int32(binary.BigEndian.Uint32(b[10:])),
		lastOffset:   int64(binary.BigEndian.Uint64(b[14:])),
		offsetDelta:  int32(binary.BigEndian.Uint32(b[22:])),
		timestamp:    p.lastTimestamp,
	}
	if last.lastOffset >= 0 {
		p.remember(last)
	}
	return p
}
