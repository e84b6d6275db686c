package replica

import (
	"testing"
	"time"

	"ottla/logdir"
	"ottla/logdir/batch"
	"ottla/logdir/disk"
	"ottla/zkcoord/cluster"
)

// appender appends the same batch of about 16 KiB again and again.
func appender(tb testing.TB, acks int16) (appendOne func(), bytes int) {
	r := openRig(tb, disk.OS(), tb.TempDir())
	r.lead(0, 1)
	b := batch.NewBuilder(batch.PlainOptions(batch.None))
	for range 150 {
		b.Append(1000, nil, make([]byte, 100))
	}
	template := b.Bytes()
	entries := []AppendEntry{{TopicPartition: orders, Records: append([]byte(nil), template...)}}
	done := func(e []AppendEntry) {
		if e[0].Err != nil {
			tb.Error(e[0].Err)
		}
	}
	return func() {
		copy(entries[0].Records[:batch.HeaderSize], template)
		r.m.Append(acks, time.Second, logdir.OriginClient, 9, entries, nil, done)
	}, len(template)
}

func BenchmarkAppend(b *testing.B) {
	for name, acks := range map[string]int16{"acks=1": 1, "acks=all": acksAll} {
		b.Run(name, func(b *testing.B) {
			one, bytes := appender(b, acks)
			b.SetBytes(int64(bytes))
			b.ReportAllocs()
			for b.Loop() {
				one()
			}
		})
	}
}

// An append costs this package nothing on the heap; what is left are the log's own marks.
func TestAnAppendAllocatesAHandfulAtMost(t *testing.T) {
	for _, acks := range []int16{1, acksAll} {
		one, _ := appender(t, acks)
		if n := testing.AllocsPerRun(200, one); n > 6 {
			t.Errorf("acks=%d: %v allocations an append", acks, n)
		}
	}
}

// fetcherOf fetches the log's first KiB in place.
func fetcherOf(tb testing.TB) (fetchOne func()) {
	r := openRig(tb, disk.OS(), tb.TempDir())
	r.lead(0, 1)
	r.mustProduce(100)
	params := FetchParams{Replica: cluster.NoBroker, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second}
	parts := []FetchPartition{wanted(0, 0)}
	done := func(got []FetchPartition) {
		if got[0].Err != nil || got[0].Data.Len() == 0 {
			tb.Errorf("%+v", got[0])
		}
		release(got)
	}
	return func() { r.m.Fetch(params, parts, done) }
}

func BenchmarkFetchInPlace(b *testing.B) {
	one := fetcherOf(b)
	b.ReportAllocs()
	for b.Loop() {
		one()
	}
}

func TestAFetchInPlaceAllocatesAHandfulAtMost(t *testing.T) {
	if n := testing.AllocsPerRun(200, fetcherOf(t)); n > 6 {
		t.Errorf("%v allocations a fetch", n)
	}
}
