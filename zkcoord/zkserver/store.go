package zkserver

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sirupsen/logrus"
)

const (
	// snapshotBytes is the size of the log that brings on a snapshot, whatever the number of writes.
	snapshotBytes = 256 << 20
	// manyLogs is the number of log files, one a life, that brings on a snapshot at the next start.
	manyLogs = 16
	// fullBytes is how much may wait for the disk before new requests wait as well.
	fullBytes = 16 << 20
)

// store keeps the database on disk: the newest snapshot, and the log of all that was written since.
//
// Writers only append to a buffer. One goroutine takes whatever has piled up, writes it as one group, syncs it
// and then tells everybody who waits: the longer the disk takes, the more writes share the next sync.
type store struct {
	fs     fileSystem
	log    logrus.FieldLogger
	every  int
	failed func(error)
	wake   chan struct{}
	done   chan struct{}
	wg     sync.WaitGroup

	// Of the flushing goroutine, once it runs.
	number int64 // of the log file in use
	file   file
	size   int64

	mu struct {
		sync.Mutex
		pending []chunk
		bytes   int           // in pending
		records int64         // appended so far, also those of pending: the position
		durable int64         // the position up to which everything is on disk
		synced  chan struct{} // closed, and replaced, when durable moves or the store ends
		// snapshotting is set from the moment that a snapshot is taken until it is on disk.
		snapshotting  bool
		sinceSnapshot int
		bytesSince    int
		number        int64 // of the file that the next record will be in
		ended         bool  // nothing becomes durable any more
		err           error
	}
}

// chunk is what goes to one log file.
type chunk struct {
	records  []byte
	snapshot []byte // if set, the state before records, which begin a new file
	number   int64  // of that file
}

func logName(number int64) string      { return fmt.Sprintf("log.%010d", number) }
func snapshotName(number int64) string { return fmt.Sprintf("snapshot.%010d", number) }

const temporaryName = "snapshot.tmp"

// numbered returns the numbers of the files of a kind, in order.
func numbered(names []string, kind string) []int64 {
	var numbers []int64
	for _, name := range names {
		rest, is := strings.CutPrefix(name, kind+".")
		if n, err := strconv.ParseInt(rest, 10, 64); is && err == nil && len(rest) == 10 && n > 0 {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers
}

// openStore reads the state from the directory, or puts initial there if the directory is new.
func openStore(o Options, initial func() *database) (*store, *database, error) {
	fs := o.files
	if fs == nil {
		d, err := openDirectory(o.DataDir)
		if err != nil {
			return nil, nil, err
		}
		fs = d
	}
	s := &store{
		fs: fs, log: o.Log, every: o.SnapshotEvery,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	s.mu.synced = make(chan struct{})
	db, err := s.load(initial)
	if err == nil {
		err = s.roll()
		s.mu.number = s.number
	}
	if err != nil {
		return nil, nil, errors.Join(err, fs.close())
	}
	return s, db, nil
}

func (s *store) load(initial func() *database) (*database, error) {
	names, err := s.fs.list()
	if err != nil {
		return nil, err
	}
	logs, snapshots := numbered(names, "log"), numbered(names, "snapshot")
	if len(snapshots) == 0 {
		if len(logs) > 0 {
			return nil, fmt.Errorf("there is %s but no snapshot to start from: %w", logName(logs[0]), errDamaged)
		}
		db := initial()
		if err := s.writeSnapshot(1, encodeSnapshot(db, 1)); err != nil {
			return nil, err
		}
		return db, nil
	}
	first := snapshots[len(snapshots)-1]
	content, err := s.fs.read(snapshotName(first))
	if err != nil {
		return nil, err
	}
	db, err := decodeSnapshot(content, first)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", snapshotName(first), err)
	}
	s.number = first - 1
	for _, number := range logs {
		if number < first {
			continue // older than the snapshot; a crash kept it from being removed
		}
		if number != s.number+1 {
			return nil, fmt.Errorf("%s is missing: %w", logName(s.number+1), errDamaged)
		}
		if err := s.replay(db, number, number == logs[len(logs)-1]); err != nil {
			return nil, fmt.Errorf("%s: %w", logName(number), err)
		}
		s.number = number
	}
	if s.number-first >= manyLogs {
		first = s.number + 1
		if err := s.writeSnapshot(first, encodeSnapshot(db, first)); err != nil {
			return nil, err
		}
		s.mu.sinceSnapshot, s.mu.bytesSince = 0, 0
	}
	s.clean(first)
	return db, nil
}

// replay applies a log file. Only the last one may end in a torn group: a file is whole before the next begins.
func (s *store) replay(db *database, number int64, last bool) error {
	content, err := s.fs.read(logName(number))
	if err != nil {
		return err
	}
	end, err := readLog(content, number, func(r record) error {
		s.mu.sinceSnapshot++
		return db.replay(r)
	})
	if err != nil {
		return err
	}
	s.mu.bytesSince += int(end)
	if tail := int64(len(content)) - end; tail > 0 || end == 0 {
		if !last {
			return fmt.Errorf("%d bytes at position %d, though a later file exists: %w", tail, end, errDamaged)
		}
		s.log.Warnf("%s: %d bytes of a write that was never acknowledged are cut at position %d", logName(number), tail, end)
		if end == 0 {
			// Not even its header had come to disk. It is written anew, so that the file is whole.
			f, err := s.fs.create(logName(number))
			if err != nil {
				return err
			}
			_, err = f.Write(logHeader(number))
			return errors.Join(err, f.Sync(), f.Close())
		}
		return s.fs.truncate(logName(number), end)
	}
	return nil
}

// roll begins the next log file. It must be found after a power failure before anything is acknowledged from it.
func (s *store) roll() error {
	f, err := s.fs.create(logName(s.number + 1))
	if err != nil {
		return err
	}
	header := logHeader(s.number + 1)
	if _, err = f.Write(header); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = s.fs.syncDir()
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if s.file != nil {
		if err := s.file.Close(); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	s.number, s.file, s.size = s.number+1, f, int64(len(header))
	return nil
}

// writeSnapshot puts a snapshot in place as a whole or not at all.
func (s *store) writeSnapshot(number int64, content []byte) error {
	f, err := s.fs.create(temporaryName)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := s.fs.rename(temporaryName, snapshotName(number)); err != nil {
		return err
	}
	return s.fs.syncDir()
}

// clean removes what snapshot number first makes superfluous. What stays because of an error does no harm.
func (s *store) clean(first int64) {
	names, err := s.fs.list()
	if err != nil {
		s.log.WithError(err).Warn("list the directory to remove old logs")
		return
	}
	for kind, name := range map[string]func(int64) string{"log": logName, "snapshot": snapshotName} {
		for _, number := range numbered(names, kind) {
			if number >= first {
				continue
			}
			if err := s.fs.remove(name(number)); err != nil {
				s.log.WithError(err).Warnf("remove the old %s", name(number))
			}
		}
	}
}

// start begins to write. failed is called once if the disk fails, from the store's goroutine.
func (s *store) start(failed func(error)) {
	s.failed = failed
	s.wg.Go(s.run)
}

// append adds a record. The caller holds Server.mu, and db has the record applied. When it is time, the state
// is encoded here, under that lock, and the next record goes to a new file: so file and snapshot fit exactly.
func (s *store) append(r record, db *database) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.mu.pending) - 1
	if last < 0 {
		s.mu.pending = append(s.mu.pending, chunk{})
		last = 0
	}
	e := encoder{s.mu.pending[last].records}
	before := len(e.b)
	r.encode(&e)
	s.mu.pending[last].records = e.b
	s.mu.bytes += len(e.b) - before
	s.mu.bytesSince += len(e.b) - before
	s.mu.records++
	s.mu.sinceSnapshot++
	if (s.mu.sinceSnapshot >= s.every || s.mu.bytesSince >= snapshotBytes) && !s.mu.snapshotting && !s.mu.ended {
		s.mu.snapshotting = true
		s.mu.sinceSnapshot, s.mu.bytesSince = 0, 0
		s.mu.number++
		s.mu.pending = append(s.mu.pending, chunk{snapshot: encodeSnapshot(db, s.mu.number), number: s.mu.number})
	}
	s.signal()
}

func (s *store) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// position is how many records have been appended.
func (s *store) position() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.records
}

// wait returns true when everything up to position is on disk, false if it never will be or gone is closed.
func (s *store) wait(position int64, gone <-chan struct{}) bool {
	return s.await(gone, func() bool { return s.mu.durable >= position })
}

// room waits until the disk has caught up enough to take more.
func (s *store) room(gone <-chan struct{}) bool {
	return s.await(gone, func() bool { return s.mu.bytes < fullBytes })
}

func (s *store) await(gone <-chan struct{}, enough func() bool) bool {
	for {
		s.mu.Lock()
		ok, ended, synced := enough(), s.mu.ended, s.mu.synced
		s.mu.Unlock()
		if ok || ended {
			return ok
		}
		select {
		case <-synced:
		case <-gone:
			return false
		}
	}
}
