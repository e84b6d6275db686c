package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-zookeeper/zk"
)

// nemesis carries steps out on a cluster.
type nemesis struct {
	cluster *cluster
	deeds   *deeds
	say     func(string, ...any)
}

// carryOut does a step, waits as long as it lasts, and heals, but for links when the next step is to come at once.
func (n *nemesis) carryOut(ctx context.Context, s step) error {
	n.say("%s", s)
	c := n.cluster
	switch s.fault {
	case killController, stopController:
		if err := n.aim(ctx, &s, "controller", c.state.controller); err != nil {
			return err
		}
	case killCoordinator:
		id := transactionalIDs()[int(s.broker)%len(transactionalIDs())]
		if err := n.aim(ctx, &s, "coordinator of "+id, func() (node, error) { return c.state.coordinator(id) }); err != nil {
			return err
		}
	}
	switch s.fault {
	case kill, killController, killCoordinator:
		return n.kill(ctx, s.pause, c.broker(s.broker))
	case killAll:
		return n.kill(ctx, s.pause, c.brokers...)
	case restart:
		return n.restart(ctx, s.pause, c.broker(s.broker))
	case stop, stopController:
		return n.freeze(ctx, s.pause, c.broker(s.broker))
	case expire:
		return n.expire(s.broker)
	case depose:
		return n.depose()
	case killZooKeeper:
		return n.killZooKeeper(ctx, s.pause)
	case cut, oneWay:
		return n.cut(ctx, s, s.ways.links(s.broker, s.peer))
	case cutZooKeeper:
		return n.cut(ctx, s, s.ways.links(s.broker, zooKeeper))
	case isolate:
		all := both(s.broker, zooKeeper)
		for _, other := range c.others(s.broker) {
			all = append(all, both(s.broker, other)...)
		}
		return n.cut(ctx, s, all)
	}
	return n.operate(ctx, s)
}

// operate does what operators do. That they do not succeed while links are cut is no trouble.
func (n *nemesis) operate(ctx context.Context, s step) (err error) {
	d := n.deeds
	switch s.fault {
	case reassign:
		if err = d.moveAway(ctx, s.broker, n.cluster.brokers); err == nil && !s.rush {
			if err := wait(ctx, s.pause); err != nil {
				return err
			}
			err = d.moveAway(ctx, 0, n.cluster.brokers)
		}
	case elect:
		err = d.elect(ctx)
	case recreate:
		err = d.recreate(ctx)
	case grow:
		err = d.grow(ctx)
	default:
		return fmt.Errorf("fault %q cannot be carried out", s.fault)
	}
	if err != nil {
		n.say("%s is left undone: %v", s.fault, err)
	}
	return ctx.Err()
}

// aim finds whom a step hits that is meant for the holder of an office.
func (n *nemesis) aim(ctx context.Context, s *step, office string, holder func() (node, error)) error {
	err := n.cluster.await(ctx, healTime, "a "+office+" to hit", func() (err error) {
		s.broker, err = holder()
		return err
	})
	if err == nil {
		n.say("the %s is %v", office, s.broker)
	}
	return err
}

func (n *nemesis) kill(ctx context.Context, pause time.Duration, brokers ...*broker) error {
	for _, b := range brokers {
		b.kill()
	}
	if err := wait(ctx, pause); err != nil {
		return err
	}
	for _, b := range brokers {
		if err := n.cluster.start(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

func (n *nemesis) restart(ctx context.Context, pause time.Duration, b *broker) error {
	err := b.process.Stop()
	b.process = nil
	if err != nil {
		n.say("%v", err) // it was killed then, which is a fault as well
	}
	if err := wait(ctx, pause); err != nil {
		return err
	}
	return n.cluster.start(ctx, b)
}

func (n *nemesis) freeze(ctx context.Context, pause time.Duration, b *broker) error {
	if err := b.freeze(); err != nil {
		return fmt.Errorf("stop %v: %w", b.id, err)
	}
	waited := wait(ctx, pause)
	if err := b.thaw(); err != nil {
		return fmt.Errorf("continue %v: %w", b.id, err)
	}
	return waited
}

func (n *nemesis) expire(id node) error {
	s, ok := n.cluster.links.sessionOf(id)
	if !ok {
		return fmt.Errorf("no session of %v was seen", id)
	}
	if err := s.expire(n.cluster.zooKeeper.Addr); err != nil {
		n.say("expire %v: %v", id, err)
	}
	return nil
}

func (n *nemesis) depose() error {
	err := n.cluster.state.depose()
	if errors.Is(err, zk.ErrNoNode) {
		return nil // there is none just now
	}
	return err
}

func (n *nemesis) killZooKeeper(ctx context.Context, pause time.Duration) error {
	n.cluster.zooKeeper.Kill()
	if err := wait(ctx, pause); err != nil {
		return err
	}
	return n.cluster.startZooKeeper()
}

func (n *nemesis) cut(ctx context.Context, s step, all []link) error {
	n.cluster.links.cut(s.how, all...)
	if !s.rush {
		defer n.cluster.links.heal()
	}
	return wait(ctx, s.pause)
}

// wait lets time pass.
func wait(ctx context.Context, pause time.Duration) error {
	select {
	case <-time.After(pause):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
