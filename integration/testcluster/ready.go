package testcluster

import (
	"fmt"
	"slices"
	"time"
)

// lookInterval is how often a condition is looked at: what the brokers know is read in this process.
const lookInterval = time.Millisecond

// await waits until missing returns "" instead of what is not there yet.
func (c *Cluster) await(what string, missing func() string) {
	c.t.Helper()
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for deadline := time.Now().Add(startPatience); ; <-tick.C {
		left := missing()
		if left == "" {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("testcluster: waited %v for %s: %s", startPatience, what, left)
		}
	}
}

// reachable are the brokers that run and are not paused.
func (c *Cluster) reachable() []*Broker {
	return slices.DeleteFunc(c.running(), func(b *Broker) bool { return c.links.isPaused(b.node()) })
}

// AwaitReady waits until every broker that runs and is not paused knows all the others like it, none of
// the rest, and a controller among them: after Restart, Resume or Heal the cluster is whole again.
func (c *Cluster) AwaitReady() {
	c.t.Helper()
	c.await("a cluster in which everybody knows everybody", func() string {
		up := c.reachable()
		for _, b := range up {
			if !b.registered() {
				return fmt.Sprintf("%s has not registered in a new session", b)
			}
			controller, alive := b.knows()
			for _, other := range c.brokers {
				if wanted := slices.Contains(up, other); wanted != alive[other.id] {
					return fmt.Sprintf("%s believes that %s is alive: %v", b, other, alive[other.id])
				}
			}
			if !alive[controller] {
				return fmt.Sprintf("%s knows no controller that is alive", b)
			}
		}
		return ""
	})
}

// registered is false from ExpireSession until the broker is back.
func (b *Broker) registered() bool {
	running := b.broker()
	if running == nil {
		return false
	}
	epoch := running.Snapshot().Epoch
	b.mu.Lock()
	defer b.mu.Unlock()
	return epoch != b.mu.expired
}

// knows is what the broker's metadata says of the cluster: nobody, if it has stopped.
func (b *Broker) knows() (controller int, alive map[int]bool) {
	running, alive := b.broker(), map[int]bool{}
	if running == nil {
		return -1, alive
	}
	known := running.Metadata()
	for id := range known.Brokers {
		alive[int(id)] = true
	}
	return int(known.ControllerID), alive
}

// Controller is the broker that most brokers hold for the controller; nil while they know of none.
func (c *Cluster) Controller() *Broker {
	votes := map[int]int{}
	var most *Broker
	for _, b := range c.reachable() {
		id, _ := b.knows()
		votes[id]++
		if named := c.find(id); named != nil && (most == nil || votes[id] > votes[most.id]) {
			most = named
		}
	}
	return most
}

func (c *Cluster) find(id int) *Broker {
	if id < 1 || id > len(c.brokers) {
		return nil
	}
	return c.brokers[id-1]
}

// partition is how a broker's metadata shows a partition.
type partition struct {
	leader, leaderEpoch, version int
	isr, replicas                []int
}

// newer tells which of two views the controller has sent later.
func (p partition) newer(than partition) bool {
	if p.leaderEpoch != than.leaderEpoch {
		return p.leaderEpoch > than.leaderEpoch
	}
	return p.version > than.version
}

// partitions are those of a topic as this broker knows them, by number.
func (b *Broker) partitions(topic string) map[int]partition {
	running := b.broker()
	if running == nil {
		return nil
	}
	t, ok := running.Metadata().Topic(topic)
	if !ok {
		return nil
	}
	all := map[int]partition{}
	for _, p := range t.Partitions {
		view := partition{leader: int(p.Leader), leaderEpoch: int(p.LeaderEpoch), version: int(p.ZKVersion)}
		for _, id := range p.ISR {
			view.isr = append(view.isr, int(id))
		}
		for _, id := range p.Replicas {
			view.replicas = append(view.replicas, int(id))
		}
		all[int(p.Partition)] = view
	}
	return all
}

// latest is a partition as the best informed broker knows it.
func (c *Cluster) latest(topic string, number int) (latest partition, ok bool) {
	for _, b := range c.reachable() {
		if p, known := b.partitions(topic)[number]; known && (!ok || p.newer(latest)) {
			latest, ok = p, true
		}
	}
	return latest, ok
}

// AwaitLeader waits until a broker that runs and is not paused leads the partition, and returns it: after its
// leader was killed, the new one.
func (c *Cluster) AwaitLeader(topic string, partition int) (leader *Broker) {
	c.t.Helper()
	c.await(fmt.Sprintf("a leader of %s-%d", topic, partition), func() string {
		p, ok := c.latest(topic, partition)
		if !ok {
			return "no broker knows the partition"
		}
		leader = c.find(p.leader)
		if leader == nil || !slices.Contains(c.reachable(), leader) {
			return fmt.Sprintf("its leader is broker %d", p.leader)
		}
		return ""
	})
	return leader
}

// ISR are the ids of the partition's in-sync replicas, in order, as the best informed broker knows them.
func (c *Cluster) ISR(topic string, partition int) []int {
	p, _ := c.latest(topic, partition)
	slices.Sort(p.isr)
	return p.isr
}

// AwaitISR waits until the partition's in-sync replicas are exactly these brokers, or without any all its
// replicas.
func (c *Cluster) AwaitISR(topic string, partition int, brokers ...*Broker) {
	c.t.Helper()
	c.await(fmt.Sprintf("the in-sync replicas of %s-%d", topic, partition), func() string {
		p, ok := c.latest(topic, partition)
		wanted := p.replicas
		if len(brokers) > 0 {
			wanted = nil
			for _, b := range brokers {
				wanted = append(wanted, b.id)
			}
		}
		slices.Sort(wanted)
		slices.Sort(p.isr)
		if !ok || !slices.Equal(p.isr, wanted) {
			return fmt.Sprintf("they are %v, not %v", p.isr, wanted)
		}
		return ""
	})
}

// awaitTopic waits until every broker knows a leader of each of the topic's partitions.
func (c *Cluster) awaitTopic(topic string, partitions int) {
	c.t.Helper()
	c.await("all to know the leaders of "+topic, func() string {
		for _, b := range c.reachable() {
			known := b.partitions(topic)
			if len(known) < partitions {
				return fmt.Sprintf("%s knows %d of %d partitions", b, len(known), partitions)
			}
			for number, p := range known {
				if c.find(p.leader) == nil {
					return fmt.Sprintf("%s knows no leader of partition %d", b, number)
				}
			}
		}
		return ""
	})
}
