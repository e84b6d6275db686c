package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// txnBatch is a batch of one record at an offset: a marker, or a record of the transaction with that number.
func txnBatch(offset, producerID int64, attributes int16, record Record) []byte {
	batch := kmsg.NewRecordBatch()
	batch.FirstOffset, batch.PartitionLeaderEpoch, batch.Magic = offset, 4, 2
	batch.ProducerID, batch.Attributes, batch.NumRecords = producerID, attributes, 1
	r := kmsg.Record{Value: payload(0, record)}
	if record.Producer == marker {
		r.Key, r.Value = []byte{0, 0, 0, byte(record.Sequence)}, make([]byte, 6)
	}
	body := r.AppendTo(nil) // its length, which is 0 yet, is one byte
	batch.Records = append(binary.AppendVarint(nil, int64(len(body)-1)), body[1:]...)
	encoded := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(encoded[8:], uint32(len(encoded)-batchHead))
	return encoded
}

func TestMarkersDecide(t *testing.T) {
	commit, abort := Record{marker, commitMarker}, Record{marker, abortMarker}
	a, b, c := Record{1, 0}, Record{2, 0}, Record{3, 0}
	log := func(batches ...[]byte) []byte { return slices.Concat(batches...) }
	at := func(offset int64, r Record) Entry { return Entry{offset, 4, r} }
	for name, tc := range map[string]struct {
		text []byte
		want []Entry // none: transactions are open
	}{
		"a commit": {log(txnBatch(0, 7, transactional, a), txnBatch(1, 7, transactional|control, commit)), []Entry{at(0, a)}},
		"an abort, and a record of nobody's transaction": {
			log(txnBatch(0, 7, transactional, a), txnBatch(1, -1, 0, b), txnBatch(2, 7, transactional|control, abort)), []Entry{at(1, b)},
		},
		"two producers in turn": {
			log(txnBatch(0, 7, transactional, a), txnBatch(1, 8, transactional, b), txnBatch(2, 8, transactional|control, commit),
				txnBatch(3, 7, transactional|control, commit)), []Entry{at(0, a), at(1, b)},
		},
		"one producer, aborted and committed": {
			log(txnBatch(0, 7, transactional, a), txnBatch(1, 7, transactional|control, abort), txnBatch(2, 7, transactional, c),
				txnBatch(3, 7, transactional|control, commit)), []Entry{at(2, c)},
		},
		"an open transaction": {log(txnBatch(0, 7, transactional, a)), nil},
	} {
		t.Run(name, func(t *testing.T) {
			of := &broker{id: 1, dir: t.TempDir()}
			dir := filepath.Join(of.dir, "logs", "topic-0")
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "00000000000000000000.log"), tc.text, 0o644); err != nil {
				t.Fatal(err)
			}
			view, err := committedOf(of, "topic", 0)
			if tc.want == nil {
				if err == nil || !strings.Contains(err.Error(), "topic-0 on broker 1: transactions of 1 producers are open") {
					t.Errorf("got %v, %v", view, err)
				}
				return
			}
			if err != nil || !slices.Equal(view.Entries, tc.want) {
				t.Errorf("got %v, %v; want %v", view.Entries, err, tc.want)
			}
		})
	}
}

// The last one has the hash that has no positive twin.
func TestPartitionOfATransactionalID(t *testing.T) {
	for id, want := range map[string]int32{"a": 97 % 50, "ab": (97*31 + 98) % 50, "polygenelubricants": 0} {
		if got := partitionOf(id, 50); got != want {
			t.Errorf("%s: partition %d, want %d", id, got, want)
		}
	}
}
