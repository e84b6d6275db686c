package statetopic

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var (
	// ErrRecord says that a record does not follow its schema.
	ErrRecord = errors.New("malformed record")
	// ErrVersion says that a record has a version newer than this broker knows.
	ErrVersion = errors.New("unknown record version")
)

// Reader takes fields off the front of a record. After the first error all fields are zero, so a decoder can
// be written without a check per field and asks for the error once. Strings and bytes are copies.
type Reader struct {
	Flexible bool // compact lengths and tagged fields (KIP-482)
	Err      error
	b        []byte
}

// NewReader returns a Reader of a key or a value.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

func (r *Reader) fail(what string) {
	if r.Err == nil {
		r.Err = fmt.Errorf("%s: %w", what, ErrRecord)
	}
	r.b = nil
}

func (r *Reader) take(n int, what string) []byte {
	if n < 0 || n > len(r.b) {
		r.fail(what)
		return nil
	}
	field := r.b[:n]
	r.b = r.b[n:]
	return field
}

// Int8 reads one byte.
func (r *Reader) Int8(what string) int8 {
	if b := r.take(1, what); b != nil {
		return int8(b[0])
	}
	return 0
}

// Int16 reads two bytes.
func (r *Reader) Int16(what string) int16 {
	if b := r.take(2, what); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

// Int32 reads four bytes.
func (r *Reader) Int32(what string) int32 {
	if b := r.take(4, what); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

// Int64 reads eight bytes.
func (r *Reader) Int64(what string) int64 {
	if b := r.take(8, what); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// Length reads the length of a string, or if it is wide that of bytes or the count of a list; -1 is null. It refuses what the rest of the record cannot hold, so
// nothing is allocated on the word of a broken record.
func (r *Reader) Length(wide bool, what string) int {
	n := -1
	switch {
	case r.Flexible:
		v, size := binary.Uvarint(r.b)
		if size <= 0 || v > uint64(len(r.b))+1 {
			r.fail(what)
			return -1
		}
		r.b = r.b[size:]
		n = int(v) - 1
	case wide:
		n = int(r.Int32(what))
	default:
		n = int(r.Int16(what))
	}
	if n < -1 || n > len(r.b) {
		r.fail(what)
		return -1
	}
	return n
}

// String reads a string, which may not be null.
func (r *Reader) String(what string) string {
	s := r.NullableString(what)
	if s == nil {
		r.fail(what)
		return ""
	}
	return *s
}

// NullableString reads a string or nil.
func (r *Reader) NullableString(what string) *string {
	n := r.Length(false, what)
	if n < 0 || r.Err != nil {
		return nil
	}
	s := string(r.take(n, what))
	return &s
}

// Bytes reads bytes with an int32 length; null is nil.
func (r *Reader) Bytes(what string) []byte {
	n := r.Length(true, what)
	if n < 0 {
		return nil
	}
	return append([]byte{}, r.take(n, what)...)
}

// Tags skips the tagged fields of a flexible version: all of them are newer than we are.
func (r *Reader) Tags() {
	if !r.Flexible {
		return
	}
	count, size := binary.Uvarint(r.b)
	if size <= 0 || count > uint64(len(r.b)) {
		r.fail("tags")
		return
	}
	r.b = r.b[size:]
	for range count {
		_, tagSize := binary.Uvarint(r.b)
		r.take(tagSize, "tag")
		n, lengthSize := binary.Uvarint(r.b)
		if lengthSize <= 0 || n > uint64(len(r.b)) {
			r.fail("tag")
			return
		}
		r.take(lengthSize+int(n), "tag")
		if r.Err != nil {
			return
		}
	}
}

// Version reads the number every key and value begins with and refuses what is newer than newest.
func (r *Reader) Version(newest int16, what string) int16 {
	v := r.Int16(what)
	if r.Err == nil && (v < 0 || v > newest) {
		r.Err = fmt.Errorf("%s %d: %w", what, v, ErrVersion)
		r.b = nil
	}
	return v
}
