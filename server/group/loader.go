package group

import (
	"context"
	"errors"

	"ottla/logdir/batch"
	"ottla/server/statetopic"
	"ottla/zkcoord/cluster"
)

// loader gathers what the records of a partition amount to: for each key the last one counts.
type loader struct {
	c         *Coordinator
	partition int32
	offsets   map[offsetKey]stored
	values    map[string]*groupValue
	// open are commits of transactions that have not ended, by producer id.
	open    map[int64]map[offsetKey]stored
	skipped int
}

func newLoader(c *Coordinator, partition int32) *loader {
	return &loader{c: c, partition: partition, offsets: make(map[offsetKey]stored), values: make(map[string]*groupValue),
		open: make(map[int64]map[offsetKey]stored)}
}

// read goes through the whole log, up to its end at the time.
func (l *loader) read(ctx context.Context) error {
	return statetopic.Replay(ctx, l.c.storage, l.partition, l.c.config.LoadBufferBytes, l.takeBatch)
}

func (l *loader) takeBatch(b []byte, h *batch.Header) error {
	if h.IsControl() {
		marker, ok, err := batch.ReadMarker(b)
		if err != nil || !ok {
			return err
		}
		l.endTransaction(h.ProducerID, marker.Commit)
		return nil
	}
	for r, err := range batch.Records(b) {
		if err != nil {
			return err
		}
		if err := l.takeRecord(h, r.Key, r.Value); err != nil {
			// A record that is newer than we are, or broken, costs itself and no other. One line a partition is enough.
			if l.skipped++; l.skipped == 1 {
				l.c.log.Warnf("__consumer_offsets-%d: record at offset %d skipped, as are others like it: %v", l.partition, r.Offset, err)
			}
		}
	}
	return nil
}

func (l *loader) takeRecord(h *batch.Header, key, value []byte) error {
	k, err := decodeKey(key)
	if err != nil {
		return err
	}
	switch k := k.(type) {
	case offsetKey:
		return l.takeOffset(h, k, value)
	case groupKey:
		return l.takeGroup(k.group, value)
	}
	return nil
}

func (l *loader) takeOffset(h *batch.Header, k offsetKey, value []byte) error {
	into := l.offsets
	if h.IsTransactional() {
		if into = l.open[h.ProducerID]; into == nil {
			into = make(map[offsetKey]stored)
			l.open[h.ProducerID] = into
		}
	}
	if value == nil {
		delete(into, k)
		return nil
	}
	c, err := decodeCommit(value)
	if err == nil {
		into[k] = stored{c, h.BaseOffset}
	}
	return err
}

func (l *loader) takeGroup(id string, value []byte) error {
	if value == nil {
		delete(l.values, id)
		return nil
	}
	v, err := decodeGroup(value)
	if err == nil && len(v.members) > 0 && v.protocol == nil {
		err = errors.Join(errors.New("members without a protocol"), statetopic.ErrRecord)
	}
	if err == nil {
		l.values[id] = v
	}
	return err
}

// endTransaction makes what a producer has committed count, or not. A commit outside of the transaction that
// was written after it stays.
func (l *loader) endTransaction(producer int64, commit bool) {
	if commit {
		for k, s := range l.open[producer] {
			if there, ok := l.offsets[k]; !ok || there.recordOffset < s.recordOffset {
				l.offsets[k] = s
			}
		}
	}
	delete(l.open, producer)
}

// groups makes the groups, with those that have offsets and no metadata: nobody ever joined them.
func (l *loader) groups() map[string]*Group {
	groups := make(map[string]*Group)
	of := func(id string) *Group {
		g := groups[id]
		if g == nil {
			g = newGroup(l.c, id, l.partition)
			groups[id] = g
		}
		return g
	}
	for id, v := range l.values {
		of(id).restore(v)
	}
	for k, s := range l.offsets {
		of(k.group).mu.offsets.committed[k.tp] = s
	}
	for producer, commits := range l.open {
		for k, s := range commits {
			o := &of(k.group).mu.offsets
			if o.open[producer] == nil {
				o.open[producer] = make(map[cluster.TopicPartition]stored)
			}
			o.open[producer][k.tp] = s
		}
	}
	return groups
}
