package txn

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"
)

// Elect takes over the transactional ids of a partition of __transaction_state that this broker leads since the epoch.
// They are read from the log in a goroutine; until they are there, requests are answered COORDINATOR_LOAD_IN_PROGRESS. In a
// newer epoch they are read again.
func (c *Coordinator) Elect(partition, epoch int32) {
	ctx, stop := context.WithCancel(c.ctx)
	r := c.owned.begin(partition, epoch, stop)
	if r == nil {
		stop()
		return
	}
	c.work.Run(func() {
		defer stop()
		c.load(ctx, r)
	})
}

// Resign gives the transactional ids of a partition up. The epoch is that of the new leader, or nil when the replica goes
// altogether. Markers that wait are forgotten: the next coordinator finds the decisions in the log.
func (c *Coordinator) Resign(partition int32, epoch *int32) {
	if r := c.owned.resign(partition, epoch); r != nil && len(r.transactions) > 0 {
		c.log.Infof("__transaction_state-%d: %d transactional ids unloaded", partition, len(r.transactions))
	}
}

const (
	firstLoadRetry = time.Second
	lastLoadRetry  = 30 * time.Second
)

// load reads the partition until it succeeds or the reign ends. What was read only in part must not be served: a producer
// would be given an epoch that another has.
func (c *Coordinator) load(ctx context.Context, r *reign) {
	begin := time.Now()
	l := &loader{c: c, partition: r.partition, found: make(map[string]metadata)}
	for rest := firstLoadRetry; ; rest = min(2*rest, lastLoadRetry) {
		err := l.read(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return
		}
		c.log.Errorf("load __transaction_state-%d, trying again in %v: %v", r.partition, rest, err)
		if !wait(ctx, rest) {
			return
		}
		clear(l.found)
	}
	c.publish(r, l.found, begin)
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
	if !c.owned.publish(r, transactions) {
		return
	}
	took := time.Since(begin)
	c.metrics.loads.Add(took)
	level := logrus.InfoLevel
	if count == 0 {
		level = logrus.DebugLevel // fifty lines that say nothing, at each start of a small broker
	}
	c.log.WithFields(nil).Logf(level, "__transaction_state-%d: %d transactional ids loaded in %v, %d with markers to write",
		r.partition, count, took.Round(time.Millisecond), len(decided))
	for _, d := range decided {
		c.markers.send(d)
	}
}
