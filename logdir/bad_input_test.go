package logdir

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/sirupsen/logrus/hooks/test"

	"ottla/zkcoord/cluster"
)

// damaged is a log directory that was closed cleanly, before somebody does something to it.
type damaged struct {
	t     *testing.T
	dir   string
	bases []int64
}

func (d *damaged) name(segment int, suffix string) string {
	return filepath.Join(d.dir, "orders-0", offsetName(d.bases[segment], suffix))
}

func (d *damaged) read(name string) []byte {
	d.t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

func (d *damaged) write(name string, b []byte) {
	d.t.Helper()
	if err := os.WriteFile(name, b, 0o644); err != nil {
		d.t.Fatal(err)
	}
}

// change rewrites a file of the first segment.
func (d *damaged) change(suffix string, f func([]byte) []byte) {
	d.t.Helper()
	name := d.name(0, suffix)
	d.write(name, f(d.read(name)))
}

// badInputRecords is how many records the log in question has, in batches of two.
const badInputRecords = 200

func badInputOptions(dir string) (Options, *test.Hook) {
	o := testOptions(dir)
	o.Defaults.SegmentBytes, o.Defaults.IndexBytes, o.Defaults.IndexIntervalBytes = 4096, 4096, 150
	o.Defaults.RetentionAge = -1
	log, hook := listening()
	o.Log = log
	return o, hook
}

func newDamaged(t *testing.T) *damaged {
	t.Helper()
	d := &damaged{t: t, dir: t.TempDir()}
	o, _ := badInputOptions(d.dir)
	m := open(t, o)
	l := create(t, m)
	for i := range badInputRecords / 2 {
		produce(t, l, plain(2*i, 2, int64(1000+10*i)))
	}
	l.SetHighWatermark(l.LogEndOffset())
	for _, s := range l.list() {
		d.bases = append(d.bases, s.base)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if len(d.bases) < 3 {
		t.Fatalf("only %d segments", len(d.bases))
	}
	return d
}

// TestBadInput: whatever lies in a directory beside the batches, it is told of in one line, and the records are served as they are.
func TestBadInput(t *testing.T) {
	for name, tc := range map[string]struct {
		damage func(d *damaged)
		line   string
	}{
		"an index cut in the middle of an entry": {
			func(d *damaged) { d.change(suffixOffsets, func(b []byte) []byte { return b[:len(b)-3] }) }, "no multiple of 8"},
		"an index with a hole behind its entries": {
			func(d *damaged) {
				d.change(suffixOffsets, func(b []byte) []byte { return append(b, make([]byte, 80)...) })
			}, "corrupt index"},
		"an index that names what is behind the segment": {
			func(d *damaged) {
				d.change(suffixOffsets, func(b []byte) []byte {
					return offsetBytes(b, 90, 1<<20)
				})
			}, "corrupt index"},
		"no index": {
			func(d *damaged) { _ = os.Remove(d.name(0, suffixOffsets)) }, "corrupt index"},
		"a time index cut in the middle of an entry": {
			func(d *damaged) { d.change(suffixTimes, func(b []byte) []byte { return b[:len(b)-5] }) }, "no multiple of 12"},
		"a time index with a hole behind its entries": {
			func(d *damaged) {
				d.change(suffixTimes, func(b []byte) []byte { return append(b, make([]byte, 120)...) })
			}, "corrupt index"},
		"a transaction index of another version": {
			func(d *damaged) {
				d.write(d.name(0, suffixTxns), append([]byte{0, 9}, make([]byte, txnEntrySize-2)...))
			}, "corrupt index"},
		"a transaction index of another segment": {
			func(d *damaged) { d.aborted(1, txnEntry{7, 2, 3, 4}) }, "corrupt index"},
		"a transaction index of a segment that is no more": {
			func(d *damaged) { d.aborted(len(d.bases)-1, txnEntry{7, 2, 100_000, 4}) }, "corrupt index"},
		"a transaction that ends before it begins": {
			func(d *damaged) { d.aborted(0, txnEntry{7, 4, 3, 4}) }, "corrupt index"},
		"a snapshot with a wrong CRC": {
			func(d *damaged) {
				name := filepath.Join(d.dir, "orders-0", offsetName(badInputRecords, suffixSnapshot))
				b := d.read(name)
				b[3]++
				d.write(name, b)
			}, "dropped "},
		"epochs of another version": {
			func(d *damaged) { d.write(filepath.Join(d.dir, "orders-0", leaderEpochFile), []byte("7\n1\n0 0\n")) }, "leader epochs are read from the batches"},
		"epochs that go back": {
			func(d *damaged) {
				d.write(filepath.Join(d.dir, "orders-0", leaderEpochFile), []byte("0\n2\n3 0\n2 5\n"))
			}, "leader epochs are read from the batches"},
		"recovery points of another version": {
			func(d *damaged) { d.write(filepath.Join(d.dir, recoveryPointFile), []byte("4\n1\norders 0 200\n")) }, "damaged checkpoint"},
		"log starts with a wrong count": {
			func(d *damaged) { d.write(filepath.Join(d.dir, logStartFile), []byte("0\n5\norders 0 100\n")) }, "damaged checkpoint"},
		"high watermarks that are no text": {
			func(d *damaged) { d.write(filepath.Join(d.dir, highWatermarkFile), []byte{0, 1, 2, 3}) }, "damaged checkpoint"},
		"cleaner offsets that are no numbers": {
			func(d *damaged) { d.write(filepath.Join(d.dir, cleanerFile), []byte("0\n1\norders zero 5\n")) }, "damaged checkpoint"},
		"a directory that is no partition": {
			func(d *damaged) {
				if err := os.Mkdir(filepath.Join(d.dir, "lost+found"), 0o755); err != nil {
					d.t.Fatal(err)
				}
			}, "left alone"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDamaged(t)
			tc.damage(d)
			o, hook := badInputOptions(d.dir)
			m := open(t, o)
			if n := countLines(hook, tc.line); n != 1 {
				t.Errorf("%d lines say %q", n, tc.line)
			}
			d.serves(m)
		})
	}
}

// aborted gives a segment a transaction index.
func (d *damaged) aborted(segment int, e txnEntry) {
	d.t.Helper()
	d.write(d.name(segment, suffixTxns), e.append(nil))
}

// offsetBytes replaces the last entry of an offset index.
func offsetBytes(b []byte, relative, position uint32) []byte {
	binary.BigEndian.PutUint32(b[len(b)-8:], relative)
	binary.BigEndian.PutUint32(b[len(b)-4:], position)
	return b
}

// serves holds the log against what was written, at every offset and time.
func (d *damaged) serves(m *Manager) {
	t := d.t
	t.Helper()
	l, ok := m.Log(orders)
	if !ok {
		t.Fatalf("quarantined: %v", m.Quarantined())
	}
	for from := range int64(badInputRecords) {
		wantValues(t, l, from, int(from), badInputRecords-int(from))
	}
	for i := range badInputRecords / 2 {
		if at, _, _, found, err := l.OffsetForTimestamp(int64(1000 + 10*i)); err != nil || !found || at != int64(2*i) {
			t.Fatalf("timestamp %d: offset %d, %v, %v", 1000+10*i, at, found, err)
		}
	}
	if e := l.Epochs(); len(e) != 1 || e[0] != (EpochEntry{0, 0}) {
		t.Errorf("epochs %v", e)
	}
	produce(t, l, plain(badInputRecords, 1, 9000))
}

// TestAnIndexThatLiesIsPassedOver: a start cannot see that the entries of an index are out of order, or another segment's. Who
// follows them does, and goes without.
func TestAnIndexThatLiesIsPassedOver(t *testing.T) {
	const disordered = "out of order" // each of its entries is true, so nobody is misled by more than a longer walk
	for name, damage := range map[string]func(d *damaged){
		disordered: func(d *damaged) {
			d.change(suffixOffsets, func(b []byte) []byte {
				for i, j := 0, len(b)/8-2; i < j; i, j = i+1, j-1 { // the last stays: a start looks at it
					for k := range 8 {
						b[8*i+k], b[8*j+k] = b[8*j+k], b[8*i+k]
					}
				}
				return b
			})
		},
		"positions of another segment": func(d *damaged) {
			d.change(suffixOffsets, func(b []byte) []byte {
				for i := 4; i < len(b)-8; i += 8 {
					binary.BigEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:])+7)
				}
				return b
			})
		},
		"the index of an earlier segment": func(d *damaged) { d.write(d.name(1, suffixOffsets), d.read(d.name(0, suffixOffsets))) },
		"the index of an earlier segment for the newest": func(d *damaged) {
			newest := d.name(len(d.bases)-1, suffixOffsets)
			d.write(newest, d.read(d.name(0, suffixOffsets))[:len(d.read(newest))])
		},
		"offsets of another segment": func(d *damaged) {
			d.change(suffixOffsets, func(b []byte) []byte {
				for i := 0; i < len(b)-8; i += 8 {
					binary.BigEndian.PutUint32(b[i:], 1)
				}
				return b
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDamaged(t)
			damage(d)
			o, hook := badInputOptions(d.dir)
			m := open(t, o)
			d.serves(m)
			if n := countLines(hook, "does not fit its segment"); n != 1 && name != disordered {
				t.Errorf("%d lines in the log", n)
			}
		})
	}
}

// TestOnePartitionInTwoDirectories: nobody can tell which is right, so neither serves, and nothing is touched.
func TestOnePartitionInTwoDirectories(t *testing.T) {
	d, other := newDamaged(t), t.TempDir()
	o, hook := badInputOptions(d.dir)
	o.Dirs = append(o.Dirs, other)
	if err := os.CopyFS(filepath.Join(other, "orders-0"), os.DirFS(filepath.Join(d.dir, "orders-0"))); err != nil {
		t.Fatal(err)
	}
	m := open(t, o)
	if err := m.Quarantined()[orders]; !errors.Is(err, ErrStorage) {
		t.Errorf("quarantined: %v", m.Quarantined())
	}
	if n := countLines(hook, "is kept offline"); n != 1 {
		t.Errorf("%d lines in the log", n)
	}
	for _, dir := range o.Dirs {
		if _, err := os.Stat(filepath.Join(dir, "orders-0", offsetName(0, suffixLog))); err != nil {
			t.Error(err)
		}
	}
}

// TestAnotherTopicOfTheSameName: its id tells, and its records are not taken for those of the topic that is asked for.
func TestAnotherTopicOfTheSameName(t *testing.T) {
	d := newDamaged(t)
	o, _ := badInputOptions(d.dir)
	m := open(t, o)
	if _, err := m.LogOrCreate(orders, cluster.TopicID{9}, false); !errors.Is(err, ErrTopicID) {
		t.Errorf("another id: %v", err)
	}
	if _, err := m.LogOrCreate(orders, cluster.TopicID{1}, false); err != nil {
		t.Errorf("its own id: %v", err)
	}
	d.serves(m)
}
