package group

import (
	"time"

	"ottla/zkcoord/cluster"
)

// expireRegularly runs until Close.
func (c *Coordinator) expireRegularly() {
	tick := time.NewTicker(max(time.Millisecond, c.config.RetentionCheckInterval))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.expireOffsets()
		case <-c.ctx.Done():
			return
		}
	}
}

// expireOffsets removes what nobody has used for offsets.retention.minutes, and the groups that have nothing left.
func (c *Coordinator) expireOffsets() {
	begin, removed := time.Now(), 0
	groups, _ := c.owned.All()
	for _, g := range groups {
		g.turn(func() {
			if g.mu.state == dead {
				return
			}
			expired := g.expiredLocked(nowMillis())
			removed += len(expired)
			g.removeOffsetsLocked(expired, func() {})
		})
	}
	if removed > 0 {
		c.metrics.expirations.Add(float64(removed))
		c.log.Infof("%d expired offsets removed in %v", removed, time.Since(begin).Round(time.Millisecond))
	}
}

// expiredLocked lists the offsets whose time is over. When that time began to run depends on who uses them (KIP-211):
// in a group without members when the last one left, for a topic to which no member subscribes and for consumers without
// group management at the last commit. What members subscribe to does not expire.
func (g *Group) expiredLocked(now int64) (expired []cluster.TopicPartition) {
	since := func(s stored) int64 { return s.timestamp }
	switch {
	case g.mu.protocolType == "": // offsets without a group
	case g.mu.state == empty:
		if began := g.mu.stateSince; began >= 0 {
			since = func(stored) int64 { return began }
		}
	case g.mu.state == stable && g.mu.protocolType == consumerProtocol && g.mu.subscribed != nil:
	default:
		return nil
	}
	inUse := func(topic string) bool {
		_, subscribed := g.mu.subscribed[topic]
		return subscribed && g.mu.state == stable
	}
	for key, s := range g.mu.offsets.committed {
		if inUse(key.Topic) || g.mu.offsets.writing[key] > 0 {
			continue
		}
		over := now-since(s) >= millis(g.c.config.OffsetsRetention)
		if s.expires >= 0 {
			over = now >= s.expires // a time of its own, from OffsetCommit v4 or older
		}
		if over {
			expired = append(expired, key)
		}
	}
	return expired
}
