package logdir

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"ottla/integration/apache"
	"ottla/logdir/batch"
)

// TestKafkaReadsOurFiles gives what Ottla wrote to Apache Kafka's DumpLogSegments, which looks into every
// record and holds the indexes against them.
func TestKafkaReadsOurFiles(t *testing.T) {
	apache.Require(t)
	dir := t.TempDir()
	o := testOptions(dir)
	o.Defaults.SegmentBytes = 3000
	o.Defaults.IndexIntervalBytes = 300
	m := open(t, o)
	l := create(t, m)
	writeVariety(t, l)
	segments := len(l.list())
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{suffixLog, suffixOffsets, suffixTimes, suffixTxns, suffixSnapshot} {
		files, err := filepath.Glob(filepath.Join(dir, "orders-0", "*"+suffix))
		if err != nil || len(files) == 0 {
			t.Fatalf("no *%s: %v", suffix, err)
		}
		out := dump(t, files)
		for _, bad := range []string{"Mismatches", "isvalid: false", "Exception", "corrupt", "Found timestamp mismatch", "out of order", "Could not"} {
			if strings.Contains(out, bad) {
				t.Errorf("DumpLogSegments of *%s says %q:\n%.4000s", suffix, bad, out)
			}
		}
		if suffix == suffixLog && strings.Count(out, "payload:") < 500 {
			t.Errorf("DumpLogSegments found %d records in %d segments", strings.Count(out, "payload:"), segments)
		}
	}
}

// writeVariety writes every kind of batch: codecs, headers, nulls, idempotent and transactional ones,
// aborted and committed.
func writeVariety(t *testing.T, l *Log) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	var sequence int32
	for i := range 150 {
		codec := batch.Codec(i % 5)
		b := batch.NewBuilder(batch.PlainOptions(codec))
		for j := range 1 + random.IntN(8) {
			b.Append(1700000000000+int64(i*1000+random.IntN(3000)), fmt.Appendf(nil, "k%d", j), fmt.Appendf(nil, "v%d", i),
				batch.RecordHeader{Key: "h"}, batch.RecordHeader{Key: "i", Value: []byte("x")})
		}
		produce(t, l, b.Bytes())
		o := batch.Options{ProducerID: 7, BaseSequence: sequence, Transactional: true}
		b = batch.NewBuilder(o)
		b.Append(1700000000000, nil, []byte("in a transaction"))
		b.Append(1700000000000, []byte("k"), nil)
		produce(t, l, b.Bytes())
		sequence += 2
		if i%3 == 0 {
			end(t, l, 7, 0, i%2 == 0)
		}
	}
	end(t, l, 7, 0, true)
	l.SetHighWatermark(l.LogEndOffset())
}

// end writes the marker of a transaction.
func end(t testing.TB, l *Log, producer int64, leaderEpoch int32, commit bool) AppendResult {
	t.Helper()
	b := batch.NewBuilder(batch.Options{ProducerID: producer, BaseSequence: batch.NoSequence, Transactional: true, Control: true})
	b.AppendMarker(1700000000001, batch.Marker{Commit: commit})
	r, err := l.AppendAsLeader(b.Bytes(), leaderEpoch, OriginCoordinator, 0)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func dump(t *testing.T, files []string) string {
	t.Helper()
	return apache.Tool(t, apache.DumpLogSegments, "--deep-iteration", "--print-data-log", "--files", strings.Join(files, ","))
}
