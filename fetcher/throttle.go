package fetcher

import (
	"time"

	"ottla/zkcoord/cluster"
)

// Throttle is the quota of replication for followers.
type Throttle interface {
	// Throttled reports whether this broker's replica of a partition is throttled, Delay how long those have to wait, 0 if they
	// need not.
	Throttled(tp cluster.TopicPartition) bool
	Delay() time.Duration
	// Record counts bytes of throttled replicas that were copied.
	Record(bytes int)
}

// throttleLocked has partitions rest that are throttled, when the quota is used up. One that has all that the leader has
// committed goes on: it may be in the ISR, and would leave it.
func (f *fetcher) throttleLocked(now time.Time) {
	t := f.options.Throttle
	if t == nil {
		return
	}
	delay := t.Delay()
	if delay <= 0 {
		return
	}
	for _, p := range f.mu.list {
		inSync := p.leaderHW >= 0 && p.lag() == 0
		if p.ready(fetching, now) && !inSync && t.Throttled(p.TopicPartition) {
			p.resume = now.Add(delay)
		}
	}
}

// copied counts what was copied of a throttled partition, in sync or not.
func (f *fetcher) copied(p *partition, bytes int) {
	if t := f.options.Throttle; t != nil && bytes > 0 && t.Throttled(p.TopicPartition) {
		t.Record(bytes)
	}
}
