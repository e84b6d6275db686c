package logdir

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"sort"
	"sync/atomic"
)

// ErrCorruptIndex says that an index contradicts itself or its segment. It is rebuilt, never believed.
var ErrCorruptIndex = errors.New("corrupt index")

// entry is one entry of an index, as it stands in memory.
type entry interface {
	offsetEntry | timeEntry
	// key is what the index is ordered by.
	key() int64
	put(b []byte)
}

// offsetEntry says where a batch is: its last offset, relative to the segment, and its position.
type offsetEntry struct {
	relative uint32
	position uint32
}

const offsetEntrySize = 8

func (e offsetEntry) key() int64 { return int64(e.relative) }

func (e offsetEntry) put(b []byte) {
	binary.BigEndian.PutUint32(b, e.relative)
	binary.BigEndian.PutUint32(b[4:], e.position)
}

func getOffsetEntry(b []byte) offsetEntry {
	return offsetEntry{relative: binary.BigEndian.Uint32(b), position: binary.BigEndian.Uint32(b[4:])}
}

// timeEntry says which maximum timestamp the segment had reached, and with which offset.
type timeEntry struct {
	timestamp int64
	relative  uint32
}

const timeEntrySize = 12

func (e timeEntry) key() int64 { return e.timestamp }

func (e timeEntry) put(b []byte) {
	binary.BigEndian.PutUint64(b, uint64(e.timestamp))
	binary.BigEndian.PutUint32(b[8:], e.relative)
}

func getTimeEntry(b []byte) timeEntry {
	return timeEntry{timestamp: int64(binary.BigEndian.Uint64(b)), relative: binary.BigEndian.Uint32(b[8:])}
}

// blockEntries is how many entries wait in memory before they go to the file in one write. They are
// no loss in a crash: an index above the recovery point is rebuilt from its segment in any case.
const blockEntries = 256

// index is an offset or a time index. One writer adds, under the log's lock; readers search at any
// time and take no lock: they see the block as it was published, and older entries in the file.
type index[E entry] struct {
	file *lazyFile
	size int64 // of an entry, in bytes
	get  func([]byte) E
	// capacity is how many entries fit segment.index.bytes: a full index makes the log roll.
	capacity int64
	tail     atomic.Pointer[block[E]]
	// unsynced says that entries of the file came or went since it was opened or synced.
	unsynced atomic.Bool
}

// block is the newest entries of an index.
type block[E entry] struct {
	before  int64 // entries in the file before this block
	n       atomic.Int32
	flushed int32 // entries of this block that are in the file too; the writer's
	entries []E   // of full length once the block is used; nil in an index that is only read
	last    E     // the entry before the block, if there is one
}

func newIndex[E entry](f *lazyFile, size int64, get func([]byte) E, maxBytes int) *index[E] {
	return &index[E]{file: f, size: size, get: get, capacity: max(int64(maxBytes)/size, 1)}
}

// count is how many entries there are.
func (x *index[E]) count() int64 {
	b := x.tail.Load()
	if b == nil {
		return 0
	}
	return b.before + int64(b.n.Load())
}

func (x *index[E]) full() bool { return x.count() >= x.capacity }

// latest is the newest entry.
func (x *index[E]) latest() (e E, ok bool) {
	b := x.tail.Load()
	if b == nil {
		return e, false
	}
	if n := b.n.Load(); n > 0 {
		return b.entries[n-1], true
	}
	return b.last, b.before > 0
}

// add appends an entry. Writer only.
func (x *index[E]) add(e E) error {
	b := x.tail.Load()
	if b == nil {
		b = new(block[E])
	}
	if b.entries == nil {
		b = &block[E]{before: b.before, last: b.last, entries: make([]E, blockEntries)}
		x.tail.Store(b)
	}
	n := b.n.Load()
	if n == blockEntries {
		if err := x.flush(); err != nil {
			return err
		}
		next := &block[E]{before: b.before + blockEntries, last: b.entries[blockEntries-1], entries: make([]E, blockEntries)}
		x.tail.Store(next)
		b, n = next, 0
	}
	b.entries[n] = e
	b.n.Store(n + 1)
	return nil
}

// flush writes what is in memory only. Writer only.
func (x *index[E]) flush() error {
	b := x.tail.Load()
	if b == nil {
		return nil
	}
	n := b.n.Load()
	if b.flushed == n {
		return nil
	}
	f, err := x.file.acquire()
	if err != nil {
		return err
	}
	defer f.unref()
	buf := make([]byte, int64(n-b.flushed)*x.size)
	for i := b.flushed; i < n; i++ {
		b.entries[i].put(buf[int64(i-b.flushed)*x.size:])
	}
	if _, err := f.WriteAt(buf, (b.before+int64(b.flushed))*x.size); err != nil {
		return fmt.Errorf("write %s: %w", x.file.name(), err)
	}
	b.flushed = n
	x.unsynced.Store(true)
	return nil
}

// sync makes durable what has changed in the file since the last sync. A sync that fails takes the
// directory offline, so nobody asks again.
func (x *index[E]) sync() error {
	if !x.unsynced.Swap(false) {
		return nil
	}
	return syncFile(x.file)
}

// at reads the entry i from the file.
func (x *index[E]) at(f *openFile, i int64) (e E, err error) {
	var buf [timeEntrySize]byte
	if _, err := f.ReadAt(buf[:x.size], i*x.size); err != nil {
		return e, fmt.Errorf("read %s: %w", x.file.name(), shortRead(err))
	}
	return x.get(buf[:x.size]), nil
}

// floor finds the last entry whose key is at most key.
func (x *index[E]) floor(key int64) (e E, ok bool, err error) {
	p, err := x.around(key)
	return p.before, p.number > 0 && err == nil, err
}

// first finds the first entry for which after is true: it must be false up to some entry and true from
// there on.
func (x *index[E]) first(after func(E) bool) (e E, ok bool, err error) {
	v := x.view()
	p, err := v.search(after, v.n/2)
	return p.behind, !p.last && err == nil, err
}

// countBefore is how many entries there are before the first one for which after is true.
func (x *index[E]) countBefore(after func(E) bool) (int64, error) {
	v := x.view()
	p, err := v.search(after, v.n/2)
	return p.number, err
}

// around finds where a key stands: before it what floor finds, behind it the first entry with a larger key.
func (x *index[E]) around(key int64) (place[E], error) {
	v := x.view()
	return v.search(func(e E) bool { return e.key() > key }, v.guess(key))
}

// place is a gap between two entries.
type place[E entry] struct {
	number int64 // how many entries come before
	before E     // the last of them, if there is one
	behind E     // the entry that follows
	last   bool  // none follows
}

// view is what a reader sees of an index: what was there when it came.
type view[E entry] struct {
	x *index[E]
	b *block[E]
	n int64
}

func (x *index[E]) view() view[E] {
	b := x.tail.Load()
	if b == nil {
		b = new(block[E])
	}
	return view[E]{x: x, b: b, n: b.before + int64(b.n.Load())}
}

// guess is about where a key stands, if keys grow evenly from 0, as those of batches of one size do.
func (v view[E]) guess(key int64) int64 {
	last := v.b.last.key()
	if last <= 0 || key < 0 || key > last {
		return v.n / 2
	}
	return int64(float64(key) / float64(last) * float64(v.b.before-1))
}

// search finds the place before the first entry for which after is true, or at the end. Most readers
// stand near the end, so it looks into memory first. In the file it begins at guess, and there reads pages:
// a bisection of single entries would make a system call for each.
func (v view[E]) search(after func(E) bool, guess int64) (p place[E], err error) {
	inBlock := v.b.entries[:v.n-v.b.before]
	if i := sort.Search(len(inBlock), func(i int) bool { return after(inBlock[i]) }); i > 0 || v.b.before == 0 || !after(v.b.last) {
		p.number, p.before, p.last = v.b.before+int64(i), v.b.last, i == len(inBlock)
		if i > 0 {
			p.before = inBlock[i-1]
		}
		if !p.last {
			p.behind = inBlock[i]
		}
		return p, nil
	}
	f, err := v.x.file.acquire()
	if err != nil {
		return p, err
	}
	defer f.unref()
	page := scanBuffers.Get().(*scanBuffer)
	defer scanBuffers.Put(page)
	perPage := int64(len(page)) / v.x.size
	// The place is in [low, high]. What stands before low and at high is known as soon as either has moved. From the
	// guess on the pages read lie further and further off, and once they would leave the range, in its middle.
	low, high, step := int64(0), v.b.before-1, perPage
	p.behind = v.b.last
	for at := guess - perPage/2; low < high; step *= 2 {
		at = max(min(at, high-perPage), low)
		n := min(perPage, high-at)
		b := page[:n*v.x.size]
		if _, err := f.ReadAt(b, at*v.x.size); err != nil {
			return p, fmt.Errorf("read %s: %w", v.x.file.name(), shortRead(err))
		}
		entry := func(i int64) E { return v.x.get(b[i*v.x.size:]) }
		i := int64(sort.Search(int(n), func(i int) bool { return after(entry(int64(i))) }))
		if i > 0 {
			low, p.before = at+i, entry(i-1)
		}
		if i < n {
			high, p.behind = at+i, entry(i)
		}
		if at = low + step - perPage; i == 0 {
			at = high - step
		}
		if step >= high-low {
			at = low + (high-low-perPage)/2
		}
	}
	p.number = low
	return p, nil
}

// settle frees the memory of an index whose segment takes no more records. Writer only.
func (x *index[E]) settle() error {
	if err := x.flush(); err != nil {
		return err
	}
	b := x.tail.Load()
	if b == nil || b.n.Load() == 0 {
		return nil
	}
	n := b.n.Load()
	next := &block[E]{before: b.before + int64(n), last: b.entries[n-1]}
	x.tail.Store(next)
	return nil
}

// load takes the entries of the file as it is: count of them, the file trimmed to them or longer.
func (x *index[E]) load(count int64) error {
	if count == 0 {
		x.tail.Store(nil)
		return nil
	}
	f, err := x.file.acquire()
	if err != nil {
		return err
	}
	defer f.unref()
	b := &block[E]{before: count}
	if b.last, err = x.at(f, count-1); err != nil {
		return err
	}
	x.tail.Store(b)
	return nil
}

// loadTrimmed loads an index that was closed cleanly: all of its file is entries.
func (x *index[E]) loadTrimmed() error {
	size, err := x.fileSize()
	if err != nil {
		return err
	}
	if size%x.size != 0 {
		return fmt.Errorf("%s has %d bytes, no multiple of %d: %w", x.file.name(), size, x.size, ErrCorruptIndex)
	}
	return x.load(size / x.size)
}

func (x *index[E]) fileSize() (int64, error) {
	info, err := x.file.cache.fs.Stat(x.file.name())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%w: %w", ErrCorruptIndex, err)
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// truncate keeps the first n entries. Writer only; readers that hold the old block see entries of
// records that are no more, and find out when they come to the segment's end.
func (x *index[E]) truncate(n int64) error {
	if n >= x.count() {
		return nil
	}
	if err := x.flush(); err != nil {
		return err
	}
	if err := x.load(n); err != nil {
		return err
	}
	// Stale entries must not come back as entries after a crash.
	x.unsynced.Store(true)
	return x.resize(n * x.size)
}

// preallocate gives the file of an active segment the length that Kafka expects to map: a hole, which
// takes no space. Entries in memory go on from where they are.
func (x *index[E]) preallocate() error { return x.resize(x.capacity * x.size) }

// trim gives the file the length of its entries, as a closed segment has it.
func (x *index[E]) trim() error {
	if err := x.flush(); err != nil {
		return err
	}
	return x.resize(x.count() * x.size)
}

func (x *index[E]) resize(size int64) error {
	f, err := x.file.acquire()
	if err != nil {
		return err
	}
	defer f.unref()
	if err := f.Truncate(size); err != nil {
		return fmt.Errorf("resize %s to %d bytes: %w", x.file.name(), size, err)
	}
	return nil
}

// reset forgets all entries and empties the file, before it is rebuilt.
func (x *index[E]) reset() error {
	f, err := x.file.cache.fs.Create(x.file.name())
	if err != nil {
		return err
	}
	x.file.close()
	x.file.cache.adopt(x.file, f)
	x.tail.Store(nil)
	x.unsynced.Store(true)
	return nil
}

func syncFile(lf *lazyFile) error {
	f, err := lf.acquire()
	if err != nil {
		return err
	}
	defer f.unref()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", lf.name(), err)
	}
	return nil
}
