package logdir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"ottla/zkcoord/cluster"
)

// logDir is one of log.dirs. It is live until the disk fails once.
type logDir struct {
	path    string
	m       *Manager
	lock    io.Closer
	clean   bool // it was closed properly
	offline atomic.Pointer[dirError]
	syncing atomic.Bool // a sync of the names is queued
	space   space
	// saved is what the checkpoint files say, by file; the Manager's checkpointing lock guards it.
	saved map[string]map[cluster.TopicPartition]int64
}

type dirError struct{ err error }

// err is nil while the directory is live.
func (d *logDir) err() error {
	if e := d.offline.Load(); e != nil {
		return e.err
	}
	return nil
}

func (d *logDir) file(name string) string { return filepath.Join(d.path, name) }

// present finds out whether what stands at the path is still the directory that was opened. Where a file system was unmounted, the
// mount point is there, and would take files that nobody finds again (TestAnUnmountedDirectoryGoesOfflineAlone).
func (d *logDir) present() error {
	_, err := d.m.fs.Stat(d.file(metaFile))
	return err
}

// failing passes on what went wrong at tp. A disk that fails takes the directory offline; one that is full
// does not, since the log is as it was before.
func (d *logDir) failing(tp cluster.TopicPartition, err error) error {
	switch {
	case err == nil || errors.Is(err, ErrClosed) || errors.Is(err, ErrStorage):
		return err
	case isFull(err):
		return d.outOfSpace(tp, err)
	case isDiskError(err):
		return d.fail(tp, err)
	default:
		return fmt.Errorf("%v: %w: %w", tp, ErrStorage, err)
	}
}

// fail takes the directory offline, once, and tells whoever wants to know.
func (d *logDir) fail(tp cluster.TopicPartition, err error) error {
	e := &dirError{err: fmt.Errorf("%w: %w: %s: %w", ErrStorage, ErrOfflineDir, d.path, err)}
	if !d.offline.CompareAndSwap(nil, e) {
		return d.err()
	}
	d.m.log.WithError(err).Errorf("log directory %s goes offline; it failed at %v", d.path, tp)
	d.m.metrics.offlineDirs.Inc()
	d.m.metrics.offline.WithLabelValues(d.path).Set(1)
	if f := d.m.o.OnDirFailure; f != nil {
		// Not as a background job: those may be waiting for the very disk that failed.
		d.m.notices.Go(func() { f(d.path, err) })
	}
	return e.err
}

// isDiskError tells a failing disk from everything else: the file system's own errors, but not a
// reader's use of a file that is closed, nor that the process has too many open.
func isDiskError(err error) bool {
	if errors.Is(err, fs.ErrClosed) || errors.Is(err, ErrClosed) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return false
	}
	var path *fs.PathError
	var link *os.LinkError
	var number syscall.Errno
	return errors.As(err, &path) || errors.As(err, &link) || errors.As(err, &number)
}
