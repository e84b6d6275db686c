package txn

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"
)

// Elect takes over the transactional ids of a partition of __transaction_state that this broker leads since the epoch.
// They are read from the log in a goroutine; until they are there, requests are answered COORDINATOR_LOAD_IN_PROGRESS. In a
// newer epoch they are read again: it stands in markers, and partitions refuse those of an older one.
func (c *Coordinator) Elect(partition, epoch int32) {
	if r := c.owned.Begin(c.ctx, partition, epoch, true); r != nil {
		c.work.Run(func() { c.load(r) })
	}
}

// Resign gives the transactional ids of a partition up. The epoch is that of the new leader, or nil when the replica goes
// altogether. Markers that wait are forgotten: the next coordinator finds the decisions in the log.
func (c *Coordinator) Resign(partition int32, epoch *int32) {
	if transactions := c.owned.Resign(partition, epoch); len(transactions) > 0 {
		c.log.Infof("%s-%d: %d transactional ids unloaded", stateTopic, partition, len(transactions))
	}
}

const stateTopic = "__transaction_state"

func (c *Coordinator) load(r *reign) {
	begin := time.Now()
	l := &loader{c: c, partition: r.Partition, found: make(map[string]metadata)}
	if r.Load(c.log, stateTopic, func(ctx context.Context) error { clear(l.found); return l.read(ctx) }) {
		c.publish(r, l.found, begin)
	}
}

// publish opens the reign, and goes on with the transactions that are decided.
func (c *Coordinator) publish(r *reign, found map[string]metadata, begin time.Time) {
	transactions := make(map[string]*transaction, len(found))
	var decided []*completion
	for id, m := range found {
		t := newTransaction(id, r, m)
		transactions[id] = t
		if m.state.decided() {
			next := t.beginLocked(m.toComplete(nowMillis())) // nobody else knows of t yet
			decided = append(decided, &completion{t: t, commit: m.state == PrepareCommit, producerID: m.producerID, epoch: m.epoch, next: next})
		}
	}
	count := len(transactions)
	if !c.owned.Publish(r, transactions) {
		return
	}
	took := time.Since(begin)
	c.metrics.loads.Add(took)
	level := logrus.InfoLevel
	if count == 0 {
		level = logrus.DebugLevel // fifty lines that say nothing, at each start of a small broker
	}
	c.log.WithFields(nil).Logf(level, "%s-%d: %d transactional ids loaded in %v, %d with markers to write",
		stateTopic, r.Partition, count, took.Round(time.Millisecond), len(decided))
	for _, d := range decided {
		c.markers.send(d)
	}
}
