package api

import (
	"encoding/binary"
	"errors"
	"fmt"
)

//go:generate go run gen_schemas.go

// A decoder that believes counts can be made to work for minutes, or to allocate gigabytes, by a frame of
// a few bytes. So before kmsg decodes a frame, schema.check walks over it: every count is paid for by
// bytes that are there. After it, decoding a frame of N bytes takes time and memory of a fixed multiple
// of N (TestDecodingIsPaidFor measures it over all requests).
//
// The table that the walk follows is derived from kmsg's encoders by gen_schemas.go. TestGuardAgrees
// holds the two to each other: for every request, version and random content, the walk accepts exactly
// what kmsg encodes, and nothing that is cut short.

// kind is how a field is coded.
type kind uint8

const (
	fixed1  kind = 1 // integers, booleans
	fixed2  kind = 2
	fixed4  kind = 4
	fixed8  kind = 8
	fixed16 kind = 16 // a UUID
	str     kind = 17 // 2 bytes of length, compact: uvarint of length+1
	blob    kind = 18 // 4 bytes of length, compact: uvarint of length+1
	array   kind = 19 // 4 bytes of count, compact: uvarint of count+1
	record  kind = 20 // the fields of its layout, one after another
)

// never is above every version.
const never = 99

// field is one field of a request, there in versions from..to, and null in version null and above.
type field struct {
	name           string
	kind           kind
	from, to, null int16
	tag            uint32  // of a tagged field
	of             *layout // of an array or a record
}

// layout is a struct: its fields, and in flexible versions its tagged fields.
type layout struct {
	fields []field
	tags   []field
	tagged bool
}

// schema is a request.
type schema struct {
	flexible int16 // the first version that is compact and tagged
	layout   layout
}

var (
	errCutShort = errors.New("the request ends in the middle of a field")
	errBadSize  = errors.New("a field's size is negative or beyond the request")
	errTooMany  = errors.New("too many unknown tagged fields")
)

// check walks over a request's body and tells how many bytes its fields take. What follows the last
// field is nobody's concern, as in Kafka.
func (s *schema) check(body []byte, version int16) (used int, err error) {
	w := walk{rest: body, version: version, flexible: version >= s.flexible, unknown: 64 + len(body)/16}
	w.layout(&s.layout)
	if w.err != nil {
		return 0, fmt.Errorf("%s, byte %d of %d: %w", w.at, len(body)-len(w.rest), len(body), w.err)
	}
	return len(body) - len(w.rest), nil
}

// walk is the state of one check.
type walk struct {
	rest     []byte
	version  int16
	flexible bool
	// unknown is how many more unknown tagged fields may come. kmsg keeps each in a map, whose cost is far
	// above the two bytes that a tag takes; nobody sends more than a few.
	unknown int
	err     error
	at      string // the field where err arose
}

func (w *walk) layout(g *layout) {
	for i := range g.fields {
		f := &g.fields[i]
		if w.version < f.from || w.version > f.to {
			continue
		}
		if w.field(f); w.err != nil {
			if w.at == "" {
				w.at = f.name
			}
			return
		}
	}
	if g.tagged && w.flexible {
		w.tags(g)
	}
}

func (w *walk) field(f *field) {
	switch f.kind {
	case str:
		w.skip(w.size(2, f))
	case blob:
		w.skip(w.size(4, f))
	case array:
		n := w.size(4, f)
		// Every element takes a byte at least, so a larger count is a lie.
		if n > len(w.rest) {
			w.fail(errCutShort)
		}
		if e := f.of; len(e.fields) == 1 && !e.tagged && e.fields[0].kind <= fixed16 {
			w.skip(n * int(e.fields[0].kind))
			return
		}
		for ; n > 0 && w.err == nil; n-- {
			w.layout(f.of)
		}
	case record:
		w.layout(f.of)
	default:
		w.skip(int(f.kind))
	}
}

// size reads the length of a field whose old form has a length of width bytes; 0 for null.
func (w *walk) size(width int, f *field) int {
	n := 0
	switch {
	case w.flexible:
		n = int(w.uvarint()) - 1
	case len(w.rest) < width:
		w.fail(errCutShort)
		return 0
	case width == 2:
		n = int(int16(binary.BigEndian.Uint16(w.rest)))
		w.rest = w.rest[2:]
	default:
		n = int(int32(binary.BigEndian.Uint32(w.rest)))
		w.rest = w.rest[4:]
	}
	if n < 0 {
		// Kafka reads any negative length as null, where null is allowed.
		if w.version < f.null {
			w.fail(errBadSize)
		}
		return 0
	}
	return n
}

func (w *walk) tags(g *layout) {
	for n := w.uvarint(); n > 0 && w.err == nil; n-- {
		tag, size := w.uvarint(), w.uvarint()
		if uint64(size) > uint64(len(w.rest)) {
			w.at = "tagged fields"
			w.fail(errBadSize)
			return
		}
		known := false
		for i := range g.tags {
			if f := &g.tags[i]; f.tag == tag {
				// A known field is read from the bytes that are its own.
				rest := w.rest[size:]
				w.rest = w.rest[:size:size]
				w.field(f)
				if w.err != nil {
					w.at = f.name
					return
				}
				w.rest, known = rest, true
				break
			}
		}
		if !known {
			if w.unknown--; w.unknown < 0 {
				w.fail(errTooMany)
			}
			w.skip(int(size))
		}
	}
	if w.err != nil && w.at == "" {
		w.at = "tagged fields"
	}
}

func (w *walk) skip(n int) {
	if n > len(w.rest) {
		w.fail(errCutShort)
		return
	}
	w.rest = w.rest[n:]
}

// uvarint reads at most five bytes, as Kafka does.
func (w *walk) uvarint() uint32 {
	var v uint64
	for i := range 5 {
		if i >= len(w.rest) {
			break
		}
		b := w.rest[i]
		v |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			w.rest = w.rest[i+1:]
			if v > 1<<32-1 {
				break
			}
			return uint32(v)
		}
	}
	w.fail(errCutShort)
	return 0
}

func (w *walk) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}
