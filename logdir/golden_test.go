package logdir

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ottla/integration/golden"
	"ottla/logdir/batch"
	"ottla/logdir/disk"
	"ottla/zkcoord/cluster"
)

// The directories in testdata were written by Apache Kafka 3.9.1: clean was stopped properly, unclean was
// killed with a transaction open, oldformat has topics of magic 0 and 1. Beside each stands every record that is in it.

// unpack returns the log directory of an archive.
func unpack(t *testing.T, archive string) string {
	t.Helper()
	dir := t.TempDir()
	golden.Unpack(t, filepath.Join("testdata", archive), dir, nil)
	return filepath.Join(dir, "logs")
}

// goldenOptions are those of the broker whose directory it is.
func goldenOptions(t *testing.T, dir string) Options {
	t.Helper()
	o := testOptions(dir)
	meta, err := ReadMeta(disk.OS(), o.Dirs)
	if err != nil || !meta[0].OK {
		t.Fatal(meta, err)
	}
	o.BrokerID, o.ClusterID = meta[0].BrokerID, meta[0].ClusterID
	return o
}

// goldenRecord is a line of an expected file.
type goldenRecord struct {
	Topic             string
	Partition         int32
	Offset, Timestamp int64
	Key, Value        []byte
	Headers           [][2]*string
	Sequence          int32
	ControlType       string
	CoordinatorEpoch  int32
	Aborted           *bool
	Segment           string
	BatchBaseOffset   int64
	BatchLastOffset   int64
	BatchBytes        int
	BatchRecords      int32
	Magic             int8
	Codec             string
	TimestampType     string
	BatchMaxTimestamp int64
	LeaderEpoch       int32
	ProducerID        int64
	ProducerEpoch     int16
	BaseSequence      int32
	Transactional     bool
	Control           bool
	DeleteHorizonMs   *int64
}

func expected(t *testing.T, name string) map[cluster.TopicPartition][]goldenRecord {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[cluster.TopicPartition][]goldenRecord{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r goldenRecord
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		tp := cluster.TopicPartition{Topic: r.Topic, Partition: r.Partition}
		out[tp] = append(out[tp], r)
	}
	return out
}

// found reads all records of a log as goldenRecords, segment by segment, what lies before the log start
// included.
func found(t *testing.T, l *Log) (out []goldenRecord) {
	t.Helper()
	for _, s := range l.list() {
		c, err := s.scan(0, s.size.Load())
		if err != nil {
			t.Fatal(err)
		}
		defer c.close()
		for {
			h, position, ok, err := c.next()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			b, err := c.batch(&h, position, nil)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, goldenBatch(t, l.tp, s, b)...)
		}
	}
	return out
}

func goldenBatch(t *testing.T, tp cluster.TopicPartition, s *segment, b []byte) (out []goldenRecord) {
	t.Helper()
	h, err := batch.Check(b)
	if err != nil {
		t.Fatal(err)
	}
	first, err := batch.FirstOffset(b, &h)
	if err != nil {
		t.Fatal(err)
	}
	for r, err := range batch.Records(b) {
		if err != nil {
			t.Fatal(err)
		}
		g := goldenRecord{Topic: tp.Topic, Partition: tp.Partition, Offset: r.Offset, Timestamp: r.Timestamp, Key: r.Key, Value: r.Value,
			Headers: goldenHeaders(r.Headers), Sequence: -1, Segment: offsetName(s.base, suffixLog), BatchBaseOffset: first, BatchLastOffset: h.LastOffset(),
			BatchBytes: h.SizeInBytes(), BatchRecords: h.Count, Magic: h.Magic, Codec: h.Codec().String(), TimestampType: "CreateTime", BatchMaxTimestamp: h.MaxTimestamp,
			LeaderEpoch: h.LeaderEpoch, ProducerID: h.ProducerID, ProducerEpoch: h.ProducerEpoch, BaseSequence: h.BaseSequence,
			Transactional: h.IsTransactional(), Control: h.IsControl()}
		if h.TimestampType() == batch.LogAppendTime {
			g.TimestampType = "LogAppendTime"
		}
		if h.Magic < 2 {
			g.BatchRecords = 0 // the head of a message does not tell
		}
		if h.Magic == 0 {
			g.TimestampType = "NoTimestampType"
		}
		if h.BaseSequence >= 0 {
			g.Sequence = batch.AddSequence(h.BaseSequence, int32(r.Offset-h.BaseOffset))
		}
		if at, ok := h.DeleteHorizon(); ok {
			g.DeleteHorizonMs = &at
		}
		if m, ok, err := markerOf(&h, b); err != nil {
			t.Fatal(err)
		} else if ok {
			g.ControlType, g.CoordinatorEpoch = "ABORT", m.CoordinatorEpoch
			if m.Commit {
				g.ControlType = "COMMIT"
			}
		}
		out = append(out, g)
	}
	return out
}

func goldenHeaders(headers []batch.RecordHeader) [][2]*string {
	out := [][2]*string{}
	for _, h := range headers {
		var value *string
		if h.Value != nil {
			text := base64.StdEncoding.EncodeToString(h.Value)
			value = &text
		}
		out = append(out, [2]*string{&h.Key, value})
	}
	return out
}

func (g *goldenRecord) text() string {
	c := *g
	c.Aborted = nil
	b, _ := json.Marshal(c)
	return string(b)
}

func TestGoldenDirectories(t *testing.T) {
	for _, name := range []string{"clean", "unclean", "oldformat"} {
		t.Run(name, func(t *testing.T) {
			dir := unpack(t, name+".tar.gz")
			want := expected(t, name+".expected.jsonl")
			for _, again := range []string{"as Kafka left it", "as Ottla left it", "after a crash of Ottla"} {
				m := open(t, goldenOptions(t, dir))
				if q := m.Quarantined(); len(q) > 0 {
					t.Fatalf("%s: quarantined %v", again, q)
				}
				for tp, records := range want {
					t.Run(fmt.Sprintf("%v %s", tp, again), func(t *testing.T) {
						l, ok := m.Log(tp)
						if !ok {
							t.Fatal("no such log")
						}
						compareRecords(t, found(t, l), records)
						compareCommitted(t, l, records)
						if end := records[len(records)-1].BatchLastOffset + 1; l.LogEndOffset() != end {
							t.Errorf("log end %d, want %d", l.LogEndOffset(), end)
						}
					})
				}
				if again == "as Ottla left it" {
					m.Abandon()
				} else if err := m.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func compareRecords(t *testing.T, got, want []goldenRecord) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range want {
		if g, w := got[i].text(), want[i].text(); g != w {
			t.Errorf("record %d is\n%s, want\n%s", i, g, w)
		}
	}
}

// compareCommitted reads as a consumer that reads committed does: up to the last stable offset, without
// the aborted transactions that the read names.
func compareCommitted(t *testing.T, l *Log, records []goldenRecord) {
	t.Helper()
	l.SetHighWatermark(l.LogEndOffset())
	var want, got []int64
	stable := l.LogEndOffset()
	for _, r := range records {
		if r.Transactional && !r.Control && r.Aborted == nil {
			stable = min(stable, r.Offset)
		}
	}
	if l.LastStableOffset() != stable {
		t.Errorf("last stable offset %d, want %d", l.LastStableOffset(), stable)
	}
	for _, r := range records {
		if r.Offset >= l.LogStartOffset() && r.Offset < stable && !r.Control && (r.Aborted == nil || !*r.Aborted) {
			want = append(want, r.Offset)
		}
	}
	for from := l.LogStartOffset(); from < stable; {
		d, err := l.Read(from, 700, true, LimitLastStable)
		if err != nil {
			t.Fatal(err)
		}
		b, err := d.Bytes()
		d.Release()
		if err != nil {
			t.Fatal(err)
		}
		if len(b) == 0 {
			break
		}
		from, got = consume(t, b, from, d.Aborted, got)
	}
	if !slices.Equal(got, want) {
		t.Errorf("committed offsets\n%v, want\n%v", got, want)
	}
}

// consume does with an answer what Kafka's consumer does: a transaction is dropped from its first
// offset, as the answer tells it, to its marker.
func consume(t *testing.T, data []byte, from int64, aborted []AbortedTxn, offsets []int64) (int64, []int64) {
	t.Helper()
	dropping := map[int64]bool{}
	for b, err := range batch.All(data) {
		if err != nil {
			t.Fatal(err)
		}
		h, err := batch.ReadHeader(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range aborted {
			if a.FirstOffset <= h.LastOffset() {
				dropping[a.ProducerID] = dropping[a.ProducerID] || a.FirstOffset >= from || !h.IsControl()
			}
		}
		if h.IsControl() {
			delete(dropping, h.ProducerID)
			aborted = slices.DeleteFunc(slices.Clone(aborted), func(a AbortedTxn) bool {
				return a.ProducerID == h.ProducerID && a.FirstOffset <= h.LastOffset()
			})
		}
		for r, err := range batch.Records(b) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Offset >= from && !h.IsControl() && !(h.IsTransactional() && dropping[h.ProducerID]) {
				offsets = append(offsets, r.Offset)
			}
		}
		from = h.NextOffset()
	}
	return from, offsets
}

// TestRebuiltIndexesEqualKafkas takes away all that can be built anew from the records, opens the
// directory as after a crash, closes it, and compares with what Kafka had written.
func TestRebuiltIndexesEqualKafkas(t *testing.T) {
	for _, archive := range []string{"clean.tar.gz", "oldformat.tar.gz"} {
		t.Run(archive, func(t *testing.T) { rebuildIndexes(t, archive) })
	}
}

func rebuildIndexes(t *testing.T, archive string) {
	dir := unpack(t, archive)
	want := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.Contains(path, "-delete") || strings.HasSuffix(path, suffixDeleted) {
			return err
		}
		switch ext := filepath.Ext(path); ext {
		case suffixOffsets, suffixTimes, suffixTxns, suffixSnapshot:
			if want[path], err = os.ReadFile(path); err != nil {
				return err
			}
			return os.Remove(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{cleanShutdownFile, recoveryPointFile} {
		if err := os.Remove(filepath.Join(dir, gone)); err != nil {
			t.Fatal(err)
		}
	}
	o := goldenOptions(t, dir)
	m, err := Open(t.Context(), o, func(topic string) Config {
		c := DefaultConfig()
		switch topic {
		case "segs":
			c.IndexIntervalBytes = 300
		case "v0-segs", "v1-segs":
			c.IndexIntervalBytes = 200
		}
		return c
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	for path, b := range want {
		got, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) && strings.HasSuffix(path, "delrec-0/"+offsetName(6, suffixSnapshot)) {
			continue // the records before it are deleted, so nothing tells the producers of then
		}
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, b) {
			t.Errorf("%s is\n%x, Kafka had\n%x", path, got, b)
		}
	}
}
