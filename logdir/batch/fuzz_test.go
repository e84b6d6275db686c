package batch

import (
	"bytes"
	"errors"
	"testing"
)

// FuzzBatch: whatever the bytes are, nothing panics, errors are of the kinds that are documented, the
// quick walk over records agrees with the careful one, and what Validate accepts is whole.
func FuzzBatch(f *testing.F) {
	for c := None; c <= Zstd; c++ {
		f.Add(build(PlainOptions(c), 3))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		for b, err := range All(data) {
			if err != nil {
				if !errors.Is(err, ErrCorrupt) {
					t.Fatalf("All: %v", err)
				}
				continue
			}
			if b[posMagic] < 2 {
				continue // see FuzzMessages
			}
			setCRC(b)
			h, err := Check(b)
			if err != nil {
				t.Fatalf("a batch that All found: %v", err)
			}
			agree(t, b[HeaderSize:])
			out, err := Validate(bytes.Clone(b), h, rules())
			if err != nil {
				continue
			}
			if got, err := Check(out.Batch); err != nil || got != out.Header {
				t.Fatalf("what Validate let pass: %+v, %v", got, err)
			}
			n := int32(0)
			for _, err := range Records(out.Batch) {
				if err != nil {
					t.Fatalf("a record that Validate let pass: %v", err)
				}
				n++
			}
			if n != h.Count {
				t.Fatalf("%d records, the header says %d", n, h.Count)
			}
		}
	})
}

func agree(t *testing.T, p []byte) {
	for at := 0; at < len(p); {
		next, delta, hasKey, ok := skipRecord(p, at)
		r, rest, err := nextRecord(p[at:])
		if ok != (err == nil) {
			t.Fatalf("at %d of %x: skipRecord says %v, nextRecord %v", at, p, ok, err)
		}
		if !ok {
			return
		}
		if len(p)-next != len(rest) || delta != r.timestampDelta || hasKey != r.hasKey {
			t.Fatalf("at %d of %x: %d %d %v and %d %d %v", at, p, next, delta, hasKey, len(p)-len(rest), r.timestampDelta, r.hasKey)
		}
		at = next
	}
}

// FuzzDecompress: no bytes make more than the bound, and the errors are of the kinds documented.
func FuzzDecompress(f *testing.F) {
	for c := Gzip; c <= Zstd; c++ {
		b, err := Compress(nil, Compression{Codec: c}, bytes.Repeat([]byte("abc"), 1000))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(int8(c), b)
	}
	f.Fuzz(func(t *testing.T, c int8, data []byte) {
		const limit = 1 << 16
		out, err := Decompress(nil, Codec(c), data, limit)
		if len(out) > limit {
			t.Fatalf("%d bytes", len(out))
		}
		if err != nil && !errors.Is(err, ErrDecompress) && !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrUnknownCodec) {
			t.Fatal(err)
		}
	})
}
