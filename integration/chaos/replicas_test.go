package main

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// segment makes batches as a leader of epoch 4 writes them, two records each.
func segment(batches int) (text []byte, want []Entry) {
	for n := range batches {
		batch := kmsg.NewRecordBatch()
		batch.FirstOffset, batch.PartitionLeaderEpoch, batch.Magic = int64(2*n), 4, 2
		for i := range 2 {
			record := Record{1, int64(2*n + i)}
			r := kmsg.Record{OffsetDelta: int32(i), Value: payload(7, record)}
			body := r.AppendTo(nil) // its length, which is 0 yet, is one byte
			batch.Records = append(binary.AppendVarint(batch.Records, int64(len(body)-1)), body[1:]...)
			batch.NumRecords++
			want = append(want, Entry{int64(2*n + i), 4, record})
		}
		encoded := batch.AppendTo(nil)
		binary.BigEndian.PutUint32(encoded[8:], uint32(len(encoded)-batchHead))
		text = append(text, encoded...)
	}
	return text, want
}

func TestASegmentIsReadToItsLastWholeBatch(t *testing.T) {
	whole, want := segment(3)
	for cut := range len(whole) + 1 {
		got, err := parseSegment(7, whole[:cut])
		batches := cut / (len(whole) / 3)
		if err != nil || !slices.Equal(got, want[:2*batches]) {
			t.Fatalf("%d of %d bytes: %v, %v", cut, len(whole), got, err)
		}
	}
	if got, err := parseSegment(7, append(whole, make([]byte, 100)...)); err != nil || !slices.Equal(got, want) {
		t.Errorf("with zeros behind it: %v, %v", got, err)
	}
}

func FuzzSegment(f *testing.F) {
	whole, _ := segment(2)
	f.Add(whole)
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = parseSegment(7, text) })
}
