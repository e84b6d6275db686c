package group

import (
	"time"

	"ottla/purgatory"
)

// delayedSync gives the members of a new generation one rebalance timeout to send their SyncGroup. Who does not is
// removed: it could neither be given an assignment nor be missed, since heartbeats alone keep a member.
type delayedSync struct {
	purgatory.Base
	g *Group
}

// Ready reports that all have sent it, or that the generation is over.
func (d *delayedSync) Ready() bool {
	d.g.mu.Lock()
	defer d.g.mu.Unlock()
	return d.g.mu.syncing != d || len(d.g.mu.unsynced) == 0 || d.g.mu.state != completingRebalance && d.g.mu.state != stable
}

// Complete removes those who are missing when the time is over.
func (d *delayedSync) Complete(expired bool) {
	d.g.turnOf(expired, func() {
		if d.g.mu.syncing != d {
			return
		}
		d.g.mu.syncing = nil
		if expired && len(d.g.mu.unsynced) > 0 && (d.g.mu.state == completingRebalance || d.g.mu.state == stable) {
			d.g.removeUnsyncedLocked()
		}
	})
}

func (g *Group) awaitSyncsLocked() {
	d := &delayedSync{g: g}
	g.mu.syncing = d
	timeout := time.Duration(g.mu.rebalanceTimeout()) * time.Millisecond
	g.laterLocked(func() { g.c.rebalances.Watch(d, timeout, rebalanceKey{group: g.id, sync: true}) })
}

// checkSyncLocked is due after everything that may have been the last thing a delayedSync waited for.
func (g *Group) checkSyncLocked() {
	g.laterLocked(func() { g.c.rebalances.Check(rebalanceKey{group: g.id, sync: true}) })
}

func (g *Group) removeUnsyncedLocked() {
	var missing []string
	for id := range g.mu.unsynced {
		if m := g.mu.members[id]; m != nil {
			missing = append(missing, id)
			g.removeMemberLocked(m)
		}
	}
	clear(g.mu.unsynced)
	g.log().Infof("members %v did not send SyncGroup within the rebalance timeout", missing)
	g.prepareRebalanceLocked("members did not send SyncGroup in time")
}
