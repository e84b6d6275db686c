package batch

import (
	"fmt"
	"testing"
)

func TestFilter(t *testing.T) {
	for _, codec := range []Codec{None, Gzip, Snappy, Lz4, Zstd} {
		t.Run(codec.String(), func(t *testing.T) {
			o := PlainOptions(codec)
			o.ProducerID, o.ProducerEpoch, o.BaseSequence, o.Transactional, o.LeaderEpoch = 7, 3, 40, true, 9
			b := NewBuilder(o)
			for i := range 10 {
				value := fmt.Appendf(nil, "v%d", i)
				if i == 4 {
					value = nil
				}
				b.Append(int64(1000+100*i), fmt.Appendf(nil, "k%d", i), value, RecordHeader{Key: "h", Value: []byte{byte(i)}})
			}
			whole := b.Bytes()
			SetOffset(whole, 500)
			h, err := Check(whole)
			if err != nil {
				t.Fatal(err)
			}
			var f Filter
			same, n, err := f.Append([]byte("before"), whole, &h, &Cut{Keep: func(Key) bool { return true }, Horizon: -1})
			if err != nil || n != 10 || string(same) != "before"+string(whole) {
				t.Errorf("a batch that keeps all is %d bytes of %d, %d records, %v", len(same)-6, len(whole), n, err)
			}
			left, n, err := f.Append(nil, whole, &h, &Cut{Keep: func(k Key) bool { return k.Offset%2 == 0 }, Horizon: 1 << 41})
			if err != nil || n != 5 {
				t.Fatal(n, err)
			}
			lh, err := Check(left)
			if at, ok := lh.DeleteHorizon(); err != nil || !ok || at != 1<<41 {
				t.Fatalf("%+v, %v", lh, err)
			}
			if lh.LastOffset() != 509 || lh.LastSequence() != 49 || lh.MaxTimestamp != 1800 || lh.Count != 5 || lh.LeaderEpoch != 9 || lh.Codec() != codec {
				t.Errorf("%+v", lh)
			}
			i := 0
			for r, err := range Records(left) {
				if err != nil {
					t.Fatal(err)
				}
				if r.Offset != int64(500+i) || r.Timestamp != int64(1000+100*i) || string(r.Key) != fmt.Sprint("k", i) || (r.Value == nil) != (i == 4) || r.Headers[0].Value[0] != byte(i) {
					t.Errorf("%+v is not record %d", r, i)
				}
				i += 2
			}
			none := Cut{Keep: func(Key) bool { return false }, Horizon: 1}
			if out, _, err := f.Append(nil, left, &lh, &none); err != nil || len(out) > 0 {
				t.Errorf("%d bytes of nothing, %v", len(out), err)
			}
			none.KeepEmpty = true
			out, _, err := f.Append(nil, left, &lh, &none)
			eh, err2 := Check(out)
			if err != nil || err2 != nil || len(out) != HeaderSize || eh.Count != 0 || eh.LastSequence() != 49 || eh.LastOffset() != 509 || eh.Codec() != None || !eh.IsTransactional() {
				t.Errorf("%+v, %v, %v", eh, err, err2)
			}
			if _, has := eh.DeleteHorizon(); has {
				t.Error("an empty batch has a horizon")
			}
		})
	}
}

// FuzzFilter: what is left of any batch is a sound batch of the same offsets, and the walks over the records
// agree.
func FuzzFilter(f *testing.F) {
	b := NewBuilder(PlainOptions(None))
	b.Append(1, []byte("k"), nil)
	b.Append(2, nil, []byte("v"), RecordHeader{Key: "h"})
	f.Add(b.Bytes(), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, keep uint8) {
		h, err := ReadHeader(data)
		if err != nil || h.SizeInBytes() > len(data) || h.Count < 0 {
			return
		}
		var filter Filter
		i, keys := uint(0), 0
		cut := Cut{Keep: func(Key) bool { i++; return keep>>(i%8)&1 == 1 }, Horizon: 1 << 40, KeepEmpty: true}
		out, n, err := filter.Append(nil, data, &h, &cut)
		walked := filter.Keys(&h, data, func(Key) bool { keys++; return true })
		if (err == nil) != (walked == nil) && err == nil {
			t.Fatalf("filtered, but the walk says %v", walked)
		}
		if err != nil || n == int(h.Count) && len(out) == h.SizeInBytes() {
			return
		}
		if h.Magic < 2 { // nothing is left of one all of whose messages go
			if left := countRecords(t, out); left != n || n > keys {
				t.Fatalf("%d messages of %d, want %d", left, keys, n)
			}
			return
		}
		oh, err := Check(out)
		if err != nil || int(oh.Count) != n || oh.BaseOffset != h.BaseOffset || oh.LastOffsetDelta != h.LastOffsetDelta || n > keys {
			t.Fatalf("%+v of %+v: %v", oh, h, err)
		}
		if left := countRecords(t, out); left != n {
			t.Fatalf("%d records, want %d", left, n)
		}
	})
}

// countRecords reads all batches of b.
func countRecords(t *testing.T, b []byte) (n int) {
	t.Helper()
	for one, err := range All(b) {
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range Records(one) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	return n
}
