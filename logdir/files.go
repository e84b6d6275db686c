package logdir

import (
	"sync"
	"sync/atomic"

	"github.com/sirupsen/logrus"

	"ottla/logdir/disk"
)

// openFile is a descriptor counted by its users; the last one to let go closes it.
type openFile struct {
	disk.File
	refs atomic.Int32
	// used is set by every use and cleared by the cache's hand: what it finds cleared goes.
	used atomic.Bool
}

// ref takes a reference, unless the file is closed already.
func (f *openFile) ref() bool {
	for {
		n := f.refs.Load()
		if n == 0 {
			return false
		}
		if f.refs.CompareAndSwap(n, n+1) {
			if !f.used.Load() {
				f.used.Store(true)
			}
			return true
		}
	}
}

// unref lets go. Nothing was lost if the close fails: bytes are made safe by Sync, which reports.
func (f *openFile) unref() {
	if f.refs.Add(-1) == 0 {
		_ = f.File.Close()
	}
}

// lazyFile is a file that is opened when it is used and may be closed when others are used more.
type lazyFile struct {
	cache *fileCache
	path  atomic.Pointer[string]
	open  atomic.Pointer[openFile]
	lied  atomic.Bool // an index: see fileCache.lies
	at    int         // place in the cache's ring while open; guarded by the cache's lock
}

func newLazyFile(c *fileCache, path string) *lazyFile {
	f := &lazyFile{cache: c}
	f.path.Store(&path)
	return f
}

func (f *lazyFile) name() string { return *f.path.Load() }

// acquire returns the file with a reference for the caller. The fast way takes no lock.
func (f *lazyFile) acquire() (*openFile, error) {
	if o := f.open.Load(); o != nil && o.ref() {
		return o, nil
	}
	return f.cache.fill(f)
}

// moved tells where the file is now; descriptors do not care.
func (f *lazyFile) moved(path string) { f.path.Store(&path) }

// rename gives the file another name, with nobody opening it in between under the one it has no more.
func (c *fileCache) rename(f *lazyFile, to string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.fs.Rename(f.name(), to); err != nil {
		return err
	}
	f.moved(to)
	return nil
}

// renameFolder gives a log's directory another name. moved tells its files of it: nobody opens one in between
// under the name that it has no more.
func (c *fileCache) renameFolder(from, to string, moved func()) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.fs.Rename(from, to); err != nil {
		return err
	}
	moved()
	return nil
}

// close drops the cache's reference; readers in flight keep theirs.
func (f *lazyFile) close() { f.cache.drop(f) }

// fileCache bounds how many files are open at once. It is a clock: a hand goes round the open files,
// spares those used since it came by last, and closes the first that was not.
type fileCache struct {
	fs  disk.FS
	max int
	log logrus.FieldLogger
	mu  struct {
		sync.Mutex
		ring   []*lazyFile
		hand   int
		closed bool
	}
}

func newFileCache(fsys disk.FS, limit int, log logrus.FieldLogger) *fileCache {
	return &fileCache{fs: fsys, max: limit, log: log}
}

// lies tells, once, of an index that was found not to fit its segment.
func (c *fileCache) lies(f *lazyFile) {
	if f.lied.CompareAndSwap(false, true) {
		c.log.Warnf("%s does not fit its segment, which is walked through instead, at the cost of time; removed while the broker is down, it is built anew", f.name())
	}
}

func (c *fileCache) fill(f *lazyFile) (*openFile, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := f.open.Load(); o != nil && o.ref() {
		return o, nil
	}
	if c.mu.closed {
		return nil, ErrClosed
	}
	file, err := c.fs.Open(f.name())
	if err != nil {
		return nil, err
	}
	return c.addLocked(f, file), nil
}

// adopt gives the cache a file that was just created, with no reference for the caller.
func (c *fileCache) adopt(f *lazyFile, file disk.File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addLocked(f, file).unref()
}

// addLocked puts an open file into the ring, with one reference for the cache and one for the caller.
func (c *fileCache) addLocked(f *lazyFile, file disk.File) *openFile {
	o := &openFile{File: file}
	o.refs.Store(2)
	o.used.Store(true)
	if len(c.mu.ring) >= c.max {
		c.evictLocked()
	}
	f.at = len(c.mu.ring)
	c.mu.ring = append(c.mu.ring, f)
	f.open.Store(o)
	return o
}

func (c *fileCache) evictLocked() {
	// Twice round clears every mark, so that something is found.
	for range 2*len(c.mu.ring) + 1 {
		if c.mu.hand >= len(c.mu.ring) {
			c.mu.hand = 0
		}
		o := c.mu.ring[c.mu.hand].open.Load()
		if o.used.CompareAndSwap(true, false) {
			c.mu.hand++
			continue
		}
		c.removeLocked(c.mu.hand)
		return
	}
}

func (c *fileCache) removeLocked(i int) {
	f := c.mu.ring[i]
	last := len(c.mu.ring) - 1
	c.mu.ring[i] = c.mu.ring[last]
	c.mu.ring[i].at = i
	c.mu.ring[last] = nil
	c.mu.ring = c.mu.ring[:last]
	f.open.Swap(nil).unref()
}

func (c *fileCache) drop(f *lazyFile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.open.Load() != nil {
		c.removeLocked(f.at)
	}
}

// close closes all files that nobody uses, and the others when their users let go.
func (c *fileCache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.closed = true
	for len(c.mu.ring) > 0 {
		c.removeLocked(len(c.mu.ring) - 1)
	}
}
