package logdir

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/integration/apache"
	"ottla/logdir/batch"
	"ottla/logdir/disk"
)

// judged is a partition directory that Ottla cleans, and the same one that Apache Kafka cleans.
type judged struct {
	t         *testing.T
	random    *rand.Rand
	ours      string // log directories
	theirs    string
	broker    func() *apache.Broker
	sequences [4]int32
	round     int
}

func (j *judged) options(dir string) Options {
	o := testOptions(dir)
	meta, err := ReadMeta(disk.OS(), o.Dirs)
	if err != nil {
		j.t.Fatal(err)
	}
	if meta[0].OK {
		o.BrokerID, o.ClusterID = meta[0].BrokerID, meta[0].ClusterID
	}
	o.Defaults.SegmentBytes, o.Defaults.IndexBytes, o.Defaults.IndexIntervalBytes = 16<<10, 1<<20, 512
	o.Defaults.Compact, o.Defaults.Delete = true, false
	o.Defaults.DeleteRetention = time.Millisecond
	o.Defaults.MinCleanableRatio = 0.01
	return o
}

// write adds records of every kind to a log.
func (j *judged) write(l *Log) {
	now := time.Now().UnixMilli()
	for i := range 600 {
		producer := int64(j.random.IntN(5) - 1)
		o := batch.PlainOptions(batch.Codec(j.random.IntN(5)))
		if producer >= 0 {
			o.ProducerID, o.ProducerEpoch, o.BaseSequence, o.Transactional = producer, 0, j.sequences[producer], producer > 1
		}
		b := batch.NewBuilder(o)
		n := 1 + j.random.IntN(6)
		for range n {
			value := fmt.Appendf(nil, "value %d of round %d %s", i, j.round, strings.Repeat("x", j.random.IntN(200)))
			if j.random.IntN(4) == 0 {
				value = nil
			}
			b.Append(now+int64(i*10+j.random.IntN(50)), fmt.Appendf(nil, "key %d", j.random.IntN(150)), value, batch.RecordHeader{Key: "h", Value: []byte("v")})
		}
		produce(j.t, l, b.Bytes())
		if producer >= 0 {
			j.sequences[producer] += int32(n)
		}
		if i%10 == 0 {
			b := batch.NewBuilder(batch.Options{ProducerID: int64(2 + j.random.IntN(2)), BaseSequence: batch.NoSequence, Transactional: true, Control: true})
			b.AppendMarker(now, batch.Marker{Commit: j.random.IntN(2) == 0})
			if _, err := l.AppendAsLeader(b.Bytes(), 0, OriginCoordinator, 0); err != nil {
				j.t.Fatal(err)
			}
		}
	}
	for producer := range int64(2) {
		b := batch.NewBuilder(batch.Options{ProducerID: 2 + producer, BaseSequence: batch.NoSequence, Transactional: true, Control: true})
		b.AppendMarker(now, batch.Marker{Commit: true})
		if _, err := l.AppendAsLeader(b.Bytes(), 0, OriginCoordinator, 0); err != nil {
			j.t.Fatal(err)
		}
	}
	l.SetHighWatermark(l.LogEndOffset())
}

// batches lists the batches of a log directory, but for what depends on the clock.
func (j *judged) batches(l *Log) (out []string) {
	for _, s := range l.list() {
		c, err := s.scan(0, s.size.Load())
		if err != nil {
			j.t.Fatal(err)
		}
		for {
			h, position, ok, err := c.next()
			if err != nil {
				j.t.Fatal(err)
			}
			if !ok {
				break
			}
			b, err := c.batch(&h, position, nil)
			if err != nil {
				j.t.Fatal(err)
			}
			if _, err := batch.Check(b); err != nil {
				j.t.Fatal(err)
			}
			_, horizon := h.DeleteHorizon()
			text := fmt.Sprintf("segment %d [%d, %d] count %d codec %v producer %d/%d from %d txn %v control %v horizon %v epoch %d max %d:", s.base,
				h.BaseOffset, h.LastOffset(), h.Count, h.Codec(), h.ProducerID, h.ProducerEpoch, h.BaseSequence, h.IsTransactional(), h.IsControl(), horizon, h.LeaderEpoch, h.MaxTimestamp)
			for r, err := range batch.Records(b) {
				if err != nil {
					j.t.Fatal(err)
				}
				text += fmt.Sprintf(" {%d %d %q %q %v}", r.Offset, r.Timestamp, r.Key, r.Value, r.Headers)
			}
			out = append(out, text)
		}
		c.close()
	}
	return out
}

// copyLog puts the files of our partition in the place of theirs.
func (j *judged) copyLog() {
	from, to := filepath.Join(j.ours, "orders-0"), filepath.Join(j.theirs, "orders-0")
	entries, err := os.ReadDir(to)
	if err != nil {
		j.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != partitionMetaFile {
			if err := os.Remove(filepath.Join(to, e.Name())); err != nil {
				j.t.Fatal(err)
			}
		}
	}
	if entries, err = os.ReadDir(from); err != nil {
		j.t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err == nil && e.Name() != partitionMetaFile {
			err = os.WriteFile(filepath.Join(to, e.Name()), b, 0o644)
		}
		if err != nil {
			j.t.Fatal(err)
		}
	}
}

// judge has Kafka clean its copy up to an offset and returns its batches.
func (j *judged) judge(end int64) []string {
	b := j.broker()
	deadline := time.Now().Add(time.Minute)
	for ticks := time.NewTicker(50 * time.Millisecond); ; <-ticks.C {
		offsets, err := readOffsets(disk.OS(), filepath.Join(j.theirs, cleanerFile))
		if err == nil && offsets[orders] >= end {
			break
		}
		if time.Now().After(deadline) {
			j.t.Fatalf("Kafka has cleaned up to %v, %v, and not to %d", offsets, err, end)
		}
	}
	if err := b.Stop(); err != nil {
		j.t.Fatal(err)
	}
	m := open(j.t, j.options(j.theirs))
	defer m.Abandon()
	l, ok := m.Log(orders)
	if !ok {
		j.t.Fatalf("quarantined: %v", m.Quarantined())
	}
	return j.batches(l)
}

// TestCleaningEqualsKafkas has Apache Kafka's cleaner and ours work on the same files: what is left is the
// same, batch for batch. In the second round the horizons of tombstones are over, in the third those of markers.
func TestCleaningEqualsKafkas(t *testing.T) {
	apache.Require(t)
	zk := apache.StartZooKeeper(t)
	dir := t.TempDir()
	j := &judged{t: t, random: rand.New(rand.NewPCG(4, 2)), ours: filepath.Join(t.TempDir(), "logs"), theirs: filepath.Join(dir, "logs")}
	j.broker = func() *apache.Broker {
		return apache.StartBroker(t, apache.BrokerOptions{ID: 1, ZooKeeper: zk.Addr + "/cleaning", Dir: dir, Properties: map[string]string{
			"log.cleaner.backoff.ms": "100", "log.initial.task.delay.ms": "100", "log.retention.check.interval.ms": "3600000"}})
	}
	first := j.broker()
	client, err := kgo.NewClient(kgo.SeedBrokers(first.Addr))
	if err != nil {
		t.Fatal(err)
	}
	value := func(s string) *string { return &s }
	_, err = kadm.NewClient(client).CreateTopic(t.Context(), 1, 1, map[string]*string{"cleanup.policy": value("compact"), "segment.bytes": value("16384"),
		"segment.index.bytes": value("1048576"), "index.interval.bytes": value("512"), "delete.retention.ms": value("1"), "min.cleanable.dirty.ratio": value("0.01")}, "orders")
	client.Close()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	for j.round = range 3 {
		m := open(t, j.options(j.ours))
		l := create(t, m)
		j.write(l)
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		j.copyLog()

		m = open(t, j.options(j.ours))
		l, _ = m.Log(orders)
		l.SetHighWatermark(l.LogEndOffset())
		before := len(j.batches(l))
		if !cleanNow(t, l, CleanerOptions{}, nowMillis()) || l.uncleanable.Load() != nil {
			t.Fatalf("not cleaned: %+v", l.uncleanable.Load())
		}
		ours := j.batches(l)
		theirs := j.judge(l.cleanPoint.Load())
		t.Logf("round %d: of %d batches %d are left, in %d segments", j.round, before, len(ours), len(l.list()))
		if !slices.Equal(ours, theirs) {
			for i := range max(len(ours), len(theirs)) {
				if i >= len(ours) || i >= len(theirs) || ours[i] != theirs[i] {
					t.Fatalf("round %d: batch %d of %d and %d:\n%.600s\nKafka kept\n%.600s", j.round, i, len(ours), len(theirs),
						strings.Join(ours[i:min(i+2, len(ours))], "\n"), strings.Join(theirs[i:min(i+2, len(theirs))], "\n"))
				}
			}
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		// What Kafka's shutdown wrote does not fit what comes next: with its old high watermark it could clean
		// up to there first, and the rest in a second pass.
		for _, file := range []string{cleanerFile, highWatermarkFile} {
			if err := os.Remove(filepath.Join(j.theirs, file)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, suffix := range []string{suffixLog, suffixOffsets, suffixTimes} {
		files, err := filepath.Glob(filepath.Join(j.ours, "orders-0", "*"+suffix))
		if err != nil {
			t.Fatal(err)
		}
		out := dump(t, files)
		for _, bad := range []string{"Mismatches", "isvalid: false", "Exception", "corrupt", "Found timestamp mismatch", "out of order", "Could not"} {
			if strings.Contains(out, bad) {
				t.Errorf("DumpLogSegments of *%s says %q:\n%.4000s", suffix, bad, out)
			}
		}
	}
}
