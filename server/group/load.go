package group

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kerr"
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
	c.work.Run(func() {
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
	c.metrics.loads.Add(took)
	level := logrus.InfoLevel
	if len(loaded) == 0 {
		level = logrus.DebugLevel // fifty lines that say nothing, at each start of a small broker
	}
	c.log.WithFields(nil).Logf(level, "__consumer_offsets-%d: %d groups and %d offsets loaded in %v", id, len(loaded), len(l.offsets), took.Round(time.Millisecond))
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
