package disk

import (
	"io"
	"io/fs"
	"syscall"
	"time"
)

// memFile is an open file of a Crashing file system.
type memFile struct {
	fs     *Crashing
	node   *node
	name   string
	closed bool
}

func (f *memFile) usable(op Op) error {
	if f.closed {
		return pathError(op, f.name, fs.ErrClosed)
	}
	return f.fs.step(op, f.name)
}

func (f *memFile) ReadAt(b []byte, at int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(OpRead); err != nil {
		return 0, err
	}
	if at >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.node.data[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(b []byte, at int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(OpWrite); err != nil {
		return 0, err
	}
	n := len(b)
	if f.fs.space >= 0 {
		n = int(min(int64(n), f.fs.space))
		f.fs.space -= int64(n)
	}
	if grown := at + int64(n); grown > int64(len(f.node.data)) && n > 0 {
		f.resize(grown)
	}
	copy(f.node.data[min(at, int64(len(f.node.data))):], b[:n])
	f.node.modified = time.Now()
	if n < len(b) {
		return n, pathError(OpWrite, f.name, syscall.ENOSPC)
	}
	return n, nil
}

func (f *memFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(OpTruncate); err != nil {
		return err
	}
	f.resize(size)
	return nil
}

func (f *memFile) resize(size int64) {
	old := f.node.data
	if size <= int64(len(old)) {
		f.node.data = old[:size:size]
		return
	}
	f.node.data = append(old, make([]byte, size-int64(len(old)))...)
}

func (f *memFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(OpSync); err != nil {
		return err
	}
	f.node.synced = append([]byte(nil), f.node.data...)
	return nil
}

func (f *memFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(OpRead); err != nil {
		return 0, err
	}
	return int64(len(f.node.data)), nil
}

func (f *memFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		return pathError("close", f.name, fs.ErrClosed)
	}
	f.closed = true
	return nil
}

func (f *memFile) Fd() uintptr { return NoFd }

var _ FS = (*Crashing)(nil)
