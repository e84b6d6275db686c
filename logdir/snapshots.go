package logdir

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"ottla/logdir/batch"
)

// writeSnapshotLocked writes what is known of the producers below offset. It is not synced: its CRC tells
// a torn one, and then an older one does.
func (l *Log) writeSnapshotLocked(offset int64) error {
	return writeFile(l.m.fs, l.file(offsetName(offset, suffixSnapshot)), encodeSnapshot(l.mu.producers.sorted()), false)
}

// snapshotOffsets lists the offsets of the snapshots there are, ascending.
func (l *Log) snapshotOffsets() ([]int64, error) {
	entries, err := l.m.fs.ReadDir(l.folder())
	if err != nil {
		return nil, err
	}
	var out []int64
	for _, e := range entries {
		if offset, ok := parseOffsetName(e.Name(), suffixSnapshot); ok {
			out = append(out, offset)
		}
	}
	slices.Sort(out)
	return out, nil
}

// parseOffsetName reads the offset of a file's name with exactly that suffix.
func parseOffsetName(name, suffix string) (int64, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	offset, err := strconv.ParseInt(digits, 10, 64)
	return offset, err == nil && offset >= 0 && digits[0] != '+'
}

// loadProducersLocked sets the producers to what they were at offset: the newest snapshot that is not
// above it, and what the batches behind that add. Snapshots above it describe a past that was cut off,
// and corrupt ones nothing: they go. Needs the segments up to offset to be sound.
func (l *Log) loadProducersLocked(offset int64) error {
	if err := l.removeSnapshotsAbove(offset); err != nil {
		return err
	}
	return l.restoreBelowLocked(offset)
}

// removeSnapshotsAbove removes the snapshots of a past that was cut off.
func (l *Log) removeSnapshotsAbove(offset int64) error {
	offsets, err := l.snapshotOffsets()
	for _, at := range offsets {
		if at > offset {
			err = errors.Join(err, l.removeSnapshot(at))
		}
	}
	return err
}

// restoreBelowLocked is loadProducersLocked without removing what describes a later state.
func (l *Log) restoreBelowLocked(offset int64) error {
	offsets, err := l.snapshotOffsets()
	if err != nil {
		return err
	}
	from := l.list()[0].base
	l.mu.producers.reset(from)
	for i := len(offsets) - 1; i >= 0; i-- {
		at := offsets[i]
		if at > offset {
			continue
		}
		restored, err := l.restoreLocked(at)
		if err != nil {
			return err
		}
		if restored {
			from = at
			break
		}
	}
	return l.replayLocked(from, offset)
}

func (l *Log) restoreLocked(at int64) (bool, error) {
	name := l.file(offsetName(at, suffixSnapshot))
	b, err := l.m.fs.ReadFile(name)
	if err != nil {
		return false, err
	}
	all, err := parseSnapshot(b)
	if err != nil {
		l.m.log.WithError(err).Warnf("%v: dropped %s", l.tp, name)
		return false, l.removeSnapshot(at)
	}
	l.mu.producers.restore(all, at)
	l.mu.producers.expire(l.m.silentSince())
	return true, nil
}

func (l *Log) removeSnapshot(at int64) error {
	err := l.m.fs.Remove(l.file(offsetName(at, suffixSnapshot)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// replayLocked adds the batches of [from, to) to the producers.
func (l *Log) replayLocked(from, to int64) error {
	for _, s := range l.list() {
		if s.base >= to || from >= to {
			break
		}
		if err := l.replaySegmentLocked(s, from, to); err != nil {
			return err
		}
	}
	l.mu.producers.end = max(from, to)
	return nil
}

func (l *Log) replaySegmentLocked(s *segment, from, to int64) error {
	size := s.size.Load()
	if size == 0 {
		return nil
	}
	start, err := s.startFor(from)
	if err != nil {
		return err
	}
	c, err := s.scan(start, size)
	if err != nil {
		return err
	}
	defer c.close()
	for {
		h, position, ok, err := c.next()
		if err != nil || !ok || h.BaseOffset >= to {
			return err
		}
		if h.LastOffset() < from || !h.HasProducerID() {
			continue
		}
		m, isMarker, err := c.marker(&h, position)
		if err != nil {
			return err
		}
		l.mu.producers.add(&h, m, isMarker)
	}
}

// marker reads the transaction marker of a batch that the scanner is at, if it is one.
func (c *scanner) marker(h *batch.Header, position int64) (m batch.Marker, isMarker bool, err error) {
	if !h.IsControl() {
		return m, false, nil
	}
	b, err := c.batch(h, position, nil)
	if err != nil {
		return m, false, err
	}
	if m, isMarker, err = markerOf(h, b); err != nil {
		return m, false, fmt.Errorf("%s, position %d: %w", c.name, position, errors.Join(ErrCorruptBatch, err))
	}
	return m, isMarker, nil
}

// tidySnapshotsLocked removes the snapshots that serve nobody: recovery starts at the newest one, or at
// the base of a segment.
func (l *Log) tidySnapshotsLocked() error {
	offsets, err := l.snapshotOffsets()
	if err != nil || len(offsets) == 0 {
		return err
	}
	list := l.list()
	for _, at := range offsets[:len(offsets)-1] {
		i := floorSegment(list, at)
		if i < 0 || list[i].base != at {
			err = errors.Join(err, l.removeSnapshot(at))
		}
	}
	return err
}
