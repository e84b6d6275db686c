package testcluster

import (
	"io/fs"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ottla/logdir/disk"
)

// faultyDisk is the machine's disk, made slow, full or broken for one broker.
type faultyDisk struct {
	disk.FS
	troubled atomic.Bool // a write looks at no more than this while nothing is wrong
	mu       struct {
		sync.Mutex
		slow    time.Duration // for each write and sync
		failure error         // of each write and sync
		full    bool
		changed chan struct{} // closed and replaced when something changes
	}
}

func newFaultyDisk() *faultyDisk {
	d := &faultyDisk{FS: disk.OS()}
	d.mu.changed = make(chan struct{})
	return d
}

func (d *faultyDisk) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
	d.troubled.Store(d.mu.slow > 0 || d.mu.full || d.mu.failure != nil)
	close(d.mu.changed)
	d.mu.changed = make(chan struct{})
}

func (d *faultyDisk) slow(by time.Duration) { d.set(func() { d.mu.slow = by }) }
func (d *faultyDisk) fill(full bool)        { d.set(func() { d.mu.full = full }) }
func (d *faultyDisk) fail(err error)        { d.set(func() { d.mu.failure = err }) }
func (d *faultyDisk) heal()                 { d.set(func() { d.mu.slow, d.mu.full, d.mu.failure = 0, false, nil }) }

// trouble is what a change of the disk meets: it waits as long as the disk is slow, then may fail. More space is
// needed only by what grows.
func (d *faultyDisk) trouble(op disk.Op, name string, grows bool) error {
	for began := time.Now(); d.troubled.Load(); {
		d.mu.Lock()
		left := d.mu.slow - time.Since(began)
		failure, full, changed := d.mu.failure, d.mu.full, d.mu.changed
		d.mu.Unlock()
		switch {
		case left > 0:
			timer := time.NewTimer(left)
			select {
			case <-timer.C:
			case <-changed:
			}
			timer.Stop()
			continue
		case failure != nil:
			return &fs.PathError{Op: string(op), Path: name, Err: failure}
		case full && grows:
			return &fs.PathError{Op: string(op), Path: name, Err: syscall.ENOSPC}
		}
		return nil
	}
	return nil
}

// Open opens an existing file.
func (d *faultyDisk) Open(name string) (disk.File, error) {
	f, err := d.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return &faultyFile{f, d, name}, nil
}

// Create makes or empties a file.
func (d *faultyDisk) Create(name string) (disk.File, error) {
	if err := d.trouble(disk.OpCreate, name, true); err != nil {
		return nil, err
	}
	f, err := d.FS.Create(name)
	if err != nil {
		return nil, err
	}
	return &faultyFile{f, d, name}, nil
}

// MkdirAll makes a directory and those above it.
func (d *faultyDisk) MkdirAll(dir string) error {
	if _, err := d.Stat(dir); err == nil {
		return d.FS.MkdirAll(dir)
	}
	if err := d.trouble(disk.OpMkdir, dir, true); err != nil {
		return err
	}
	return d.FS.MkdirAll(dir)
}

// Rename gives a file or directory another name.
func (d *faultyDisk) Rename(from, to string) error {
	if err := d.trouble(disk.OpRename, from, false); err != nil {
		return err
	}
	return d.FS.Rename(from, to)
}

// SyncDir makes the names in a directory durable.
func (d *faultyDisk) SyncDir(dir string) error {
	if err := d.trouble(disk.OpSyncDir, dir, false); err != nil {
		return err
	}
	return d.FS.SyncDir(dir)
}

// Space tells that nothing is left on a full disk.
func (d *faultyDisk) Space(dir string) (total, free int64, err error) {
	total, free, err = d.FS.Space(dir)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.full {
		free = 0
	}
	return total, free, err
}

type faultyFile struct {
	disk.File
	disk *faultyDisk
	name string
}

// WriteAt writes, if the disk takes it. A full disk takes what does not make the file longer.
func (f *faultyFile) WriteAt(b []byte, at int64) (int, error) {
	grows := false
	if f.disk.troubled.Load() {
		size, err := f.Size()
		if err != nil {
			return 0, err
		}
		grows = at+int64(len(b)) > size
	}
	if err := f.disk.trouble(disk.OpWrite, f.name, grows); err != nil {
		return 0, err
	}
	return f.File.WriteAt(b, at)
}

// Sync brings the file to the disk.
func (f *faultyFile) Sync() error {
	if err := f.disk.trouble(disk.OpSync, f.name, false); err != nil {
		return err
	}
	return f.File.Sync()
}
