package group

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var (
	// ErrRecord says that a record of __consumer_offsets does not follow its schema.
	ErrRecord = errors.New("malformed record")
	// ErrVersion says that a record has a version newer than this broker knows.
	ErrVersion = errors.New("unknown record version")
)

// reader takes fields off the front of a record. After the first error all fields are zero, so a decoder can
// be written without a check per field and asks for the error once. Strings and bytes are copies.
type reader struct {
	b        []byte
	flexible bool // compact lengths and tagged fields (KIP-482)
	err      error
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %w", what, ErrRecord)
	}
	r.b = nil
}

func (r *reader) take(n int, what string) []byte {
	if n < 0 || n > len(r.b) {
		r.fail(what)
		return nil
	}
	field := r.b[:n]
	r.b = r.b[n:]
	return field
}

func (r *reader) int16(what string) int16 {
	if b := r.take(2, what); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (r *reader) int32(what string) int32 {
	if b := r.take(4, what); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (r *reader) int64(what string) int64 {
	if b := r.take(8, what); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// length reads a length or a count; -1 is null. It refuses what the rest of the record cannot hold, so
// nothing is allocated on the word of a broken record.
func (r *reader) length(wide bool, what string) int {
	n := -1
	switch {
	case r.flexible:
		v, size := binary.Uvarint(r.b)
		if size <= 0 || v > uint64(len(r.b))+1 {
			r.fail(what)
			return -1
		}
		r.b = r.b[size:]
		n = int(v) - 1
	case wide:
		n = int(r.int32(what))
	default:
		n = int(r.int16(what))
	}
	if n < -1 || n > len(r.b) {
		r.fail(what)
		return -1
	}
	return n
}

func (r *reader) string(what string) string {
	s := r.nullableString(what)
	if s == nil {
		r.fail(what)
		return ""
	}
	return *s
}

func (r *reader) nullableString(what string) *string {
	n := r.length(false, what)
	if n < 0 || r.err != nil {
		return nil
	}
	s := string(r.take(n, what))
	return &s
}

func (r *reader) bytes(what string) []byte {
	n := r.length(true, what)
	if n < 0 {
		return nil
	}
	return append([]byte{}, r.take(n, what)...)
}

// tags skips the tagged fields of a flexible version: all of them are newer than we are.
func (r *reader) tags() {
	if !r.flexible {
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
		if r.err != nil {
			return
		}
	}
}

// version reads the number every key and value begins with and refuses what is newer than newest.
func (r *reader) version(newest int16, what string) int16 {
	v := r.int16(what)
	if r.err == nil && (v < 0 || v > newest) {
		r.err = fmt.Errorf("%s %d: %w", what, v, ErrVersion)
	}
	return v
}
