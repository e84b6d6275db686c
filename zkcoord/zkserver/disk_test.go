package zkserver

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
)

// disk is a directory in memory that can lose power, and fail, after any number of operations.
//
// What a program sees is in files; what the platter has is what was synced, content by fsync and names by
// a sync of the directory. After a power loss everything else may be there, in part, or not.
type disk struct {
	mu      sync.Mutex
	files   map[string]*inode // as the program sees them
	durable map[string]*inode // names that were synced
	ops     int               // so far
	limit   int               // the operation from which on all fail; 0 for never
	syncErr error             // what fsync of a file says, if anything
}

type inode struct {
	content []byte
	synced  []byte
}

var errPowerLost = errors.New("power lost")

func newDisk() *disk { return &disk{files: map[string]*inode{}, durable: map[string]*inode{}} }

// operate counts an operation and tells whether it still happens.
func (d *disk) operate() error {
	d.ops++
	if d.limit > 0 && d.ops >= d.limit {
		return errPowerLost
	}
	return nil
}

// outcome says what becomes of that which was not synced.
type outcome int

const (
	nothingMore outcome = iota // only what was synced survives
	everything                 // all survives
	torn                       // parts survive, with garbage between
)

// after returns the disk as the next start finds it.
func (d *disk) after(o outcome, random *rand.Rand) *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := newDisk()
	names := maps.Clone(d.durable)
	if o != nothingMore {
		// Each creation, renaming and removal since the last sync of the directory comes through or not, in any order.
		for _, name := range slices.Sorted(maps.Keys(d.files)) {
			if o == everything || random.IntN(2) == 0 {
				names[name] = d.files[name]
			}
		}
		for _, name := range slices.Sorted(maps.Keys(d.durable)) {
			if d.files[name] == nil && (o == everything || random.IntN(2) == 0) {
				delete(names, name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		node := names[name]
		content := node.synced
		switch {
		case o == everything:
			content = node.content
		case o == torn && len(node.content) > len(node.synced) && bytes.HasPrefix(node.content, node.synced):
			tail := slices.Clone(node.content[len(node.synced):])
			tail = tail[:random.IntN(len(tail)+1)]
			if len(tail) > 0 && random.IntN(2) == 0 {
				clear(tail[random.IntN(len(tail)):]) // a page that never came to disk
			} else if len(tail) > 0 {
				tail[random.IntN(len(tail))] ^= 0xff
			}
			content = append(slices.Clone(node.synced), tail...)
		}
		survivor := &inode{slices.Clone(content), slices.Clone(content)}
		next.files[name], next.durable[name] = survivor, survivor
	}
	return next
}

func (d *disk) list() ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for name := range d.files {
		names = append(names, name)
	}
	return names, nil
}

func (d *disk) read(name string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if node := d.files[name]; node != nil {
		return slices.Clone(node.content), nil
	}
	return nil, fmt.Errorf("read %s: %w", name, fs.ErrNotExist)
}

func (d *disk) create(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.operate(); err != nil {
		return nil, err
	}
	node := d.files[name]
	if node == nil {
		node = &inode{}
		d.files[name] = node
	}
	node.content = nil
	return &diskFile{d, node}, nil
}

func (d *disk) truncate(name string, size int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.operate(); err != nil {
		return err
	}
	node := d.files[name]
	node.content = node.content[:size]
	if err := d.operate(); err != nil {
		return err
	}
	node.synced = slices.Clone(node.content)
	return nil
}

func (d *disk) rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.operate(); err != nil {
		return err
	}
	d.files[to] = d.files[from]
	delete(d.files, from)
	return nil
}

func (d *disk) remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.operate(); err != nil {
		return err
	}
	delete(d.files, name)
	return nil
}

func (d *disk) syncDir() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.operate(); err != nil {
		return err
	}
	d.durable = map[string]*inode{}
	for name, node := range d.files {
		d.durable[name] = node
	}
	return nil
}

func (d *disk) close() error { return nil }

type diskFile struct {
	disk *disk
	node *inode
}

// Write does half of the write that fails, as a disk does.
func (f *diskFile) Write(b []byte) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.operate(); err != nil {
		if f.disk.ops == f.disk.limit {
			f.node.content = append(f.node.content, b[:len(b)/2]...)
		}
		return 0, err
	}
	f.node.content = append(f.node.content, b...)
	return len(b), nil
}

func (f *diskFile) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.operate(); err != nil {
		return err
	}
	if f.disk.syncErr != nil {
		return f.disk.syncErr
	}
	f.node.synced = slices.Clone(f.node.content)
	return nil
}

func (f *diskFile) Close() error { return nil }
