package group

import (
	"ottla/logdir/batch"
	"ottla/zkcoord/cluster"
)

// removeOffsetsLocked forgets offsets, and the group itself when it is empty and has none left, and writes the
// tombstones. then is called when they are written, or could not be: in that case they come back with the next load
// and, if they were expired, expire again.
func (g *Group) removeOffsetsLocked(gone []cluster.TopicPartition, then func()) {
	b := batch.NewBuilder(batch.PlainOptions(g.c.config.Compression))
	now := nowMillis()
	for _, key := range gone {
		if g.mu.offsets.remove(key) {
			b.Append(now, offsetKey{g.id, key}.encode(), nil)
		}
	}
	if g.mu.state == empty && !g.mu.offsets.any() && len(g.mu.pending) == 0 {
		g.log().Infof("group has no members and no offsets: removed in generation %d", g.mu.generation)
		g.dieLocked()
		// Generation 0 never had members, so nothing was ever stored about it.
		if g.mu.generation > 0 {
			b.Append(now, groupKey{g.id}.encode(), nil)
		}
	}
	if b.Count() == 0 {
		g.laterLocked(then)
		return
	}
	count := b.Count()
	g.appendLocked(b, func(_ int64, err error) {
		if err != nil {
			g.log().Warnf("%d tombstones were not written: %v", count, err)
		}
		g.laterLocked(then)
	})
}

// TopicsDeleted forgets the offsets of partitions that exist no more, in every group.
func (c *Coordinator) TopicsDeleted(partitions []cluster.TopicPartition) {
	groups, _ := c.owned.All()
	for _, g := range groups {
		g.turn(func() {
			if g.mu.state != dead {
				g.removeOffsetsLocked(partitions, func() {})
			}
		})
	}
}
