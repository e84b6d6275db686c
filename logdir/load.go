package logdir

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"sync"

	"ottla/zkcoord/cluster"
)

// newLog is a Log without segments yet.
func newLog(m *Manager, d *logDir, folder string, tp cluster.TopicPartition, cfg Config) *Log {
	l := &Log{tp: tp, m: m, dir: d, cleaning: newExclusion()}
	l.path.Store(&folder)
	l.cfg.Store(&cfg)
	l.cleanPoint.Store(-1)
	l.flushing.done = *sync.NewCond(&l.flushing.mu)
	l.mu.cut = math.MaxInt64
	return l
}

// createLog makes the directory of a log that is not there yet.
func createLog(m *Manager, d *logDir, tp cluster.TopicPartition, id cluster.TopicID, cfg Config) (*Log, error) {
	return createFolder(m, d, d.file(tp.String()), tp, id, 0, cfg)
}

// createFolder makes a log's directory under any name, with a log that begins, empty, at an offset.
func createFolder(m *Manager, d *logDir, folder string, tp cluster.TopicPartition, id cluster.TopicID, start int64, cfg Config) (*Log, error) {
	l := newLog(m, d, folder, tp, cfg)
	if err := d.present(); err != nil {
		return nil, err
	}
	if err := m.fs.MkdirAll(l.folder()); err != nil {
		return nil, err
	}
	s, err := createSegment(m.files, l.folder(), start, &cfg)
	if err != nil {
		return nil, err
	}
	list := []*segment{s}
	l.segments.Store(&list)
	l.open(start, start, start)
	l.mu.metaDirty = true
	if id.IsZero() {
		return l, nil
	}
	return l, l.setTopicID(id)
}

// open sets where a loaded log begins, ends, and what is synced of it.
func (l *Log) open(start, end, synced int64) {
	s := l.active()
	m := &mark{offset: end, base: s.base, position: s.size.Load()}
	l.start.Store(start)
	l.end.Store(m)
	l.hw.Store(&mark{offset: start, position: -1})
	l.recoveryPoint.Store(synced)
	l.flushing.synced = synced
	l.mu.written = m
	l.mu.flushedAt = nowMillis()
}

// setTopicID writes partition.metadata; the next flush makes it durable.
func (l *Log) setTopicID(id cluster.TopicID) error {
	if err := writeFile(l.m.fs, l.file(partitionMetaFile), encodePartitionMeta(id), false); err != nil {
		return err
	}
	l.mu.Lock()
	l.mu.metaDirty = true
	l.mu.Unlock()
	l.id.Store(&id)
	return nil
}

// loader is one log on its way from the disk into memory.
type loader struct {
	l     *Log
	cfg   Config
	clean bool
	point int64 // the recovery point: what lies below was synced
	start int64
	bases []int64
}

// loadLog opens a log that is there. After an unclean shutdown it checks what lies behind the recovery
// point and cuts off what is torn.
func loadLog(m *Manager, d *logDir, folder string, tp cluster.TopicPartition, cfg Config) (*Log, error) {
	l := newLog(m, d, folder, tp, cfg)
	ld := &loader{l: l, cfg: cfg, clean: d.clean}
	ld.point, _ = m.savedOffset(d, recoveryPointFile, tp)
	l.savedPoint.Store(ld.point)
	ld.start, _ = m.savedOffset(d, logStartFile, tp)
	if at, ok := m.savedOffset(d, cleanerFile, tp); ok {
		l.cleanPoint.Store(at)
	}
	if err := ld.load(); err != nil {
		l.closeFiles()
		return nil, fmt.Errorf("load %s: %w", folder, err)
	}
	if hw, ok := m.savedOffset(d, highWatermarkFile, tp); ok {
		l.raise(hw)
	}
	l.mu.producers.committed(l.HighWatermark())
	l.refreshUnstableLocked()
	return l, nil
}

func (ld *loader) load() error {
	if err := ld.tidy(); err != nil {
		return err
	}
	if err := ld.loadMeta(); err != nil {
		return err
	}
	if err := ld.loadSegments(); err != nil {
		return err
	}
	epochsErr := ld.loadEpochs()
	if epochsErr != nil && !errors.Is(epochsErr, ErrCorruptCheckpoint) {
		return epochsErr
	}
	end, recovered, err := ld.recover()
	if err != nil {
		return err
	}
	return ld.finish(end, recovered, epochsErr)
}

// tidy removes what a crash left in the middle: files on their way out, copies that were not finished.
// A compacted segment whose swap had begun takes its place.
func (ld *loader) tidy() error {
	l := ld.l
	entries, err := l.m.fs.ReadDir(l.folder())
	if err != nil {
		return err
	}
	if err := ld.finishSwaps(entries); err != nil {
		return err
	}
	if entries, err = l.m.fs.ReadDir(l.folder()); err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		if name == movingFile {
			// A log that says where it moves is loaded only where the move had not come to its end.
			if err := l.staysHere(); err != nil {
				return err
			}
		}
		if strings.HasSuffix(name, suffixDeleted) || strings.HasSuffix(name, suffixCleaned) || strings.HasSuffix(name, suffixTmp) {
			if err := l.m.fs.Remove(l.file(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		if base, ok := parseOffsetName(name, suffixLog); ok {
			ld.bases = append(ld.bases, base)
		}
	}
	slices.Sort(ld.bases)
	return ld.removeOrphans(entries)
}

// removeOrphans removes indexes without a segment.
func (ld *loader) removeOrphans(entries []fs.DirEntry) error {
	for _, e := range entries {
		for _, suffix := range []string{suffixOffsets, suffixTimes, suffixTxns} {
			base, ok := parseOffsetName(e.Name(), suffix)
			if !ok {
				continue
			}
			if _, has := slices.BinarySearch(ld.bases, base); has {
				continue
			}
			if err := ld.l.m.fs.Remove(ld.l.file(e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func (ld *loader) loadMeta() error {
	l := ld.l
	b, err := l.m.fs.ReadFile(l.file(partitionMetaFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	id, err := parsePartitionMeta(b)
	if err != nil {
		// It is synced with the first flush; a power failure before that leaves it empty.
		if len(b) == 0 {
			return l.m.fs.Remove(l.file(partitionMetaFile))
		}
		return err
	}
	l.id.Store(&id)
	return nil
}

func (ld *loader) loadEpochs() error {
	l := ld.l
	b, err := l.m.fs.ReadFile(l.file(leaderEpochFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	list, err := parseEpochs(b)
	if err != nil {
		return fmt.Errorf("%s: %w", l.file(leaderEpochFile), err)
	}
	l.epochs.set(list)
	l.epochs.unwritten = false
	return nil
}

func (ld *loader) loadSegments() error {
	l := ld.l
	list := make([]*segment, 0, len(ld.bases))
	for _, base := range ld.bases {
		s, err := loadSegment(l.m.files, l.folder(), base, &ld.cfg)
		if err != nil {
			return err
		}
		list = append(list, s)
	}
	if len(list) == 0 {
		s, err := createSegment(l.m.files, l.folder(), max(ld.start, 0), &ld.cfg)
		if err != nil {
			return err
		}
		list = append(list, s)
	}
	l.segments.Store(&list)
	return nil
}

// finish sets the log's bounds and what it remembers besides records.
func (ld *loader) finish(end int64, recovered bool, epochsErr error) error {
	l := ld.l
	start := max(ld.start, l.list()[0].base)
	if start > end {
		l.m.log.Warnf("%v: log start %d is above the log end %d; starting anew there", l.tp, start, end)
		l.open(end, end, min(ld.point, end))
		return l.startAtLocked(start)
	}
	synced := end
	if !ld.clean {
		synced = min(ld.point, end)
	}
	l.open(start, end, synced)
	if epochsErr != nil {
		if !errors.Is(epochsErr, errEmptyEpochs) {
			l.m.log.WithError(epochsErr).Warnf("%v: leader epochs are read from the batches", l.tp)
		}
		if err := ld.rebuildEpochs(); err != nil {
			return err
		}
	}
	// An epoch that begins at the very end stays: its leader has not written yet.
	l.epochs.truncateEnd(end + 1)
	l.epochs.truncateStart(start)
	if err := l.writeEpochsLocked(); err != nil && !isFull(err) { // the next flush tries again
		return err
	}
	if !recovered {
		if err := l.loadProducersLocked(end); err != nil {
			return err
		}
	} else if err := errors.Join(l.removeSnapshotsAbove(end), ld.snapshot(end)); err != nil {
		return err
	}
	if err := l.tidySnapshotsLocked(); err != nil {
		return err
	}
	return l.active().activate(&ld.cfg)
}

func (ld *loader) rebuildEpochs() error {
	ld.l.epochs.set(nil)
	for _, s := range ld.l.list() {
		c, err := s.scan(0, s.size.Load())
		if err != nil {
			return err
		}
		for {
			h, _, ok, err := c.next()
			if err != nil {
				c.close()
				return err
			}
			if !ok {
				break
			}
			if h.LeaderEpoch >= 0 {
				ld.l.epochs.assign(h.LeaderEpoch, h.BaseOffset)
			}
		}
		c.close()
	}
	return nil
}

func (l *Log) closeFiles() {
	if p := l.segments.Load(); p != nil {
		for _, s := range *p {
			s.close()
		}
	}
}
