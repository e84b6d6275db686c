package logdir

import (
	"errors"
	"time"

	"ottla/zkcoord/cluster"
)

// cleanable is what of a log may be cleaned, and how much that would be worth.
type cleanable struct {
	log *Log
	// from is the first offset that was not cleaned yet; to the base of the first segment that stays as it is.
	from, to               int64
	cleanBytes, dirtyBytes int64
	// overdue is for how long, in ms, a record has waited beyond max.compaction.lag.ms; zero if none has.
	overdue int64
}

// ratio is the share of what was not cleaned yet, which min.cleanable.dirty.ratio is about.
func (c *cleanable) ratio() float64 {
	if c.dirtyBytes == 0 {
		return 0
	}
	return float64(c.dirtyBytes) / float64(c.cleanBytes+c.dirtyBytes)
}

// due reports whether the log wants to be cleaned now. One that moves has to wait, see Move.
func (c *cleanable) due() bool {
	return !c.log.moving.Load() && c.dirtyBytes > 0 && (c.overdue > 0 || c.ratio() > c.log.cfg.Load().MinCleanableRatio)
}

// cleanable finds what may be cleaned at a time in ms. That never reaches to the active segment, nor to
// the last stable offset: what is not committed may be truncated, and its older version would be gone. Nor
// to a segment with records younger than min.compaction.lag.ms.
func (l *Log) cleanable(now int64) (cleanable, error) {
	cfg, list := l.cfg.Load(), l.list()
	c := cleanable{log: l, from: l.cleanPoint.Load()}
	// A checkpoint that contradicts the log is not believed, and all is cleaned anew.
	if start := l.LogStartOffset(); c.from < start || c.from > l.LogEndOffset() {
		c.from = start
	}
	active := list[len(list)-1].base
	bound := min(l.LastStableOffset(), active)
	dirty := between(list, c.from, active)
	if lag := millis(cfg.MinCompactionLag); lag > 0 {
		for _, s := range dirty {
			if s.lastTime() > now-lag {
				bound = min(bound, s.base)
				break
			}
		}
	}
	bound = max(c.from, bound)
	c.to = min(list[max(floorSegment(list, bound), 0)].base, active)
	for _, s := range between(list, -1, c.from) {
		c.cleanBytes += s.size.Load()
	}
	for _, s := range between(list, min(c.from, c.to), c.to) {
		c.dirtyBytes += s.size.Load()
	}
	if c.dirtyBytes == 0 || cfg.MaxCompactionLag == Forever {
		return c, nil
	}
	oldest, err := firstTimestamp(dirty)
	if until := now - millis(cfg.MaxCompactionLag); oldest > 0 && oldest < until {
		c.overdue = until - oldest
	}
	return c, err
}

// between lists the segments that hold offsets of [from, to): the first may begin before.
func between(list []*segment, from, to int64) []*segment {
	if from >= to {
		return nil
	}
	return list[max(floorSegment(list, from), 0) : floorSegment(list, to-1)+1]
}

// firstTimestamp is the least timestamp of the segments' first batches, 0 if none has one.
func firstTimestamp(list []*segment) (least int64, err error) {
	for _, s := range list {
		c, err := s.scan(0, s.size.Load())
		if err != nil {
			return 0, err
		}
		h, _, ok, err := c.next()
		c.close()
		if err != nil {
			return 0, err
		}
		if ok && h.MaxTimestamp > 0 && (least == 0 || h.MaxTimestamp < least) {
			least = h.MaxTimestamp
		}
	}
	return least, nil
}

// Uncleanable says why a partition is not compacted any more, and since when.
type Uncleanable struct {
	Reason error
	Since  time.Time
}

// Uncleanable lists the partitions that the cleaners leave alone, since they met something there that they
// could not read. They serve as before; a truncation, or a restart, has them tried again.
func (m *Manager) Uncleanable() map[cluster.TopicPartition]Uncleanable {
	out := map[cluster.TopicPartition]Uncleanable{}
	for _, l := range m.Logs() {
		if u := l.uncleanable.Load(); u != nil {
			out[l.tp] = *u
		}
	}
	return out
}

// errCleaningAborted: whoever is to cut or delete has come, or the Manager closes.
var errCleaningAborted = errors.New("cleaning was given up")
