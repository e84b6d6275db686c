package logdir

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/sirupsen/logrus/hooks/test"
)

// times rewrites the time index of a segment, entry by entry.
func (d *damaged) times(segment int, f func([]timeEntry) []timeEntry) {
	d.t.Helper()
	name := d.name(segment, suffixTimes)
	var entries []timeEntry
	for b := d.read(name); len(b) > 0; b = b[timeEntrySize:] {
		entries = append(entries, getTimeEntry(b))
	}
	if len(entries) < 4 {
		d.t.Fatalf("only %d entries in segment %d", len(entries), segment)
	}
	var b []byte
	for _, e := range f(entries) {
		b = binary.BigEndian.AppendUint64(b, uint64(e.timestamp))
		b = binary.BigEndian.AppendUint32(b, e.relative)
	}
	d.write(name, b)
}

// TestATimeIndexThatLiesIsPassedOver: a start cannot see that the entries of a time index are out of order, too few, or another
// segment's. Who follows them does, and goes without.
func TestATimeIndexThatLiesIsPassedOver(t *testing.T) {
	const disordered = "out of order" // each of its entries is true, so nobody is misled by more than a longer walk
	swapped := func(from, to int) func(*damaged) {
		return func(d *damaged) { d.write(d.name(to, suffixTimes), d.read(d.name(from, suffixTimes))) }
	}
	all := func(f func(e *timeEntry)) func(*damaged) {
		return func(d *damaged) {
			d.times(1, func(entries []timeEntry) []timeEntry {
				for i := range entries[:len(entries)-1] { // a start looks at the last
					f(&entries[i])
				}
				return entries
			})
		}
	}
	cut := func(segment func(d *damaged) int, left int) func(*damaged) {
		return func(d *damaged) {
			d.times(segment(d), func(entries []timeEntry) []timeEntry { return entries[:left] })
		}
	}
	second := func(*damaged) int { return 1 }
	last := func(d *damaged) int { return len(d.bases) - 1 }
	for name, damage := range map[string]func(d *damaged){
		disordered: func(d *damaged) {
			d.times(1, func(entries []timeEntry) []timeEntry {
				for i, j := 0, len(entries)-2; i < j; i, j = i+1, j-1 {
					entries[i], entries[j] = entries[j], entries[i]
				}
				return entries
			})
		},
		"timestamps that are too low":     all(func(e *timeEntry) { e.timestamp -= 25 }),
		"offsets that are too high":       all(func(e *timeEntry) { e.relative += 6 }),
		"offsets behind the segment":      all(func(e *timeEntry) { e.relative += 10_000 }),
		"the index of the segment before": swapped(0, 1),
		"the index of the segment behind": swapped(1, 0),
		"the last entries are missing":    cut(second, 2),
		"all entries are missing":         cut(second, 0),
		"the newest entries are missing":  cut(last, 2),
		"none of the newest is there":     cut(last, 0),
	} {
		t.Run(name, func(t *testing.T) {
			d := newDamaged(t)
			damage(d)
			o, hook := badInputOptions(d.dir)
			m := open(t, o)
			l, _ := m.Log(orders)
			// Twice, since the first may have learned something for the second.
			for range 2 {
				if at, ts, _, found, err := l.MaxTimestamp(); err != nil || !found || at != badInputRecords-1 || ts != 1000+10*(badInputRecords/2-1)+1 {
					t.Fatalf("the largest timestamp is %d, at %d: %v, %v", ts, at, found, err)
				}
				for ts := int64(990); ts < 1000+10*badInputRecords/2; ts++ {
					want := max(0, ts-1000+9) / 10 * 2
					if ts > 1000 && ts%10 == 1 {
						want-- // the second record of a batch
					}
					if at, _, _, found, err := l.OffsetForTimestamp(ts); err != nil || found != (want < badInputRecords) || found && at != want {
						t.Fatalf("timestamp %d: offset %d instead of %d, %v, %v", ts, at, want, found, err)
					}
				}
			}
			d.serves(m)
			if n := countLines(hook, "does not fit its segment"); n != 1 && name != disordered || n > 1 {
				t.Errorf("%d lines in the log", n)
			}
			checkTruncated(t, l)
		})
	}
}

// checkTruncated cuts a log off bit by bit, and asks for the largest timestamp each time.
func checkTruncated(t *testing.T, l *Log) {
	t.Helper()
	for left := badInputRecords; left > 0; left -= 14 {
		if err := l.TruncateTo(int64(left)); err != nil {
			t.Fatal(err)
		}
		if at, _, _, found, err := l.MaxTimestamp(); err != nil || !found || at != int64(left-1) {
			t.Fatalf("the largest timestamp below %d is at %d: %v, %v", left, at, found, err)
		}
	}
}

// TestNothingIsDeletedForTheSakeOfAnotherSegmentsIndex: nor kept.
func TestNothingIsDeletedForTheSakeOfAnotherSegmentsIndex(t *testing.T) {
	for name, tc := range map[string]struct {
		told    int64 // what the index of the first segment says
		expired int64 // records of this time and before are too old
		all     bool  // all segments are to go, else none
	}{
		"a time that is long gone":   {told: 5, expired: 1000},
		"a time that is far to come": {told: math.MaxInt64 / 4, expired: math.MaxInt32, all: true},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDamaged(t)
			d.times(0, func(entries []timeEntry) []timeEntry {
				entries[len(entries)-1].timestamp = tc.told
				return entries
			})
			o, hook := badInputOptions(d.dir)
			m := open(t, o)
			l, _ := m.Log(orders)
			l.SetHighWatermark(l.LogEndOffset())
			c := l.Config()
			c.RetentionAge = time.Hour
			m.Reconfigure(orders.Topic, c)
			if err := l.applyRetention(time.UnixMilli(tc.expired).Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			if start := l.LogStartOffset(); start != 0 && !tc.all || start != badInputRecords && tc.all {
				t.Errorf("the log starts at %d", start)
			}
			if n := countLines(hook, "does not fit its segment"); n != 1 {
				t.Errorf("%d lines in the log", n)
			}
		})
	}
}

// TestKafkasTimeIndexesAreBelieved: what Apache Kafka has written, compacted and of any format, is no lie.
func TestKafkasTimeIndexesAreBelieved(t *testing.T) {
	confirmed := 0
	for _, name := range []string{"clean", "oldformat"} {
		o := goldenOptions(t, unpack(t, name+".tar.gz"))
		var hook *test.Hook
		o.Log, hook = listening()
		m := open(t, o)
		for tp, records := range expected(t, name+".expected.jsonl") {
			l, ok := m.Log(tp)
			if !ok {
				t.Fatalf("no %v", tp)
			}
			for _, r := range records {
				if _, _, _, _, err := l.OffsetForTimestamp(r.Timestamp); err != nil {
					t.Fatalf("%v: %v", tp, err)
				}
			}
			for _, s := range l.list() {
				if s.unconfirmed.Load() {
					confirmed++
				}
				if err := s.confirmTime(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if n := countLines(hook, "does not fit its segment"); n != 0 {
			t.Errorf("%s: %d indexes are not believed", name, n)
		}
	}
	if confirmed == 0 {
		t.Error("no index was looked at")
	}
}
