package group

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/logdir/batch"
	"ottla/zkcoord/cluster"
)

// Elect takes over the groups of a partition of __consumer_offsets that this broker leads since the epoch. They are
// read from the log in a goroutine; until they are there, requests are answered COORDINATOR_LOAD_IN_PROGRESS.
func (c *Coordinator) Elect(partition, epoch int32) {
	ctx, stop := context.WithCancel(c.ctx)
	p := c.owned.beginLoading(partition, epoch, stop)
	if p == nil {
		stop()
		return
	}
	c.work.run(func() {
		defer stop()
		c.load(ctx, partition, p)
	})
}

// Resign gives the groups of a partition up: those who wait are sent to look for the new coordinator. The epoch is
// that of the new leader, or nil when the replica goes altogether.
func (c *Coordinator) Resign(partition int32, epoch *int32) {
	groups := c.owned.resign(partition, epoch)
	for _, g := range groups {
		g.unload(kerr.NotCoordinator.Code)
	}
	if len(groups) > 0 {
		c.log.Infof("__consumer_offsets-%d: %d groups unloaded", partition, len(groups))
	}
}

const (
	firstLoadRetry = time.Second
	lastLoadRetry  = 30 * time.Second
)

// load reads the partition until it succeeds or the reign ends. Groups that were read only in part must not be
// served: their members would be told offsets of long ago and read everything again.
func (c *Coordinator) load(ctx context.Context, id int32, p *partition) {
	begin := time.Now()
	for wait := firstLoadRetry; ; wait = min(2*wait, lastLoadRetry) {
		l := newLoader(c, id)
		err := l.read(ctx)
		if err == nil {
			c.publish(id, p, l, begin)
			return
		}
		if ctx.Err() != nil {
			return
		}
		c.log.Errorf("load __consumer_offsets-%d, trying again in %v: %v", id, wait, err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

func (c *Coordinator) publish(id int32, p *partition, l *loader, begin time.Time) {
	groups := l.groups()
	loaded := slices.Collect(maps.Values(groups)) // the map belongs to the requests once it is published
	if !c.owned.endLoading(id, p, groups) {
		return
	}
	for _, g := range loaded {
		g.turn(g.wakeLocked)
	}
	took := time.Since(begin)
	c.metrics.loads.add(took)
	c.log.Infof("__consumer_offsets-%d: %d groups and %d offsets loaded in %v", id, len(loaded), len(l.offsets), took.Round(time.Millisecond))
}

// wakeLocked starts the sessions of a group that was loaded. Members that have died meanwhile time out.
func (g *Group) wakeLocked() {
	if g.mu.state == dead {
		return
	}
	if len(g.mu.members) > g.c.config.MaxSize {
		g.maybeRebalanceLocked("the group that was loaded is over group.max.size")
	}
	for _, m := range g.mu.order {
		if m.heartbeat == nil {
			g.expectHeartbeatLocked(m)
		}
	}
}

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
	from, err := l.c.storage.LogStart(l.partition)
	if err != nil {
		return fmt.Errorf("log start: %w", err)
	}
	for ctx.Err() == nil {
		end, err := l.c.storage.LogEnd(l.partition)
		if err != nil {
			return fmt.Errorf("log end: %w", err)
		}
		if from >= end {
			return nil
		}
		data, err := l.c.storage.Read(l.partition, from, l.c.config.LoadBufferBytes)
		if err != nil {
			return fmt.Errorf("read from offset %d: %w", from, err)
		}
		next, err := l.take(data, from)
		if err != nil {
			return fmt.Errorf("read from offset %d: %w", from, err)
		}
		if next == from {
			return nil // compaction has left nothing between here and the end
		}
		from = next
	}
	return ctx.Err()
}

// take applies batches and returns the offset to go on at.
func (l *loader) take(data []byte, from int64) (next int64, err error) {
	for b, err := range batch.All(data) {
		if err != nil {
			return from, err
		}
		h, err := batch.ReadHeader(b)
		if err != nil {
			return from, err
		}
		if h.LastOffset() >= from {
			if err := l.takeBatch(b, &h); err != nil {
				return from, fmt.Errorf("batch at offset %d: %w", h.BaseOffset, err)
			}
			from = h.NextOffset()
		}
	}
	return from, nil
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
		err = errors.Join(errors.New("members without a protocol"), ErrRecord)
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

// restore gives a group that nobody knows yet its state. Members that are stored have an assignment, so a group with
// some is stable.
func (g *Group) restore(v *groupValue) {
	g.mu.generation, g.mu.protocol, g.mu.stateSince = v.generation, v.protocol, v.stateSince
	if v.leader != nil {
		g.mu.leader = *v.leader
	}
	for i := range v.members {
		g.restoreMember(&v.members[i], v)
	}
	g.mu.protocolType = v.protocolType
	if len(v.members) > 0 {
		g.mu.state = stable
	}
	g.computeSubscribedLocked()
}

func (g *Group) restoreMember(m *memberValue, v *groupValue) {
	if g.mu.members[m.id] != nil {
		return
	}
	g.mu.roster.add(&member{id: m.id, instanceID: m.instanceID, clientID: m.clientID, clientHost: m.clientHost,
		rebalanceTimeout: m.rebalanceTimeout, sessionTimeout: m.sessionTimeout,
		protocols: []protocol{{*v.protocol, m.subscription}}, assignment: m.assignment}, v.protocolType)
}
