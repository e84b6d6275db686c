package disk

import (
	"io"
	"io/fs"
)

// File is an open file. ReadAt and WriteAt may be called by many goroutines at once; they move no
// shared position.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Truncate makes the file size bytes long: what lay beyond is gone, what is new reads as zeros
	// and takes no space.
	Truncate(size int64) error
	// Sync returns when the file's bytes and length would survive a power failure. After an error
	// nobody knows what is on the disk: a second Sync that succeeds proves nothing.
	Sync() error
	// Size is the length in bytes.
	Size() (int64, error)
	// Fd is the descriptor for sendfile, or NoFd if the file has none.
	Fd() uintptr
}

// NoFd is the descriptor of a file that lives in memory only.
const NoFd = ^uintptr(0)

// FS is a file system. Names are paths as package path/filepath makes them. Errors satisfy
// errors.Is(err, fs.ErrNotExist) and the like.
type FS interface {
	// Open opens an existing file for reading and writing.
	Open(name string) (File, error)
	// Create makes an empty file, or empties one that exists, and opens it for reading and writing.
	Create(name string) (File, error)
	// ReadFile returns a whole small file.
	ReadFile(name string) ([]byte, error)
	Stat(name string) (fs.FileInfo, error)
	// ReadDir lists a directory, sorted by name.
	ReadDir(dir string) ([]fs.DirEntry, error)
	MkdirAll(dir string) error
	Rename(from, to string) error
	Remove(name string) error
	RemoveAll(name string) error
	// SyncDir returns when the names made, renamed and removed in dir would survive a power failure.
	SyncDir(dir string) error
	// Lock takes the exclusive lock of a file, making it if need be, and fails at once with ErrLocked
	// if another holds it. Closing releases it. Java's FileChannel.lock sees the same lock.
	Lock(name string) (io.Closer, error)
	// Space tells the size of the file system that holds dir and what an ordinary user may still
	// write, both in bytes.
	Space(dir string) (total, free int64, err error)
}
