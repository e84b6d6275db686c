package batch

import (
	"bytes"
	"errors"
	"testing"
)

// FuzzMessages: whatever the bytes are, nothing panics, and what is converted, up or down, is whole: as many records as were
// counted, behind one another, in the format that was asked for, and no larger than a batch may be.
func FuzzMessages(f *testing.F) {
	for magic := range int8(2) {
		f.Add(plain(magic, 0, 5, "k", "v"), false)
		for c := Gzip; c <= Lz4; c++ {
			f.Add(wrapped(f, magic, c, 0, 1, 2), false)
		}
		f.Add(append(plain(magic, 0, 5, "k", "v"), plain(magic, 1, 5, "k", "v")...), true)
	}
	f.Add(build(PlainOptions(Gzip), 2), true)
	f.Fuzz(func(t *testing.T, data []byte, compacted bool) {
		for b, err := range All(data) {
			if err != nil {
				return
			}
			if b[posMagic] < 2 {
				setMessageCRC(b)
			} else {
				setCRC(b)
			}
			down(t, b)
		}
		r := rules()
		r.Compacted = compacted
		for magic := range int8(3) {
			c, err := Convert(bytes.Clone(data), magic, 100, r)
			if err != nil {
				continue
			}
			if n := walkWhole(t, c.Batches, magic, 100); n != c.Records || n == 0 {
				t.Fatalf("magic %d: %d records, %d were counted", magic, n, c.Records)
			}
		}
	})
}

func down(t *testing.T, b []byte) {
	var d Downgrade
	for magic := range int8(2) {
		out, err := d.Append(nil, b, magic, 0)
		if err != nil || b[posMagic] <= byte(magic) {
			continue
		}
		walkWhole(t, out, magic, -1)
	}
}

// walkWhole counts the records of what a conversion made; from, unless negative, is the first offset.
func walkWhole(t *testing.T, data []byte, magic int8, from int64) (n int) {
	t.Helper()
	size := 0
	for b, err := range All(data) {
		if err != nil {
			t.Fatal(err)
		}
		h, err := Check(b)
		if err != nil || h.Magic != magic {
			t.Fatalf("%+v, %v", h, err)
		}
		size += len(b)
		for r, err := range Records(b) {
			if err != nil && !errors.Is(err, ErrTooLarge) {
				t.Fatal(err)
			}
			if from >= 0 && r.Offset != from+int64(n) {
				t.Fatalf("offset %d where %d is next", r.Offset, from+int64(n))
			}
			n++
		}
	}
	if size != len(data) {
		t.Fatalf("%d of %d bytes are whole", size, len(data))
	}
	return n
}
