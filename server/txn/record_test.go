package txn

import (
	"encoding/hex"
	"maps"
	"reflect"
	"strings"
	"testing"

	"ottla/zkcoord/cluster"
)

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The records are Apache Kafka's own.
func TestRecordsAreKafkas(t *testing.T) {
	if id, err := decodeKey(unhex(t, "0000 0009 676f6c642d74782d31")); err != nil || id != "gold-tx-1" {
		t.Errorf("key: %q, %v", id, err)
	}
	if got := encodeKey("gold-tx-1"); !reflect.DeepEqual(got, unhex(t, "0000 0009 676f6c642d74782d31")) {
		t.Errorf("key: %x", got)
	}
	base := metadata{producerID: 1, lastProducerID: -1, lastEpoch: -1, timeout: 60000, partitions: partitions{}}
	made := func(change func(*metadata)) metadata {
		m := base
		m.partitions = maps.Clone(base.partitions)
		change(&m)
		return m
	}
	for name, tc := range map[string]struct {
		record string
		want   metadata
	}{
		"empty": {"0000 0000000000000001 0000 0000ea60 00 ffffffff 000001a203761caa ffffffffffffffff",
			made(func(m *metadata) { m.updated, m.started = 0x1a203761caa, -1 })},
		"ongoing": {"0000 0000000000000001 0000 0000ea60 01 00000001 0003 74786e 00000001 00000000 000001a203761d41 000001a203761d41",
			made(func(m *metadata) {
				m.state, m.updated, m.started = Ongoing, 0x1a203761d41, 0x1a203761d41
				m.partitions[cluster.TopicPartition{Topic: "txn"}] = struct{}{}
			})},
		"complete": {"0000 0000000000000001 0000 0000ea60 04 00000000 000001a203761d7f 000001a203761d41",
			made(func(m *metadata) { m.state, m.updated, m.started = CompleteCommit, 0x1a203761d7f, 0x1a203761d41 })},
	} {
		t.Run(name, func(t *testing.T) {
			b := unhex(t, tc.record)
			got, err := decodeValue(b)
			if err != nil || !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %+v, want %+v, %v", got, tc.want, err)
			}
			if again := tc.want.encode(); !reflect.DeepEqual(again, b) {
				t.Errorf("wrote %x, want %x", again, b)
			}
			for n := range b {
				if _, err := decodeValue(b[:n]); err == nil {
					t.Errorf("%d of %d bytes were enough", n, len(b))
				}
			}
		})
	}
}

// Of a record that is none, that transactional id is reported and the rest is loaded.
func FuzzDecode(f *testing.F) {
	f.Add(unhex(f, "0000 0000000000000001 0000 0000ea60 01 00000001 0003 74786e 00000001 00000000 000001a203761d41 000001a203761d41"))
	f.Add(unhex(f, "0001 0000000000000001 0000 0000ea60 01 02 04 74786e 02 00000000 00 000001a203761d41 000001a203761d41 00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = decodeKey(b)
		m, err := decodeValue(b)
		if err != nil {
			return
		}
		again, err := decodeValue(m.encode())
		if m.state == Empty {
			m.partitions = partitions{} // an empty transaction has none
		}
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("read as %+v, written and read again as %+v, %v", m, again, err)
		}
	})
}
