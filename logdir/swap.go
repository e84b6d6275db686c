package logdir

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// A cleaned segment takes the place of those it was made of in steps, between which the directory is
// synced, so that a crash between any two leaves either the old ones or the new one:
//
//  1. It is written and synced under names with .cleaned. A start finds them and removes them.
//  2. Its files are renamed to .swap, the .log last. While one .cleaned is left, a start removes both.
//  3. The old ones are renamed to .deleted. A start that finds .swap and no .cleaned goes on here.
//  4. .swap goes from the names, the .txnindex last. What a start finds with .swap still, it renames.

// createCleaned makes the files of a segment that cleaning writes.
func (l *Log) createCleaned(base int64, cfg *Config) (*segment, error) {
	s := newSegment(l.m.files, l.folder(), base, cfg)
	for _, f := range s.files() {
		f.moved(f.name() + suffixCleaned)
	}
	if err := l.m.fs.Remove(s.txns.file.name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, f := range []*lazyFile{s.log, s.offsets.file, s.times.file} {
		file, err := l.m.fs.Create(f.name())
		if err != nil {
			return nil, err
		}
		l.m.files.adopt(f, file)
	}
	return s, nil
}

// dropCleaned removes the files of a cleaning that came to nothing. Those with .swap go first: see step 2.
func (l *Log) dropCleaned(s *segment) {
	s.close()
	if l.dir.err() != nil {
		return
	}
	for _, suffix := range []string{suffixSwap, suffixCleaned} {
		for _, f := range s.files() {
			if name := f.name(); strings.HasSuffix(name, suffix) {
				if err := l.m.fs.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
					l.m.log.WithError(err).Warnf("could not remove %s", name)
				}
			}
		}
	}
}

// swapIn puts a cleaned segment, which is synced, in the place of a group. It needs l.cleaning.
func (l *Log) swapIn(s *segment, group []*segment) error {
	if err := l.renameAll(suffixCleaned, suffixSwap, s.offsets.file, s.times.file, s.txns.file, s.log); err != nil {
		return err
	}
	// From here on there is no way back: a start would go on from here, and so must we.
	names, err := l.retireGroup(group)
	if err == nil {
		err = l.renameAll(suffixSwap, "", s.offsets.file, s.times.file, s.log, s.txns.file)
	}
	if err != nil {
		return l.dir.fail(l.tp, fmt.Errorf("swap in the cleaned segment %d: %w", s.base, err))
	}
	l.mu.Lock()
	l.replaceGroupLocked(s, group)
	delay := l.cfg.Load().FileDeleteDelay
	l.mu.Unlock()
	l.m.removeLater(delay, names...)
	for _, old := range group[1:] {
		l.dropSnapshotLater(old.base, delay)
	}
	return nil
}

// retireGroup renames the files of segments that are replaced. Unlike a deletion it may come again for the same
// offset before what it left the first time is removed, and until the new segment is published readers
// still open these files by name: so each time has names of its own.
func (l *Log) retireGroup(group []*segment) (names []string, err error) {
	tag := fmt.Sprintf(".%d", l.m.retired.Add(1))
	for _, old := range group {
		renamed, err := old.markDeleted(tag)
		if err != nil {
			return nil, err
		}
		names = append(names, renamed...)
	}
	return names, l.m.fs.SyncDir(l.folder())
}

// renameAll gives files another suffix and makes that durable. The one with aborted transactions may not exist.
func (l *Log) renameAll(from, to string, files ...*lazyFile) error {
	for _, f := range files {
		name := strings.TrimSuffix(f.name(), from) + to
		err := l.m.files.rename(f, name)
		if errors.Is(err, fs.ErrNotExist) && strings.Contains(name, suffixTxns) {
			f.moved(name)
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return l.m.fs.SyncDir(l.folder())
}

// replaceGroupLocked publishes the new segment. The marks that say where in the old files an offset is are
// dropped first: a reader that sees the new list sees none of them, and to one that has the old list,
// those without a position do no harm.
func (l *Log) replaceGroupLocked(s *segment, group []*segment) {
	list := l.list()
	at := slices.Index(list, group[0])
	if at < 0 {
		panic(fmt.Sprintf("%v: segment %d was replaced while it was cleaned", l.tp, s.base))
	}
	last := group[len(group)-1].base
	stale := func(m *mark) bool { return m != nil && m.position >= 0 && m.base >= s.base && m.base <= last }
	l.marks.Lock()
	for i := range l.marks.recent {
		if stale(l.marks.recent[i].Load()) {
			l.marks.recent[i].Store(nil)
		}
	}
	if hw := l.hw.Load(); stale(hw) {
		l.hw.Store(&mark{offset: hw.offset, position: -1})
	}
	if end := l.end.Load(); stale(end) {
		// What is cleaned is committed as a whole, so this end is where the next segment begins: a roll has
		// not been followed by an append yet.
		l.end.Store(&mark{offset: end.offset, base: end.offset})
	}
	l.marks.Unlock()
	next := slices.Concat(list[:at], []*segment{s}, list[at+len(group):])
	l.segments.Store(&next)
}

// finishSwaps does at a start what step 2 or 3 and 4 had not come to. Kafka renames in another order, which
// makes no difference: while a file of a segment has .cleaned, its .swap ones are not all there.
func (ld *loader) finishSwaps(entries []fs.DirEntry) error {
	l := ld.l
	names := map[string]bool{}
	for _, e := range entries {
		names[e.Name()] = true
	}
	removed, err := ld.removeUnfinished(entries)
	if err != nil {
		return err
	}
	for _, e := range entries {
		base, ok := parseOffsetName(e.Name(), suffixLog+suffixSwap)
		if !ok || removed[e.Name()] {
			continue
		}
		if err := ld.removeReplaced(base, entries, names); err != nil {
			return err
		}
	}
	renamed := false
	for _, suffix := range []string{suffixOffsets, suffixTimes, suffixLog, suffixTxns} {
		for _, e := range entries {
			name, ok := strings.CutSuffix(e.Name(), suffixSwap)
			if !ok || removed[e.Name()] || !strings.HasSuffix(name, suffix) {
				continue
			}
			if err := l.m.fs.Rename(l.file(e.Name()), l.file(name)); err != nil {
				return err
			}
			renamed = true
		}
	}
	if !renamed {
		return nil
	}
	return l.m.fs.SyncDir(l.folder())
}

// removeUnfinished removes the .swap files of segments that have .cleaned ones too. The old segments are
// all there.
func (ld *loader) removeUnfinished(entries []fs.DirEntry) (removed map[string]bool, err error) {
	l := ld.l
	unfinished := map[string]bool{} // by the digits of the name
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffixCleaned) {
			unfinished[digits(e.Name())] = true
		}
	}
	removed = map[string]bool{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), suffixSwap) || !unfinished[digits(e.Name())] {
			continue
		}
		if err := l.m.fs.Remove(l.file(e.Name())); err != nil {
			return nil, err
		}
		removed[e.Name()] = true
	}
	if len(removed) == 0 {
		return removed, nil
	}
	return removed, l.m.fs.SyncDir(l.folder())
}

func digits(name string) string {
	before, _, _ := strings.Cut(name, ".")
	return before
}

// removeReplaced removes the segments whose records the swap file at base holds. An index at base that has
// no .swap beside it was renamed already, and is the new one.
func (ld *loader) removeReplaced(base int64, entries []fs.DirEntry, names map[string]bool) error {
	l := ld.l
	end, err := ld.swapEnd(base)
	if err != nil {
		return err
	}
	for _, e := range entries {
		for _, suffix := range []string{suffixLog, suffixOffsets, suffixTimes, suffixTxns} {
			at, ok := parseOffsetName(e.Name(), suffix)
			if !ok || at < base || at >= end {
				continue
			}
			if at == base && (suffix == suffixOffsets || suffix == suffixTimes) && !names[e.Name()+suffixSwap] {
				continue
			}
			if err := l.m.fs.Remove(l.file(e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return l.m.fs.SyncDir(l.folder())
}

// swapEnd is the offset behind the swap file's last batch.
func (ld *loader) swapEnd(base int64) (int64, error) {
	l := ld.l
	s := newSegment(l.m.files, l.folder(), base, &ld.cfg)
	s.log.moved(l.file(offsetName(base, suffixLog+suffixSwap)))
	defer s.close()
	info, err := l.m.fs.Stat(s.log.name())
	if err != nil {
		return 0, err
	}
	s.size.Store(info.Size())
	end, err := s.findEnd()
	return max(end, base+1), err
}
