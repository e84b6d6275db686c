package txn

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var (
	// ErrRecord says that a record of __transaction_state does not follow its schema.
	ErrRecord = errors.New("malformed record")
	// ErrVersion says that a record has a version newer than this broker knows.
	ErrVersion = errors.New("unknown record version")
)

// reader takes fields off the front of a record. After the first error every field is zero, and the error is asked for
// once, at the end.
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

func (r *reader) int8(what string) int8 {
	if b := r.take(1, what); b != nil {
		return int8(b[0])
	}
	return 0
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

// uvarint reads a compact length, which is one more than the real one.
func (r *reader) uvarint(what string) int {
	v, size := binary.Uvarint(r.b)
	if size <= 0 || v > uint64(len(r.b)) {
		r.fail(what)
		return 0
	}
	r.b = r.b[size:]
	return int(v)
}

func (r *reader) string(what string) string {
	if r.flexible {
		return string(r.take(r.uvarint(what)-1, what))
	}
	return string(r.take(int(r.int16(what)), what))
}

// count reads how many elements follow, -1 for null. Each takes at least a byte, so that nothing is allocated on the word
// of a broken record.
func (r *reader) count(what string) int {
	n := 0
	if r.flexible {
		n = r.uvarint(what) - 1
	} else {
		n = int(r.int32(what))
	}
	if r.err != nil || n < -1 || n > len(r.b) {
		r.fail(what)
		return -1
	}
	return n
}

// tags skips the tagged fields of a flexible version: all of them are newer than we are.
func (r *reader) tags() {
	if !r.flexible {
		return
	}
	for n := r.uvarint("tags"); n > 0 && r.err == nil; n-- {
		r.uvarint("tag")
		r.take(r.uvarint("tag"), "tag")
	}
}

// version reads the number that every key and value begins with, and refuses what is newer than newest.
func (r *reader) version(newest int16, what string) int16 {
	v := r.int16(what)
	if r.err == nil && (v < 0 || v > newest) {
		r.err = fmt.Errorf("%s %d: %w", what, v, ErrVersion)
	}
	return v
}
