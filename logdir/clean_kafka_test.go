package logdir

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
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
	"ottla/zkcoord/cluster"
)

// judged are partition directories that Ottla cleans, and the same ones that Apache Kafka cleans.
type judged struct {
	t         *testing.T
	random    *rand.Rand
	ours      string // log directories
	theirs    string
	broker    func() *apache.Broker
	sequences [4]int32
	round     int
}

// judgedFormats are the topics, each with the magic in which its records are stored in each round.
func judgedFormats() map[string][3]int8 {
	return map[string][3]int8{orders.Topic: {2, 2, 2}, "magic-0": {0, 0, 0}, "magic-1": {1, 1, 1}, "rising": {0, 1, 2}}
}

// oldRetention is for how long the old formats keep a tombstone, going by the age of its segment.
const oldRetention = 150 * time.Minute

// open is Open with the settings of each topic.
func (j *judged) open(dir string) *Manager {
	j.t.Helper()
	o := j.options(dir)
	m, err := Open(j.t.Context(), o, func(topic string) Config {
		c := o.Defaults
		c.MessageFormat = judgedFormats()[topic][j.round]
		if topic != orders.Topic {
			c.DeleteRetention = oldRetention
		}
		return c
	})
	if err != nil {
		j.t.Fatal(err)
	}
	j.t.Cleanup(m.Abandon)
	return m
}

// log returns the only partition of a topic.
func (j *judged) log(m *Manager, topic string) *Log {
	j.t.Helper()
	l, err := m.LogOrCreate(cluster.TopicPartition{Topic: topic}, cluster.TopicID{1}, true)
	if err != nil {
		j.t.Fatal(err)
	}
	return l
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

// writeOld adds what producers of before 0.11 could write: records and tombstones, alone or several in a wrapper.
func (j *judged) writeOld(l *Log) {
	now := time.Now().UnixMilli()
	for i := range 600 {
		b := batch.NewBuilder(batch.PlainOptions(batch.Codec(j.random.IntN(4)))) // zstd came later
		for range 1 + j.random.IntN(6) {
			value := fmt.Appendf(nil, "value %d of round %d %s", i, j.round, strings.Repeat("x", j.random.IntN(100)))
			if j.random.IntN(4) == 0 {
				value = nil
			}
			b.Append(now+int64(i*10+j.random.IntN(50)), fmt.Appendf(nil, "key %d", j.random.IntN(400)), value)
		}
		produce(j.t, l, b.Bytes())
	}
	l.SetHighWatermark(l.LogEndOffset())
}

// age has the segments of a log be an hour apart.
func (j *judged) age(topic string) {
	files, err := filepath.Glob(filepath.Join(j.ours, topic+"-0", "*"+suffixLog))
	if err != nil {
		j.t.Fatal(err)
	}
	slices.Sort(files)
	for i, file := range files {
		at := time.Now().Add(-time.Duration(len(files)-i) * time.Hour)
		if err := os.Chtimes(file, at, at); err != nil {
			j.t.Fatal(err)
		}
	}
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
			text := fmt.Sprintf("segment %d magic %d [%d, %d] count %d codec %v producer %d/%d from %d txn %v control %v horizon %v epoch %d max %d:", s.base, h.Magic,
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
func (j *judged) copyLog(topic string) {
	from, to := filepath.Join(j.ours, topic+"-0"), filepath.Join(j.theirs, topic+"-0")
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
		if e.Name() == partitionMetaFile {
			continue
		}
		b, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, e.Name()), b, 0o644)
		}
		info, infoErr := e.Info()
		if err := errors.Join(err, infoErr); err != nil {
			j.t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(to, e.Name()), info.ModTime(), info.ModTime()); err != nil {
			j.t.Fatal(err)
		}
	}
}

// copyCheckpoint tells Kafka what is clean already: old tombstones go by the age of the last segment that is. What its own
// shutdown wrote does not fit what comes next: with its old high watermark it could clean up to there first, and the
// rest in a second pass.
func (j *judged) copyCheckpoint() {
	j.t.Helper()
	for _, file := range []string{cleanerFile, highWatermarkFile} {
		if err := os.Remove(filepath.Join(j.theirs, file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			j.t.Fatal(err)
		}
	}
	clean, err := os.ReadFile(filepath.Join(j.ours, cleanerFile))
	if j.round == 0 && errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(j.theirs, cleanerFile), clean, 0o644)
	}
	if err != nil {
		j.t.Fatal(err)
	}
}

// judge has Kafka clean its copies up to these offsets and returns their batches.
func (j *judged) judge(ends map[cluster.TopicPartition]int64) map[string][]string {
	b := j.broker()
	deadline := time.Now().Add(time.Minute)
	for ticks := time.NewTicker(50 * time.Millisecond); ; <-ticks.C {
		offsets, err := readOffsets(disk.OS(), filepath.Join(j.theirs, cleanerFile))
		behind := 0
		for tp, end := range ends {
			if offsets[tp] < end {
				behind++
			}
		}
		if err == nil && behind == 0 {
			break
		}
		if time.Now().After(deadline) {
			j.t.Fatalf("Kafka has cleaned up to %v, %v, and not to %v", offsets, err, ends)
		}
	}
	if err := b.Stop(); err != nil {
		j.t.Fatal(err)
	}
	m := j.open(j.theirs)
	defer m.Abandon()
	batches := map[string][]string{}
	for tp := range ends {
		l, ok := m.Log(tp)
		if !ok {
			j.t.Fatalf("quarantined: %v", m.Quarantined())
		}
		batches[tp.Topic] = j.batches(l)
	}
	return batches
}

// create has Kafka make the topics.
func (j *judged) create() {
	b := j.broker()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr))
	if err != nil {
		j.t.Fatal(err)
	}
	defer client.Close()
	for topic, formats := range judgedFormats() {
		settings := map[string]*string{}
		for key, value := range map[string]string{"cleanup.policy": "compact", "segment.bytes": "16384", "segment.index.bytes": "1048576",
			"index.interval.bytes": "512", "delete.retention.ms": "1", "min.cleanable.dirty.ratio": "0.01"} {
			settings[key] = &value
		}
		if formats[0] < 2 {
			settings["message.format.version"] = kadm.StringPtr([]string{"0.9.0", "0.10.2"}[formats[0]])
			settings["delete.retention.ms"] = kadm.StringPtr(fmt.Sprint(oldRetention.Milliseconds()))
		}
		if _, err := kadm.NewClient(client).CreateTopic(j.t.Context(), 1, 1, settings, topic); err != nil {
			j.t.Fatal(err)
		}
	}
	if err := b.Stop(); err != nil {
		j.t.Fatal(err)
	}
}

// TestCleaningEqualsKafkas has Apache Kafka's cleaner and ours work on the same files, of all formats: what is left is the
// same, batch for batch. In the second round the horizons of tombstones are over, in the third those of markers.
func TestCleaningEqualsKafkas(t *testing.T) {
	apache.Require(t)
	zk := apache.StartZooKeeper(t)
	dir := t.TempDir()
	j := &judged{t: t, random: rand.New(rand.NewPCG(4, 2)), ours: filepath.Join(t.TempDir(), "logs"), theirs: filepath.Join(dir, "logs")}
	j.broker = func() *apache.Broker {
		return apache.StartBroker(t, apache.BrokerOptions{ID: 1, ZooKeeper: zk.Addr + "/cleaning", Dir: dir, Properties: map[string]string{
			"inter.broker.protocol.version": "2.8", // of the last that knew of old formats
			"log.cleaner.backoff.ms":        "100", "log.initial.task.delay.ms": "100", "log.retention.check.interval.ms": "3600000"}})
	}
	j.create()
	for j.round = range 3 {
		m := j.open(j.ours)
		for _, topic := range slices.Sorted(maps.Keys(judgedFormats())) {
			if l := j.log(m, topic); topic == orders.Topic {
				j.write(l)
			} else {
				j.writeOld(l)
			}
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		for topic := range judgedFormats() {
			j.age(topic)
			j.copyLog(topic)
		}
		j.copyCheckpoint()
		j.compare(j.clean())
	}
	for _, suffix := range []string{suffixLog, suffixOffsets, suffixTimes} {
		files, err := filepath.Glob(filepath.Join(j.ours, "*-0", "*"+suffix))
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

// clean cleans our logs and returns their batches, and up to where each is clean.
func (j *judged) clean() (ours map[string][]string, ends map[cluster.TopicPartition]int64) {
	j.t.Helper()
	ours, ends = map[string][]string{}, map[cluster.TopicPartition]int64{}
	m := j.open(j.ours)
	for topic := range judgedFormats() {
		l := j.log(m, topic)
		l.SetHighWatermark(l.LogEndOffset())
		before := len(j.batches(l))
		if !cleanNow(j.t, l, CleanerOptions{}, nowMillis()) || l.uncleanable.Load() != nil {
			j.t.Fatalf("%s is not cleaned: %+v", topic, l.uncleanable.Load())
		}
		ours[topic], ends[l.tp] = j.batches(l), l.cleanPoint.Load()
		j.t.Logf("round %d, %s: of %d batches %d are left, in %d segments, with magic %v", j.round, topic, before, len(ours[topic]), len(l.list()), magics(j.t, l))
	}
	if err := m.Close(); err != nil {
		j.t.Fatal(err)
	}
	return ours, ends
}

// compare holds what is left of our logs to what Kafka leaves of its copies.
func (j *judged) compare(ours map[string][]string, ends map[cluster.TopicPartition]int64) {
	j.t.Helper()
	all := j.judge(ends)
	for topic, ours := range ours {
		theirs := all[topic]
		for i := range max(len(ours), len(theirs)) {
			if i >= len(ours) || i >= len(theirs) || ours[i] != theirs[i] {
				j.t.Fatalf("round %d, %s: batch %d of %d and %d:\n%.600s\nKafka kept\n%.600s", j.round, topic, i, len(ours), len(theirs),
					strings.Join(ours[min(i, len(ours)):min(i+2, len(ours))], "\n"), strings.Join(theirs[min(i, len(theirs)):min(i+2, len(theirs))], "\n"))
			}
		}
	}
}
