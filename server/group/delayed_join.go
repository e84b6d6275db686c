package group

import (
	"time"

	"ottla/purgatory"
)

// rebalanceKey is what joins and syncs of a group are watched under.
type rebalanceKey struct {
	group string
	sync  bool
}

// delayedJoin waits for the members of a group to join again, at most for the longest of their rebalance
// timeouts. Then those who came make the next generation.
//
// A group that begins has nobody to wait for, so its first rebalance waits a fixed time instead, prolonged for
// as long as members keep coming (KIP-134): a deployment of twenty consumers then makes one rebalance, not twenty.
type delayedJoin struct {
	purgatory.Base
	g *Group
	// initial says that it is such a first wait, of the given delay, with remaining left of the rebalance timeout.
	initial          bool
	delay, remaining time.Duration
}

// Ready reports that all have joined. Nothing that can happen until Complete takes that back: members may come,
// but they come by joining, or go. An initial wait ends by its time alone.
func (d *delayedJoin) Ready() bool {
	d.g.mu.Lock()
	defer d.g.mu.Unlock()
	return d.g.mu.rebalance != d || d.g.mu.state == dead || !d.initial && d.g.mu.allJoined()
}

// Complete begins the next generation.
func (d *delayedJoin) Complete(expired bool) {
	d.g.turnOf(expired, func() {
		if d.g.mu.rebalance != d || d.g.mu.state != preparingRebalance {
			return
		}
		if d.initial && d.g.mu.newcomers && d.remaining > 0 {
			d.g.mu.newcomers = false
			d.g.awaitInitialLocked(min(d.g.c.config.InitialRebalanceDelay, d.remaining), max(0, d.remaining-d.delay))
			return
		}
		d.g.mu.rebalance = nil
		d.g.completeJoinLocked()
	})
}

// awaitInitialLocked makes the members' first rebalance wait for more of them.
func (g *Group) awaitInitialLocked(delay, remaining time.Duration) {
	g.awaitAllLocked(&delayedJoin{g: g, initial: true, delay: delay, remaining: remaining}, delay)
}

// awaitAllLocked puts a join into the purgatory, in place of an earlier one.
func (g *Group) awaitAllLocked(d *delayedJoin, timeout time.Duration) {
	g.mu.rebalance = d
	g.laterLocked(func() { g.c.rebalances.Watch(d, timeout, rebalanceKey{group: g.id}) })
}

// checkJoinLocked is due after everything that may have been the last thing a rebalance waited for.
func (g *Group) checkJoinLocked() {
	g.laterLocked(func() { g.c.rebalances.Check(rebalanceKey{group: g.id}) })
}
