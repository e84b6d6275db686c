package controller

import (
	"context"
	"fmt"
	"slices"
	"time"

	"ottla/zkcoord/cluster"
)

// Snapshot is what the controller knows and what it waits for, for people.
type Snapshot struct {
	Epoch              int32
	Brokers            []cluster.BrokerID
	Leaving            []cluster.BrokerID // shutting down
	Topics, Partitions int
	// Leaderless are partitions that nobody can lead, Garbled those whose state nobody understands.
	Leaderless, Garbled      []Waiting
	Deletions, Reassignments []Waiting
}

// Waiting is something that goes on, or would if it could.
type Waiting struct {
	Name string
	// Since is when this controller began, or found it waiting when it took over.
	Since time.Time
	// For says what it waits for.
	For string
}

// Snapshot reports false where this broker is not the controller, or ctx ends first.
func (c *Controller) Snapshot(ctx context.Context) (Snapshot, bool) {
	answers := make(chan *Snapshot, 1)
	c.put("Snapshot", func() error {
		s := c.snapshot()
		answers <- &s
		return nil
	}, func() { answers <- nil })
	select {
	case s := <-answers:
		if s == nil {
			return Snapshot{}, false
		}
		return *s, true
	case <-ctx.Done():
		return Snapshot{}, false
	}
}

// missingLeader says who could lead if he were there.
func (p *partition) missingLeader() string {
	if !p.led {
		return fmt.Sprintf("one of replicas %v to come", p.assignment.Replicas)
	}
	return fmt.Sprintf("one of ISR %v to come back; of the replicas %v no other may lead without an unclean election", p.state.ISR, p.assignment.Replicas)
}

func (c *Controller) snapshot() Snapshot {
	s := Snapshot{Epoch: c.reign.Epoch, Brokers: c.state.brokerIDs(), Topics: len(c.state.topics)}
	s.Leaving = keep(s.Brokers, func(id cluster.BrokerID) bool { return c.state.brokers[id].leaving })
	for _, p := range c.state.selectPartitions(func(*partition) bool { return true }) {
		s.Partitions++
		switch {
		case p.garbled != nil:
			s.Garbled = append(s.Garbled, Waiting{p.String(), p.garbledSince, "another state than this: " + p.garbled.Error()})
		case p.status != partitionOnline && !c.state.isDeleting(p.Topic):
			s.Leaderless = append(s.Leaderless, Waiting{p.String(), p.leaderlessSince, p.missingLeader()})
		}
		if p.assignment.Reassigning() {
			missing := cluster.Without(p.assignment.Target(), p.state.ISR)
			s.Reassignments = append(s.Reassignments, Waiting{p.String(), p.movingSince, fmt.Sprintf("replicas %v to be in sync", missing)})
		}
	}
	for name, d := range c.state.deleting {
		w := Waiting{name, d.since, d.waitingFor}
		if w.For == "" {
			w.For = "brokers to delete their replicas"
		}
		s.Deletions = append(s.Deletions, w)
	}
	slices.SortFunc(s.Deletions, func(a, b Waiting) int { return a.Since.Compare(b.Since) })
	return s
}
