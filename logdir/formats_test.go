package logdir

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"ottla/zkcoord/cluster"
)

// These bytes stand in directories that Apache Kafka wrote.
func TestFormatsAsKafkaWritesThem(t *testing.T) {
	if got := string(encodePartitionMeta(mustID(t, "IF3XgOsrQ5ydvEnHQIF-tw"))); got != "version: 0\ntopic_id: IF3XgOsrQ5ydvEnHQIF-tw" {
		t.Errorf("partition.metadata %q", got)
	}
	if got := string(encodeEpochs([]epochEntry{{0, 0}, {3, 17}})); got != "0\n2\n0 0\n3 17\n" {
		t.Errorf("leader epochs %q", got)
	}
	offsets := map[cluster.TopicPartition]int64{{Topic: "compacted"}: 56, {Topic: "a", Partition: 10}: 1, {Topic: "a", Partition: 9}: 2}
	if got := string(encodeOffsets(offsets)); got != "0\n3\na 9 2\na 10 1\ncompacted 0 56\n" {
		t.Errorf("checkpoint %q", got)
	}
	if got := encodeSnapshot(nil); !bytes.Equal(got, []byte("\x00\x01\x48\x67\x4b\xc7\x00\x00\x00\x00")) {
		t.Errorf("empty snapshot %x", got)
	}
	if cleanShutdownContent != `{"version":0,"brokerEpoch":-1}` || len(cleanShutdownContent) != 30 {
		t.Error(cleanShutdownContent)
	}
}

func mustID(t *testing.T, text string) cluster.TopicID {
	t.Helper()
	id, err := cluster.ParseTopicID(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestDamagedFormatsAreRefused(t *testing.T) {
	for _, bad := range []string{"", "1\n0\n", "0\n", "0\n1\n", "0\n0\nx 0 1\n", "0\n1\nx 0\n", "0\n1\nx 0 y\n", "0\n1\nx -1 2\n", "0\n-1\n"} {
		if _, err := parseOffsets([]byte(bad)); !errors.Is(err, ErrCorruptCheckpoint) {
			t.Errorf("checkpoint %q: %v", bad, err)
		}
	}
	for _, bad := range []string{"", "0\n1\n0\n", "0\n2\n1 0\n0 5\n", "0\n2\n0 5\n1 0\n", "0\n1\n-1 0\n", "0\n1\n0 -5\n"} {
		if _, err := parseEpochs([]byte(bad)); !errors.Is(err, ErrCorruptCheckpoint) {
			t.Errorf("epochs %q: %v", bad, err)
		}
	}
	for _, bad := range []string{"", "version: 1\ntopic_id: IF3XgOsrQ5ydvEnHQIF-tw", "version: 0", "version: 0\ntopic_id: x"} {
		if _, err := parsePartitionMeta([]byte(bad)); !errors.Is(err, ErrCorruptCheckpoint) {
			t.Errorf("partition.metadata %q: %v", bad, err)
		}
	}
}

// FuzzFormats: no bytes make a parser panic; what one accepts, written and read again, is the same.
func FuzzFormats(f *testing.F) {
	p := newProducer(4)
	p.remember(batchMark{lastSequence: 3, lastOffset: 9, offsetDelta: 2, timestamp: 1})
	f.Add(encodeSnapshot([]*producer{p}))
	f.Add(encodeEpochs([]epochEntry{{0, 0}, {3, 17}}))
	f.Add(encodeOffsets(map[cluster.TopicPartition]int64{{Topic: "a", Partition: 10}: 1}))
	f.Add(txnEntry{1, 2, 3, 4}.append(nil))
	f.Add([]byte("version: 0\ntopic_id: IF3XgOsrQ5ydvEnHQIF-tw"))
	f.Add([]byte("#\n#date\nbroker.id=1\nversion=0\ncluster.id=krnLtQ8_S0yRIakIiklCKw\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if all, err := parseSnapshot(b); err == nil && !bytes.Equal(encodeSnapshot(all), b) {
			again, err := parseSnapshot(encodeSnapshot(all))
			if err != nil || len(again) != len(all) {
				t.Errorf("snapshot %x: %v", b, err)
			}
		}
		if list, err := parseEpochs(b); err == nil {
			if again, err := parseEpochs(encodeEpochs(list)); err != nil || !slices.Equal(again, list) || !epochsAscend(list) {
				t.Errorf("epochs %v: %v, %v", list, again, err)
			}
		}
		if offsets, err := parseOffsets(b); err == nil {
			if again, err := parseOffsets(encodeOffsets(offsets)); err != nil || len(again) != len(offsets) {
				t.Errorf("offsets %v: %v, %v", offsets, again, err)
			}
		}
		if entries, err := parseTxnIndex(b); err == nil {
			var again []byte
			for _, e := range entries {
				again = e.append(again)
			}
			if !bytes.Equal(again, b) {
				t.Errorf("transaction index %x: %x", b, again)
			}
		}
		if id, err := parsePartitionMeta(b); err == nil {
			if again, err := parsePartitionMeta(encodePartitionMeta(id)); err != nil || again != id {
				t.Errorf("partition.metadata: %v", err)
			}
		}
		for key := range parseProperties(b) {
			if strings.Contains(key, "\n") {
				t.Errorf("key %q", key)
			}
		}
	})
}

// FuzzSegment: whatever a file of batches holds past the recovery point, the log opens, what it keeps is
// whole, and its indexes agree with it.
func FuzzSegment(f *testing.F) {
	f.Add([]byte{}, 0)
	whole := append(plain(0, 2, 1), sequenced(4, 0, 0, 3)...)
	f.Add(whole, 0)
	f.Add(whole[:len(whole)-4], 30)
	f.Fuzz(fuzzSegment)
}
