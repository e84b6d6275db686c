package batch

import (
	"bytes"
	"testing"
)

// BenchmarkValidate is what a leader does to a batch of 140 records of 100 bytes beside CRC and write.
func BenchmarkValidate(b *testing.B) {
	build := NewBuilder(PlainOptions(None))
	for i := range 140 {
		build.Append(1700000000000+int64(i), nil, bytes.Repeat([]byte("x"), 100))
	}
	data := build.Bytes()
	h, err := Check(data)
	if err != nil {
		b.Fatal(err)
	}
	r := rules()
	b.Run("records", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Validate(data, h, r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("crc", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := Check(data); err != nil {
				b.Fatal(err)
			}
		}
	})
}
