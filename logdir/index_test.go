package logdir

import (
	"math/rand/v2"
	"testing"

	"ottla/logdir/batch"
	"ottla/logdir/disk"
)

// countingFS counts reads.
type countingFS struct {
	disk.FS
	reads int
}

type countingFile struct {
	disk.File
	fs *countingFS
}

func (c *countingFS) Open(name string) (disk.File, error) {
	f, err := c.FS.Open(name)
	return countingFile{f, c}, err
}

func (c *countingFS) Create(name string) (disk.File, error) {
	f, err := c.FS.Create(name)
	return countingFile{f, c}, err
}

func (c countingFile) ReadAt(b []byte, at int64) (int, error) {
	c.fs.reads++
	return c.File.ReadAt(b, at)
}

// closedIndex writes an index with these entries to a file, and opens it anew.
func closedIndex(t testing.TB, entries []offsetEntry) (*index[offsetEntry], *countingFS) {
	fsys := &countingFS{FS: disk.NewCrashing()}
	c := newFileCache(fsys, 10, quiet())
	open := func() *index[offsetEntry] {
		return newIndex(newLazyFile(c, "/x"), offsetEntrySize, getOffsetEntry, 1<<30)
	}
	x := open()
	f, err := fsys.Create("/x")
	if err != nil {
		t.Fatal(err)
	}
	c.adopt(x.file, f)
	for _, e := range entries {
		if err := x.add(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.flush(); err != nil {
		t.Fatal(err)
	}
	x.file.close()
	x = open()
	if err := x.loadTrimmed(); err != nil {
		t.Fatal(err)
	}
	return x, fsys
}

// entriesOf returns all entries of an index.
func entriesOf[E entry](t testing.TB, x *index[E]) (all []E) {
	t.Helper()
	v := x.view()
	f, err := x.file.acquire()
	if err != nil {
		t.Fatal(err)
	}
	defer f.unref()
	for i := range v.b.before {
		e, err := x.at(f, i)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return append(all, v.b.entries[:v.n-v.b.before]...)
}

// TestIndexSearchFindsWhatAWalkFinds: for any spacing of the keys, and in few reads.
func TestIndexSearchFindsWhatAWalkFinds(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 7))
		var entries []offsetEntry
		key := uint32(0)
		for range random.IntN([]int{3, 700, 20_000}[seed%3]) + 1 {
			gap := uint32(4)
			if seed%2 == 0 { // dense, and now and then far apart
				if gap = 1; random.IntN(500) == 0 {
					gap = random.Uint32N(50_000)
				}
			}
			key += gap + 1
			entries = append(entries, offsetEntry{relative: key, position: 10 * key})
		}
		x, fsys := closedIndex(t, entries)
		for range 300 {
			want := random.IntN(len(entries)+1) - 1 // the number of the entry to find
			at := int64(random.Uint32N(entries[0].relative))
			if want >= 0 {
				at = int64(entries[want].relative)
				if want+1 < len(entries) {
					at += int64(random.Uint32N(entries[want+1].relative - entries[want].relative))
				}
			}
			fsys.reads = 0
			e, ok, err := x.floor(at)
			if err != nil || ok != (want >= 0) || ok && e != entries[want] {
				t.Fatalf("seed %d: floor(%d) is %v, %v, %v; entry %d is wanted", seed, at, e, ok, err, want)
			}
			if fsys.reads > 14 || seed%2 == 1 && fsys.reads > 1 {
				t.Fatalf("seed %d: %d reads to find entry %d of %d", seed, fsys.reads, want, len(entries))
			}
			e, ok, err = x.first(func(e offsetEntry) bool { return int64(e.position) > 10*at })
			if err != nil || ok != (want+1 < len(entries)) || ok && e != entries[want+1] {
				t.Fatalf("seed %d: first after %d is %v, %v, %v; entry %d is wanted", seed, at, e, ok, err, want+1)
			}
		}
	}
}

// TestAReadOfAnOldPlaceReadsTwice: a page of the index and the header of the batch, however long the log is.
func TestAReadOfAnOldPlaceReadsTwice(t *testing.T) {
	const batches, records = 600, 1000
	fsys := &countingFS{FS: disk.NewCrashing()}
	o := testOptions("/d")
	o.FS = fsys
	l := create(t, open(t, o))
	for i := range batches {
		produce(t, l, plain(i*records, records, 1))
	}
	if r, err := l.Read(0, 1, true, LimitLogEnd); err != nil || r.Ranges[0].Length <= 2*len(scanBuffer{}) {
		t.Fatalf("%v, batches of %d bytes: too small for this test", err, r.Ranges[0].Length)
	} else {
		r.Release()
	}
	for from := int64(records); from < batches*records/2; from += 777 {
		fsys.reads = 0
		r, err := l.Read(from, 1, true, LimitLogEnd)
		if err != nil {
			t.Fatal(err)
		}
		reads := fsys.reads
		b := make([]byte, batch.HeaderSize)
		if _, err := r.Ranges[0].File.ReadAt(b, r.Ranges[0].Position); err != nil {
			t.Fatal(err)
		}
		h, err := batch.ReadHeader(b)
		if err == nil && (h.BaseOffset > from || h.LastOffset() < from) {
			t.Fatalf("a read of %d gives [%d, %d]", from, h.BaseOffset, h.LastOffset())
		}
		if reads == 0 || reads > 2 {
			t.Fatalf("%d reads for offset %d", reads, from)
		}
		r.Release()
	}
}
