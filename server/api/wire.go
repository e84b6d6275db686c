package api

import (
	"encoding/binary"
)

// reader decodes a body by hand, for the requests that are too hot for kmsg. What it returns are views of
// the body. After the first field that is not there it returns zeros, and bad says so in the end.
type reader struct {
	rest     []byte
	flexible bool
	bad      bool
}

// take returns the next n bytes, nil if there are fewer.
func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.rest, r.bad = nil, true
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) int8() int8 {
	if b := r.take(1); b != nil {
		return int8(b[0])
	}
	return 0
}

func (r *reader) int16() int16 {
	if b := r.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (r *reader) int32() int32 {
	if b := r.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (r *reader) int64() int64 {
	if b := r.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (r *reader) uuid() (id [16]byte) {
	copy(id[:], r.take(16))
	return id
}

func (r *reader) uvarint() uint32 {
	w := walk{rest: r.rest}
	v := w.uvarint()
	if w.err != nil {
		r.rest, r.bad = nil, true
		return 0
	}
	r.rest = w.rest
	return v
}

// text returns a string's bytes; nil, and null set, for a null.
func (r *reader) text() (s []byte, null bool) {
	n := 0
	if r.flexible {
		n = int(r.uvarint()) - 1
	} else {
		n = int(r.int16())
	}
	if n < 0 {
		return nil, true
	}
	return r.take(n), false
}

// string copies a string out of the body; null counts as an error.
func (r *reader) string() string {
	s, null := r.text()
	if null {
		r.rest, r.bad = nil, true
	}
	return string(s)
}

// blob returns bytes, nil for null.
func (r *reader) blob() []byte {
	n := 0
	if r.flexible {
		n = int(r.uvarint()) - 1
	} else {
		n = int(r.int32())
	}
	if n < 0 {
		return nil
	}
	return r.take(n)
}

// count returns the length of an array whose elements take least bytes or more, 0 for null. A count that
// the rest of the body cannot hold is an error, so that loops and slices may trust it.
func (r *reader) count(least int) int {
	n := 0
	if r.flexible {
		n = int(r.uvarint()) - 1
	} else {
		n = int(r.int32())
	}
	if n <= 0 {
		return 0
	}
	if n > len(r.rest)/least {
		r.rest, r.bad = nil, true
		return 0
	}
	return n
}

// tags skips a section of tagged fields, but hands those to known, which may be nil.
func (r *reader) tags(known func(tag uint32, field *reader)) {
	if !r.flexible {
		return
	}
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		tag, size := r.uvarint(), r.uvarint()
		field := reader{rest: r.take(int(size)), flexible: true}
		if known != nil && !r.bad {
			known(tag, &field)
			r.bad = r.bad || field.bad
		}
	}
}

// end reports whether the body held all that was read from it.
func (r *reader) end() error {
	if r.bad {
		return errCutShort
	}
	return nil
}

// writer appends an answer's fields. Its methods mirror the reader's.
type writer struct {
	b        []byte
	flexible bool
}

func (w *writer) int16(v int16) { w.b = binary.BigEndian.AppendUint16(w.b, uint16(v)) }
func (w *writer) int32(v int32) { w.b = binary.BigEndian.AppendUint32(w.b, uint32(v)) }
func (w *writer) int64(v int64) { w.b = binary.BigEndian.AppendUint64(w.b, uint64(v)) }

func (w *writer) uvarint(v uint32) { w.b = binary.AppendUvarint(w.b, uint64(v)) }

func (w *writer) string(s string) {
	if w.flexible {
		w.uvarint(uint32(len(s)) + 1)
	} else {
		w.int16(int16(len(s)))
	}
	w.b = append(w.b, s...)
}

// nullable writes a string, null if it is empty.
func (w *writer) nullable(s string) {
	switch {
	case s != "":
		w.string(s)
	case w.flexible:
		w.uvarint(0)
	default:
		w.int16(-1)
	}
}

// count writes the length of an array or, with what follows, of bytes; -1 for null.
func (w *writer) count(n int) {
	if w.flexible {
		w.uvarint(uint32(n + 1))
	} else {
		w.int32(int32(n))
	}
}

// noTags ends a struct that has no tagged fields.
func (w *writer) noTags() {
	if w.flexible {
		w.b = append(w.b, 0)
	}
}
