package batch

import (
	"encoding/binary"
	"fmt"
)

// Marker ends a transaction in a partition: the one record of a control batch. Its key is a version and
// the kind, its value a version and the coordinator's epoch.
type Marker struct {
	// Commit is false for an abort.
	Commit bool
	// CoordinatorEpoch is the leader epoch of the coordinator's partition; markers of an older one are
	// refused.
	CoordinatorEpoch int32
}

const (
	controlAbort  = 0
	controlCommit = 1
)

// AppendMarker adds a transaction marker to a Builder whose options say Control.
func (b *Builder) AppendMarker(timestamp int64, m Marker) {
	key := []byte{0, 0, 0, controlAbort}
	if m.Commit {
		key[3] = controlCommit
	}
	value := binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(m.CoordinatorEpoch))
	b.Append(timestamp, key, value)
}

// ReadMarker reads the marker of a control batch. ok is false for control records of other kinds, which
// say nothing about transactions.
func ReadMarker(b []byte) (m Marker, ok bool, err error) {
	for r, err := range Records(b) {
		if err != nil {
			return Marker{}, false, err
		}
		return parseMarker(r)
	}
	return Marker{}, false, fmt.Errorf("control batch without a record: %w", ErrInvalidRecord)
}

func parseMarker(r Record) (m Marker, ok bool, err error) {
	if len(r.Key) < 4 {
		return m, false, fmt.Errorf("control record with a key of %d bytes: %w", len(r.Key), ErrInvalidRecord)
	}
	kind := binary.BigEndian.Uint16(r.Key[2:])
	if kind != controlAbort && kind != controlCommit {
		return m, false, nil
	}
	if len(r.Value) < 6 {
		return m, false, fmt.Errorf("transaction marker with a value of %d bytes: %w", len(r.Value), ErrInvalidRecord)
	}
	return Marker{Commit: kind == controlCommit, CoordinatorEpoch: int32(binary.BigEndian.Uint32(r.Value[2:]))}, true, nil
}
