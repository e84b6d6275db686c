package group

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/server/statetopic"
)

// Elect takes over the groups of a partition of __consumer_offsets that this broker leads since the epoch. They are
// read from the log in a goroutine; until they are there, requests are answered COORDINATOR_LOAD_IN_PROGRESS.
func (c *Coordinator) Elect(partition, epoch int32) {
	if r := c.owned.Begin(c.ctx, partition, epoch, false); r != nil {
		c.work.Run(func() { c.load(r) })
	}
}

// Resign gives the groups of a partition up: those who wait are sent to look for the new coordinator. The epoch is
// that of the new leader, or nil when the replica goes altogether.
func (c *Coordinator) Resign(partition int32, epoch *int32) {
	groups := c.owned.Resign(partition, epoch)
	for _, g := range groups {
		g.unload(kerr.NotCoordinator.Code)
	}
	if len(groups) > 0 {
		c.log.Infof("%s-%d: %d groups unloaded", offsetsTopic, partition, len(groups))
	}
}

const offsetsTopic = "__consumer_offsets"

func (c *Coordinator) load(r *statetopic.Reign[*Group]) {
	begin := time.Now()
	var l *loader
	if r.Load(c.log, offsetsTopic, func(ctx context.Context) error { l = newLoader(c, r.Partition); return l.read(ctx) }) {
		c.publish(r, l, begin)
	}
}

func (c *Coordinator) publish(r *statetopic.Reign[*Group], l *loader, begin time.Time) {
	groups := l.groups()
	loaded := slices.Collect(maps.Values(groups)) // the map belongs to the requests once it is published
	if !c.owned.Publish(r, groups) {
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
	c.log.WithFields(nil).Logf(level, "%s-%d: %d groups and %d offsets loaded in %v", offsetsTopic, r.Partition, len(loaded), len(l.offsets), took.Round(time.Millisecond))
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
