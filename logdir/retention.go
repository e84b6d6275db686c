package logdir

import (
	"errors"
	"slices"
	"time"
)

// applyRetention deletes what the topics' settings want gone.
func (m *Manager) applyRetention() {
	for _, l := range m.Logs() {
		if err := l.applyRetention(time.Now()); err != nil {
			m.log.WithError(err).Warnf("%v: retention", l.tp)
		}
	}
}

// applyRetention deletes segments that are too old, too many, or below the log start, oldest first, and
// never one that is not committed as a whole.
func (l *Log) applyRetention(now time.Time) error {
	// A log that is being cleaned waits for the next check.
	if !l.cleaning.tryLock() {
		return nil
	}
	defer l.cleaning.unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.usableLocked() != nil {
		return nil
	}
	cfg := l.cfg.Load()
	n := l.countBelowStart()
	if cfg.Delete {
		n = max(n, l.countExpired(cfg, now), l.countExcess(cfg))
	}
	if n == 0 {
		return nil
	}
	return l.failing(l.deleteOldestLocked(n, cfg))
}

// committedSegments is how many segments, from the oldest on, lie below the high watermark entirely.
func (l *Log) committedSegments() int {
	list, hw := l.list(), l.HighWatermark()
	for i := range list {
		next := l.mu.written.offset
		if i+1 < len(list) {
			next = list[i+1].base
		}
		if next > hw || i+1 == len(list) && list[i].size.Load() == 0 {
			return i
		}
	}
	return len(list)
}

func (l *Log) countBelowStart() int {
	list, n := l.list(), 0
	for n+1 < len(list) && list[n+1].base <= l.start.Load() {
		n++
	}
	return n
}

func (l *Log) countExpired(cfg *Config, now time.Time) int {
	if cfg.RetentionAge < 0 {
		return 0
	}
	oldest := now.UnixMilli() - millis(cfg.RetentionAge)
	list, most := l.list(), l.committedSegments()
	for i := range most {
		// Nothing is deleted for the sake of an index that is not the segment's.
		if i+1 < len(list) || list[i].lastTime() < oldest {
			if err := list[i].confirmTime(); err != nil && !errors.Is(err, ErrCorruptBatch) {
				_ = l.failingRead(err) // that says it, if it is the disk
				return i
			}
		}
		if list[i].lastTime() >= oldest {
			return i
		}
	}
	return most
}

// countExcess: the log keeps at least retention.bytes, so a segment goes only if it is all surplus.
func (l *Log) countExcess(cfg *Config) int {
	if cfg.RetentionBytes < 0 {
		return 0
	}
	excess := l.Size() - cfg.RetentionBytes
	list, most := l.list(), l.committedSegments()
	for i := range most {
		if excess -= list[i].size.Load(); excess < 0 {
			return i
		}
	}
	return most
}

// deleteOldestLocked deletes n segments. If that is all, a new one is begun first.
func (l *Log) deleteOldestLocked(n int, cfg *Config) error {
	if n == len(l.list()) {
		err := l.rollLocked(l.mu.written.offset, cfg)
		switch {
		case err == nil:
			l.publishRollLocked()
		case isFull(err) && n > 1:
			n-- // the others make the space for it
		default:
			return err
		}
	}
	list := l.list()
	first := list[n].base
	if err := l.advanceStartLocked(max(first, l.start.Load())); err != nil {
		return err
	}
	kept := slices.Clone(list[n:])
	l.segments.Store(&kept)
	l.m.log.Infof("%v: deleted %d segments, the log starts at %d", l.tp, n, l.start.Load())
	for _, s := range list[:n] {
		l.dropSnapshotLater(s.base, cfg.FileDeleteDelay)
	}
	return l.dropSegmentsLocked(list[:n], cfg.FileDeleteDelay)
}

// publishRollLocked has the published end lie in the new segment, unless it waits for a sync.
func (l *Log) publishRollLocked() {
	if l.end.Load().offset == l.mu.written.offset {
		l.publishLocked(l.mu.written)
	}
}

func (l *Log) dropSnapshotLater(base int64, delay time.Duration) {
	name := l.file(offsetName(base, suffixSnapshot))
	if err := l.m.fs.Rename(name, name+suffixDeleted); err == nil {
		l.m.removeLater(delay, name+suffixDeleted)
	}
}

// SetProducerIDExpiration says for how long producers are remembered that write nothing (producer.id.expiration.ms), from the next check on.
func (m *Manager) SetProducerIDExpiration(d time.Duration) { m.expiration.Store(int64(d)) }

// silentSince is the time, in milliseconds since 1970, before which a producer must have written last to be forgotten.
func (m *Manager) silentSince() int64 {
	return nowMillis() - time.Duration(m.expiration.Load()).Milliseconds()
}

func (m *Manager) expireProducers() {
	before := m.silentSince()
	for _, l := range m.Logs() {
		l.mu.Lock()
		l.mu.producers.expire(before)
		l.countProducersLocked()
		l.mu.Unlock()
	}
}

// flushOld syncs the logs whose topics want it by time (flush.ms).
func (m *Manager) flushOld() {
	now := nowMillis()
	for _, l := range m.Logs() {
		age := l.cfg.Load().FlushAge
		if age == Forever {
			continue
		}
		l.mu.Lock()
		due := l.mu.unflushed > 0 && now-l.mu.flushedAt >= millis(age) && l.usableLocked() == nil
		l.mu.Unlock()
		if !due {
			continue
		}
		if err := l.Flush(); err != nil {
			m.log.WithError(err).Errorf("%v: flush", l.tp)
		}
	}
}
