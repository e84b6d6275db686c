package logdir

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"sync/atomic"
	"time"

	"ottla/logdir/batch"
)

// Suffixes of a segment's files; before them stands the base offset in 20 digits.
const (
	suffixLog      = ".log"
	suffixOffsets  = ".index"
	suffixTimes    = ".timeindex"
	suffixTxns     = ".txnindex"
	suffixSnapshot = ".snapshot"

	suffixDeleted = ".deleted"
	suffixCleaned = ".cleaned"
	suffixSwap    = ".swap"
	suffixTmp     = ".tmp"
)

func offsetName(offset int64, suffix string) string { return fmt.Sprintf("%020d%s", offset, suffix) }

// segment is one file of batches and its three indexes. The active one, the last of a log, is written
// under the log's lock; all may be read at any time without.
type segment struct {
	base    int64
	log     *lazyFile
	offsets *index[offsetEntry]
	times   *index[timeEntry]
	txns    *txnIndex

	// size is how many bytes of the file are whole batches.
	size atomic.Int64
	// latest is the largest timestamp so far and the last offset of the first batch that has it.
	latest atomic.Pointer[timeMark]
	// unconfirmed says that latest is what a time index tells that a start has found, see confirmTime.
	unconfirmed atomic.Bool
	// modified is when the file was written last, in ms: what retention goes by without timestamps.
	modified atomic.Int64

	// The writer's, under the log's lock.
	sinceIndexed int           // bytes appended since the last index entry
	firstTime    int64         // maximum timestamp of the first batch, noTime until it is known
	created      int64         // ms
	jitter       time.Duration // how much earlier than segment.ms it rolls
}

// timeMark is a timestamp and the offset that has it.
type timeMark struct {
	timestamp int64
	offset    int64
}

const noTime = math.MinInt64

func newSegment(c *fileCache, dir string, base int64, cfg *Config) *segment {
	path := func(suffix string) *lazyFile { return newLazyFile(c, filepath.Join(dir, offsetName(base, suffix))) }
	s := &segment{base: base, log: path(suffixLog), firstTime: noTime, created: nowMillis(),
		offsets: newIndex(path(suffixOffsets), offsetEntrySize, getOffsetEntry, cfg.IndexBytes),
		times:   newIndex(path(suffixTimes), timeEntrySize, getTimeEntry, cfg.IndexBytes),
		txns:    &txnIndex{file: path(suffixTxns)}}
	s.modified.Store(s.created)
	return s
}

func nowMillis() int64 { return time.Now().UnixMilli() }

// createSegment makes the files of a new active segment.
func createSegment(c *fileCache, dir string, base int64, cfg *Config) (*segment, error) {
	s := newSegment(c, dir, base, cfg)
	for _, f := range []*lazyFile{s.log, s.offsets.file, s.times.file} {
		file, err := c.fs.Create(f.name())
		if err != nil {
			return nil, err
		}
		c.adopt(f, file)
	}
	return s, s.activate(cfg)
}

// activate makes the files as an active segment has them.
func (s *segment) activate(cfg *Config) error {
	s.jitter = jitterOf(s.base, cfg.SegmentJitter)
	if cfg.Preallocate {
		if err := s.resizeLog(max(int64(cfg.SegmentBytes), s.size.Load())); err != nil {
			return err
		}
	}
	return errors.Join(s.offsets.preallocate(), s.times.preallocate())
}

// jitterOf spreads the rolls of segments made at the same time; it need not be secret, only even.
func jitterOf(base int64, most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	x := uint64(base+nowMillis()) * 0x9e3779b97f4a7c15
	return time.Duration(x>>1) % most
}

func (s *segment) resizeLog(size int64) error {
	f, err := s.log.acquire()
	if err != nil {
		return err
	}
	defer f.unref()
	if err := f.Truncate(size); err != nil {
		return fmt.Errorf("resize %s to %d bytes: %w", s.log.name(), size, err)
	}
	return nil
}

// loadSegment takes a segment as a clean shutdown left it. Its indexes are only looked at, not read.
func loadSegment(c *fileCache, dir string, base int64, cfg *Config) (*segment, error) {
	s := newSegment(c, dir, base, cfg)
	info, err := c.fs.Stat(s.log.name())
	if err != nil {
		return nil, err
	}
	s.size.Store(info.Size())
	s.modified.Store(info.ModTime().UnixMilli())
	s.created = info.ModTime().UnixMilli()
	return s, nil
}

// loadIndexes takes the indexes as they are. ErrCorruptIndex asks for a rebuild.
func (s *segment) loadIndexes() error {
	if err := errors.Join(s.offsets.loadTrimmed(), s.times.loadTrimmed(), s.txns.load()); err != nil {
		return err
	}
	if e, ok := s.offsets.latest(); ok && (int64(e.position) >= s.size.Load() || int32(e.relative) < 0 || e.relative == 0) {
		return fmt.Errorf("%s names position %d of %d: %w", s.offsets.file.name(), e.position, s.size.Load(), ErrCorruptIndex)
	}
	if e, ok := s.times.latest(); ok {
		blank := e == timeEntry{} && s.times.count() > 1 // a hole that a crash has left
		if e.timestamp < 0 || int32(e.relative) < 0 || blank {
			return fmt.Errorf("%s names timestamp %d: %w", s.times.file.name(), e.timestamp, ErrCorruptIndex)
		}
		s.latest.Store(&timeMark{e.timestamp, s.base + int64(e.relative)})
	}
	s.unconfirmed.Store(true)
	return nil
}

// maxTimestamp is the largest timestamp so far, -1 without one.
func (s *segment) maxTimestamp() timeMark {
	if m := s.latest.Load(); m != nil {
		return *m
	}
	return timeMark{batch.NoTimestamp, -1}
}

// lastTime is when the newest record was made, as retention sees it: without timestamps, when the file
// was written last.
func (s *segment) lastTime() int64 {
	if t := s.maxTimestamp().timestamp; t >= 0 {
		return t
	}
	return s.modified.Load()
}

// write puts records behind the last batch. Nothing of it counts before added was called; what a
// failed write left is cut off again, as far as the disk still lets us.
func (s *segment) write(records []byte) error {
	f, err := s.log.acquire()
	if err != nil {
		return err
	}
	defer f.unref()
	at := s.size.Load()
	if _, err := f.WriteAt(records, at); err != nil {
		err = fmt.Errorf("write %s, position %d: %w", s.log.name(), at, err)
		if cut := f.Truncate(at); cut != nil {
			err = errors.Join(err, fmt.Errorf("cut back: %w", cut))
		}
		return err
	}
	return nil
}

// added notes one batch that write has put at the end: index entries, timestamps, size.
func (s *segment) added(h *batch.Header, interval int) error {
	position, n := s.size.Load(), h.SizeInBytes()
	s.note(h)
	if s.sinceIndexed > interval {
		if err := s.indexBatch(h, position); err != nil {
			return err
		}
		s.sinceIndexed = 0
	}
	s.sinceIndexed += n
	s.size.Store(position + int64(n))
	return nil
}

func (s *segment) note(h *batch.Header) {
	if s.size.Load() == 0 {
		s.firstTime = h.MaxTimestamp
	}
	if h.MaxTimestamp > s.maxTimestamp().timestamp {
		s.latest.Store(&timeMark{h.MaxTimestamp, h.LastOffset()})
	}
}

func (s *segment) indexBatch(h *batch.Header, position int64) error {
	if !s.offsets.full() {
		e := offsetEntry{relative: uint32(h.LastOffset() - s.base), position: uint32(position)}
		if err := s.offsets.add(e); err != nil {
			return err
		}
	}
	if s.times.full() {
		return nil
	}
	return s.indexTime()
}

// indexTime adds the largest timestamp to the time index, unless it is there already.
func (s *segment) indexTime() error {
	m := s.latest.Load()
	if m == nil || m.timestamp < 0 {
		return nil
	}
	if last, ok := s.times.latest(); ok && m.timestamp <= last.timestamp {
		return nil
	}
	return s.times.add(timeEntry{timestamp: m.timestamp, relative: uint32(m.offset - s.base)})
}

// fits reports whether an offset can be told by the indexes' 31 bits.
func (s *segment) fits(offset int64) bool {
	relative := offset - s.base
	return relative >= 0 && relative <= math.MaxInt32
}

// seal gives the files the form of a closed segment: the last time entry, indexes trimmed.
func (s *segment) seal(preallocated bool) error {
	if preallocated {
		if err := s.resizeLog(s.size.Load()); err != nil {
			return err
		}
	}
	return errors.Join(s.indexTime(), s.offsets.trim(), s.times.trim())
}

// settle frees what only an active segment needs in memory.
func (s *segment) settle() error { return errors.Join(s.offsets.settle(), s.times.settle()) }

func (s *segment) files() []*lazyFile {
	return []*lazyFile{s.log, s.offsets.file, s.times.file, s.txns.file}
}

func (s *segment) close() {
	for _, f := range s.files() {
		f.close()
	}
}

// moved tells the files that their directory has another name now.
func (s *segment) moved(dir string) {
	for _, f := range s.files() {
		f.moved(filepath.Join(dir, filepath.Base(f.name())))
	}
}

// markDeleted renames the files, so that a crash does not bring them back, and returns their new
// names, with tag before the suffix. Readers that have them open read on.
func (s *segment) markDeleted(tag string) (names []string, err error) {
	s.close()
	for _, f := range s.files() {
		to := f.name() + tag + suffixDeleted
		renameErr := f.cache.rename(f, to)
		if errors.Is(renameErr, fs.ErrNotExist) {
			continue
		}
		err = errors.Join(err, renameErr)
		names = append(names, to)
	}
	return names, err
}
