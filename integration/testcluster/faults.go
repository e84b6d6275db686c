package testcluster

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// Node is what can be cut off: a *Broker, ZooKeeper or Clients.
type Node interface{ node() node }

type outside node

func (o outside) node() node { return node(o) }

const (
	// ZooKeeper stands for the cluster's ZooKeeper in Cut.
	ZooKeeper outside = outside(zookeeper)
	// Clients stands for everybody in Cut who is no broker of the cluster.
	Clients outside = outside(clients)
)

// Pause freezes the broker as SIGSTOP would, as others see it: it reads nothing, answers nothing and says
// nothing, while its connections stay open and new ones are made but not heard. If it lasts longer than the
// session timeout, another broker leads. Its own clocks run on.
func (b *Broker) Pause() { b.cluster.links.pause(b.node()) }

// Resume lets a paused broker go on where it stood. No byte is lost.
func (b *Broker) Resume() { b.cluster.links.resume(b.node()) }

// Cut breaks the network between a node and each of the others, both ways: what is sent vanishes, nobody is
// told, and new connections do not come about. Clients are left alone unless they are one of the nodes.
func (c *Cluster) Cut(a Node, others ...Node) {
	for _, o := range others {
		c.links.cut(link{a.node(), o.node()})
		c.links.cut(link{o.node(), a.node()})
	}
}

// CutOneWay has everything vanish that from sends to the others, while what they send arrives: requests
// are carried out and their answers are lost, or the other way round, according to who asks whom.
func (c *Cluster) CutOneWay(from Node, to ...Node) {
	for _, t := range to {
		c.links.cut(link{from.node(), t.node()})
	}
}

// Isolate cuts a broker off from all other brokers and from ZooKeeper. Clients still reach it.
func (c *Cluster) Isolate(b *Broker) {
	c.Cut(b, ZooKeeper)
	for _, o := range c.brokers {
		if o != b {
			c.Cut(b, o)
		}
	}
}

// Heal mends every cut. What was sent meanwhile is lost: the connections that a cut has interrupted are reset.
func (c *Cluster) Heal() { c.links.heal(func(link) bool { return true }) }

// HealBetween mends what was cut between a node and each of the others, either way.
func (c *Cluster) HealBetween(a Node, others ...Node) {
	for _, o := range others {
		there := link{a.node(), o.node()}
		c.links.heal(func(k link) bool { return k == there || k == there.reverse() })
	}
}

// ExpireSession ends the broker's session with ZooKeeper as if ZooKeeper had not heard of it for too long. The
// broker learns of it at once and comes back with a new session, as soon as it can reach ZooKeeper; AwaitReady waits for that.
func (b *Broker) ExpireSession() {
	b.cluster.t.Helper()
	if err := b.expireSession(); err != nil {
		b.cluster.t.Errorf("testcluster: expire the session of %s: %v", b, err)
	}
}

func (b *Broker) expireSession() error {
	running := b.broker()
	if running == nil {
		return errors.New("it does not run")
	}
	epoch := running.Snapshot().Epoch
	b.mu.Lock()
	session := b.mu.session
	b.mu.Unlock()
	c := b.cluster
	if c.owned != nil {
		if !c.owned.ExpireSession(session.session) {
			return fmt.Errorf("session 0x%x is over already", session.session)
		}
	} else {
		if err := closeSession(c.links.servers, session); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.expired = epoch
	return nil
}

// PauseZooKeeper freezes the cluster's ZooKeeper: it answers nobody, and no session ends. A ZooKeeper of your
// own cannot be paused; cut the brokers off from it.
func (c *Cluster) PauseZooKeeper() {
	c.t.Helper()
	if c.owned == nil {
		c.t.Errorf("testcluster: pause ZooKeeper: %s is not of this cluster", c.zookeeper)
		return
	}
	c.owned.Freeze()
}

// ResumeZooKeeper ends PauseZooKeeper. Sessions have their full time again.
func (c *Cluster) ResumeZooKeeper() {
	if c.owned != nil {
		c.owned.Thaw()
	}
}

// SlowDisk makes every write and every sync of the broker's disk take so much longer. Zero ends it.
func (b *Broker) SlowDisk(by time.Duration) { b.disk.slow(by) }

// FillDisk leaves no space on the broker's disk: what would make a file longer fails with ENOSPC.
func (b *Broker) FillDisk() { b.disk.fill(true) }

// FreeDisk ends FillDisk.
func (b *Broker) FreeDisk() { b.disk.fill(false) }

// BreakDisk has every write and every sync of the broker's disk fail with EIO. What was written can be read.
func (b *Broker) BreakDisk() { b.disk.fail(syscall.EIO) }

// MendDisk ends BreakDisk. Log directories that went offline come back with the next start of the broker.
func (b *Broker) MendDisk() { b.disk.fail(nil) }
