package zkserver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// fileSystem is one directory as the store sees it. Names are without path. Tests fulfil it with a disk that
// loses power: what was not synced, data and directory entries alike, may then be gone.
type fileSystem interface {
	list() ([]string, error)
	read(name string) ([]byte, error)
	// create makes a new file to append to, and replaces one of that name.
	create(name string) (file, error)
	// truncate cuts a file and syncs it.
	truncate(name string, size int64) error
	rename(from, to string) error
	remove(name string) error
	// syncDir makes creations, renames and removals durable.
	syncDir() error
	// close lets go of the directory.
	close() error
}

type file interface {
	Write(b []byte) (int, error)
	Sync() error
	Close() error
}

// directory is a real one, held by a lock until it is closed.
type directory struct {
	path string
	lock *os.File
}

// openDirectory makes the directory if need be and locks it.
func openDirectory(path string) (*directory, error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.New("another server uses this directory")
		}
		return nil, fmt.Errorf("lock: %w", err)
	}
	// The directory itself must be found again after a power failure.
	parent := directory{path: filepath.Dir(path)}
	if err := parent.syncDir(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &directory{path, lock}, nil
}

func (d *directory) list() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

func (d *directory) read(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(d.path, name))
}

func (d *directory) create(name string) (file, error) {
	return os.OpenFile(filepath.Join(d.path, name), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
}

func (d *directory) truncate(name string, size int64) error {
	f, err := os.OpenFile(filepath.Join(d.path, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Sync(), f.Close())
}

func (d *directory) rename(from, to string) error {
	return os.Rename(filepath.Join(d.path, from), filepath.Join(d.path, to))
}

func (d *directory) remove(name string) error { return os.Remove(filepath.Join(d.path, name)) }

func (d *directory) syncDir() error {
	f, err := os.Open(d.path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d *directory) close() error { return d.lock.Close() }
