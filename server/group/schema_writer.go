package group

import "encoding/binary"

// writer appends fields in the non-flexible form, which is all that a broker in ZooKeeper mode writes.
type writer []byte

func (w *writer) int16(v int16) { *w = binary.BigEndian.AppendUint16(*w, uint16(v)) }
func (w *writer) int32(v int32) { *w = binary.BigEndian.AppendUint32(*w, uint32(v)) }
func (w *writer) int64(v int64) { *w = binary.BigEndian.AppendUint64(*w, uint64(v)) }

func (w *writer) string(s string) {
	w.int16(int16(len(s)))
	*w = append(*w, s...)
}

func (w *writer) nullableString(s *string) {
	if s == nil {
		w.int16(-1)
		return
	}
	w.string(*s)
}

func (w *writer) bytes(b []byte) {
	w.int32(int32(len(b)))
	*w = append(*w, b...)
}
