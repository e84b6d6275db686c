package logdir

import (
	"bytes"
	"fmt"
	"testing"

	"ottla/logdir/batch"
)

// sized is a batch of 100-byte records of about size bytes.
func sized(size int) []byte {
	b := batch.NewBuilder(batch.PlainOptions(batch.None))
	value := bytes.Repeat([]byte("x"), 100)
	for b.Size() < size-110 {
		b.Append(1700000000000, nil, value)
	}
	return b.Bytes()
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{16 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			o := testOptions(b.TempDir())
			o.Defaults.SegmentBytes = 64 << 20
			l := create(b, open(b, o))
			data := sized(size)
			produced := make([]byte, len(data))
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				copy(produced, data)
				if _, err := l.AppendAsLeader(produced, 0, OriginClient, 9); err != nil {
					b.Fatal(err)
				}
				if l.Size() > 512<<20 { // stay in the page cache
					b.StopTimer()
					if err := l.TruncateFullyAndStartAt(l.LogEndOffset()); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	o := testOptions(b.TempDir())
	o.Defaults.SegmentBytes = 32 << 20
	l := create(b, open(b, o))
	data := sized(16 << 10)
	for range 8192 {
		produce(b, l, bytes.Clone(data))
	}
	l.SetHighWatermark(l.LogEndOffset())
	for _, where := range []string{"oldest", "tail"} {
		b.Run(where, func(b *testing.B) {
			from := int64(0)
			if where == "tail" {
				from = l.LogEndOffset() - 150
			}
			b.ReportAllocs()
			for b.Loop() {
				d, err := l.Read(from, 1<<20, true, LimitHighWatermark)
				if err != nil {
					b.Fatal(err)
				}
				d.Release()
				if where == "oldest" {
					from = (from + 9973) % (l.LogEndOffset() - 200)
				}
			}
		})
	}
}
