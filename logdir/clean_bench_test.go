package logdir

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"ottla/logdir/batch"
)

// BenchmarkClean cleans a log of 256-byte records over 100,000 keys, of which about a tenth survives. MB/s are
// of the log as it was; each byte is read twice.
func BenchmarkClean(b *testing.B) {
	for _, codec := range []batch.Codec{batch.None, batch.Lz4, batch.Zstd} {
		b.Run(codec.String(), func(b *testing.B) {
			const size = 192 << 20
			o := testOptions(b.TempDir())
			o.Defaults.Compact, o.Defaults.Delete = true, false
			o.Defaults.SegmentBytes = 32 << 20
			random := rand.New(rand.NewPCG(1, 2))
			for b.Loop() {
				b.StopTimer()
				m := open(b, o)
				l := create(b, m)
				if err := l.TruncateFullyAndStartAt(0); err != nil {
					b.Fatal(err)
				}
				fillWithKeys(b, l, codec, random, size)
				before := l.Size()
				b.StartTimer()
				if !cleanNow(b, l, DefaultCleanerOptions(), nowMillis()) || l.uncleanable.Load() != nil {
					b.Fatalf("not cleaned: %+v", l.uncleanable.Load())
				}
				b.StopTimer()
				b.SetBytes(before)
				b.ReportMetric(float64(l.Size())/float64(before), "kept")
				m.Abandon()
				b.StartTimer()
			}
		})
	}
}

// fillWithKeys appends uncompressed size bytes of keyed records.
func fillWithKeys(b *testing.B, l *Log, codec batch.Codec, random *rand.Rand, size int) {
	value := make([]byte, 230)
	builder := batch.NewBuilder(batch.PlainOptions(codec))
	for n := 0; n < size; n += builder.Size() {
		builder.Reset()
		for builder.Size() < 64<<10 {
			for i := 0; i+8 <= len(value); i += 16 { // half of it compresses
				binary.BigEndian.PutUint64(value[i:], random.Uint64())
			}
			builder.Append(1700000000000, fmt.Appendf(nil, "key-%d", random.IntN(100_000)), value)
		}
		produce(b, l, builder.Bytes())
	}
	l.commitAll()
	if err := l.Flush(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkOffsetMap(b *testing.B) {
	m := newOffsetMap()
	m.reset(1<<40, 128<<20, 0.9)
	var key [16]byte
	n := 0
	for b.Loop() {
		if n%m.most == 0 {
			m.reset(1<<40, 128<<20, 0.9)
		}
		binary.BigEndian.PutUint64(key[:], uint64(n))
		m.put(key[:], int64(n))
		n++
	}
}
