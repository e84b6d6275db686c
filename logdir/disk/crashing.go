package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"
)

// ErrCrashed is what every operation answers once the machine is off.
var ErrCrashed = errors.New("the machine has crashed")

// Op names a kind of operation, for faults.
type Op string

// The operations that change something; each counts as one step.
const (
	OpCreate   Op = "create"
	OpWrite    Op = "write"
	OpTruncate Op = "truncate"
	OpSync     Op = "sync"
	OpSyncDir  Op = "syncdir"
	OpRename   Op = "rename"
	OpRemove   Op = "remove"
	OpMkdir    Op = "mkdir"
	// OpRead changes nothing and is no step, but can be made to fail.
	OpRead Op = "read"
)

// Crashing is a file system in memory that forgets, when it crashes, what was not synced: bytes since
// the last Sync of their file, names since the last SyncDir of their directory. It may be used by many
// goroutines.
type Crashing struct {
	mu    sync.Mutex
	nodes map[string]*node // by name; a directory's node has no data
	// durable is which names would be there after a power failure, and which node each names.
	durable map[string]*node
	locks   map[string]bool
	steps   int
	limit   int // steps until the crash; negative is never
	crashed bool
	fault   func(Op, string) error
	space   int64 // bytes that may still be written; negative is no bound
}

type node struct {
	dir      bool
	data     []byte
	synced   []byte
	modified time.Time
}

// NewCrashing returns an empty file system that never crashes by itself.
func NewCrashing() *Crashing {
	root := &node{dir: true}
	return &Crashing{nodes: map[string]*node{"/": root}, durable: map[string]*node{"/": root}, locks: map[string]bool{}, limit: -1, space: -1}
}

// CrashAfter has the machine go off after n more steps: from then on all operations answer ErrCrashed.
func (c *Crashing) CrashAfter(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.steps, c.limit = 0, n
}

// Steps is how many steps were taken since CrashAfter, or since the beginning.
func (c *Crashing) Steps() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.steps
}

// Fail has f decide over every operation: an error is what the operation answers, undone. nil ends it.
func (c *Crashing) Fail(f func(op Op, name string) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault = f
}

// SetSpace bounds how many bytes may still be written before ENOSPC; negative lifts the bound. A write
// that does not fit is done in part, as real disks do.
func (c *Crashing) SetSpace(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.space = n
}

// PowerFailure returns what the next start finds: what was synced, and of unsynced growth a random part,
// since a disk may have written any of it before the power went; random may be nil for none.
func (c *Crashing) PowerFailure(random *rand.Rand) *Crashing {
	c.mu.Lock()
	defer c.mu.Unlock()
	after := NewCrashing()
	for _, name := range sortedNames(c.durable) {
		n := c.durable[name]
		if !c.reachable(name) {
			continue
		}
		kept := &node{dir: n.dir, data: surviving(n, random), modified: n.modified}
		kept.synced = append([]byte(nil), kept.data...)
		after.nodes[name], after.durable[name] = kept, kept
	}
	return after
}

// Killed returns what the next start finds when only the process died: everything it wrote.
func (c *Crashing) Killed() *Crashing {
	c.mu.Lock()
	defer c.mu.Unlock()
	after := NewCrashing()
	for name, n := range c.nodes {
		kept := &node{dir: n.dir, data: append([]byte(nil), n.data...), synced: append([]byte(nil), n.synced...), modified: n.modified}
		after.nodes[name], after.durable[name] = kept, kept
	}
	return after
}

// surviving is the synced bytes and, if the file only grew since, a random part of what came after.
func surviving(n *node, random *rand.Rand) []byte {
	kept := append([]byte(nil), n.synced...)
	if random == nil || len(n.data) <= len(n.synced) || !strings.HasPrefix(string(n.data), string(n.synced)) {
		return kept
	}
	return append(kept, n.data[len(kept):len(kept)+random.IntN(len(n.data)-len(kept)+1)]...)
}

// reachable reports whether all directories above a name are durable too.
func (c *Crashing) reachable(name string) bool {
	for dir := path.Dir(name); dir != "/"; dir = path.Dir(dir) {
		if n := c.durable[dir]; n == nil || !n.dir {
			return false
		}
	}
	return true
}

func sortedNames(m map[string]*node) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func clean(name string) string { return path.Clean("/" + filepath.ToSlash(name)) }

// step counts an operation and says whether it may happen.
func (c *Crashing) step(op Op, name string) error {
	if c.crashed {
		return pathError(op, name, ErrCrashed)
	}
	if c.fault != nil {
		if err := c.fault(op, name); err != nil {
			return pathError(op, name, err)
		}
	}
	if op == OpRead {
		return nil
	}
	if c.limit >= 0 && c.steps >= c.limit {
		c.crashed = true
		return pathError(op, name, ErrCrashed)
	}
	c.steps++
	return nil
}

func pathError(op Op, name string, err error) error {
	return &fs.PathError{Op: string(op), Path: name, Err: err}
}

// Open opens an existing file.
func (c *Crashing) Open(name string) (File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name = clean(name)
	if err := c.step(OpRead, name); err != nil {
		return nil, err
	}
	n := c.nodes[name]
	if n == nil || n.dir {
		return nil, pathError("open", name, fs.ErrNotExist)
	}
	return &memFile{fs: c, node: n, name: name}, nil
}

// Create makes or empties a file.
func (c *Crashing) Create(name string) (File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name = clean(name)
	if p := c.nodes[path.Dir(name)]; p == nil || !p.dir {
		return nil, pathError(OpCreate, name, fs.ErrNotExist)
	}
	if err := c.step(OpCreate, name); err != nil {
		return nil, err
	}
	n := c.nodes[name]
	if n == nil {
		n = &node{}
		c.nodes[name] = n
	}
	n.data, n.modified = nil, time.Now()
	return &memFile{fs: c, node: n, name: name}, nil
}

// ReadFile returns a whole file.
func (c *Crashing) ReadFile(name string) ([]byte, error) {
	f, err := c.Open(name)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]byte{}, f.(*memFile).node.data...), nil
}

// Stat describes a file or directory.
func (c *Crashing) Stat(name string) (fs.FileInfo, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name = clean(name)
	if err := c.step(OpRead, name); err != nil {
		return nil, err
	}
	n := c.nodes[name]
	if n == nil {
		return nil, pathError("stat", name, fs.ErrNotExist)
	}
	return info{name: path.Base(name), size: int64(len(n.data)), dir: n.dir, modified: n.modified}, nil
}

// ReadDir lists a directory.
func (c *Crashing) ReadDir(dir string) ([]fs.DirEntry, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	dir = clean(dir)
	if err := c.step(OpRead, dir); err != nil {
		return nil, err
	}
	if n := c.nodes[dir]; n == nil || !n.dir {
		return nil, pathError("readdir", dir, fs.ErrNotExist)
	}
	var out []fs.DirEntry
	for _, name := range sortedNames(c.nodes) {
		if name != "/" && path.Dir(name) == dir {
			n := c.nodes[name]
			out = append(out, fs.FileInfoToDirEntry(info{name: path.Base(name), size: int64(len(n.data)), dir: n.dir, modified: n.modified}))
		}
	}
	return out, nil
}

// MkdirAll makes a directory and those above it.
func (c *Crashing) MkdirAll(dir string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	dir = clean(dir)
	if n := c.nodes[dir]; n != nil && n.dir && !c.crashed {
		return nil
	}
	if err := c.step(OpMkdir, dir); err != nil {
		return err
	}
	for d := dir; d != "/"; d = path.Dir(d) {
		if n := c.nodes[d]; n == nil {
			c.nodes[d] = &node{dir: true, modified: time.Now()}
		} else if !n.dir {
			return pathError(OpMkdir, dir, fs.ErrExist)
		}
	}
	return nil
}

// Rename gives a file, or a directory with all in it, another name.
func (c *Crashing) Rename(from, to string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	from, to = clean(from), clean(to)
	if c.nodes[from] == nil && !c.crashed {
		return pathError(OpRename, from, fs.ErrNotExist)
	}
	if err := c.step(OpRename, from); err != nil {
		return err
	}
	move(c.nodes, from, to)
	return nil
}

func move(nodes map[string]*node, from, to string) {
	for _, name := range sortedNames(nodes) {
		if name == from || strings.HasPrefix(name, from+"/") {
			nodes[to+name[len(from):]] = nodes[name]
			delete(nodes, name)
		}
	}
}

// Remove removes a file or an empty directory.
func (c *Crashing) Remove(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	name = clean(name)
	if c.nodes[name] == nil && !c.crashed {
		return pathError(OpRemove, name, fs.ErrNotExist)
	}
	if err := c.step(OpRemove, name); err != nil {
		return err
	}
	delete(c.nodes, name)
	return nil
}

// RemoveAll removes a file, or a directory with all in it.
func (c *Crashing) RemoveAll(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	name = clean(name)
	if err := c.step(OpRemove, name); err != nil {
		return err
	}
	for _, n := range sortedNames(c.nodes) {
		if n == name || strings.HasPrefix(n, name+"/") {
			delete(c.nodes, n)
		}
	}
	return nil
}

// SyncDir makes the names of a directory durable. A directory that was renamed takes along what was
// durable in it, since that hangs on the directory and not on its name.
func (c *Crashing) SyncDir(dir string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	dir = clean(dir)
	if err := c.step(OpSyncDir, dir); err != nil {
		return err
	}
	if n := c.nodes[dir]; n == nil || !n.dir {
		return pathError(OpSyncDir, dir, fs.ErrNotExist)
	}
	for _, name := range sortedNames(c.nodes) {
		if n := c.nodes[name]; n.dir && path.Dir(name) == dir && name != "/" && c.durable[name] != n {
			c.moveDurableDir(name, n)
		}
	}
	for _, name := range sortedNames(c.durable) {
		if name != "/" && path.Dir(name) == dir && c.nodes[name] != c.durable[name] {
			delete(c.durable, name)
		}
	}
	for name, n := range c.nodes {
		if name != "/" && path.Dir(name) == dir {
			c.durable[name] = n
		}
	}
	return nil
}

func (c *Crashing) moveDurableDir(to string, n *node) {
	for _, from := range sortedNames(c.durable) {
		if c.durable[from] == n {
			move(c.durable, from, to)
			return
		}
	}
}

// Lock takes a lock that ends with Close or with the machine.
func (c *Crashing) Lock(name string) (io.Closer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name = clean(name)
	if c.locks[name] {
		return nil, fmt.Errorf("lock %s: %w", name, ErrLocked)
	}
	if c.nodes[name] == nil {
		if err := c.step(OpCreate, name); err != nil {
			return nil, err
		}
		c.nodes[name] = &node{modified: time.Now()}
	}
	c.locks[name] = true
	return lock{c, name}, nil
}

type lock struct {
	fs   *Crashing
	name string
}

func (l lock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	delete(l.fs.locks, l.name)
	return nil
}

// Space answers what SetSpace says.
func (c *Crashing) Space(string) (total, free int64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	const large = 1 << 40
	if c.space < 0 {
		return large, large, nil
	}
	return large, c.space, nil
}

type info struct {
	name     string
	size     int64
	dir      bool
	modified time.Time
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) ModTime() time.Time { return i.modified }
func (i info) IsDir() bool        { return i.dir }
func (i info) Sys() any           { return nil }
func (i info) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}
