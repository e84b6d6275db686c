package controller

import (
	"context"
	"sync"
)

// broadcastWaiter waits until some topics are led and every live broker knows.
type broadcastWaiter struct {
	topics []string
	ctx    context.Context
	told   chan []*channel // the ways to the brokers that were to be told, once the topics are led
}

// WaitForBroadcast returns when every live broker has answered what it was told of the topics, or ctx
// ends, or this broker is not the controller. A broker that leaves is not waited for. CreateTopics waits
// like this, so that a client that turns to another broker next finds the topic there.
func (c *Controller) WaitForBroadcast(ctx context.Context, topics []string) {
	w := &broadcastWaiter{topics: topics, ctx: ctx, told: make(chan []*channel, 1)}
	c.put("WaitForBroadcast", func() error {
		c.waiters = append(c.waiters, w)
		return nil
	}, func() { w.told <- nil })
	select {
	case channels := <-w.told:
		var wg sync.WaitGroup
		for _, ch := range channels {
			wg.Go(func() { ch.waitAnswered(ctx) })
		}
		wg.Wait()
	case <-ctx.Done():
	}
}

// checkWaiters lets those go on whose topics are led, or for whom it is over.
func (c *Controller) checkWaiters() {
	waiting := c.waiters[:0]
	for _, w := range c.waiters {
		switch {
		case w.ctx.Err() != nil:
		case c.state == nil:
			w.told <- nil
		case c.allLed(w.topics):
			var channels []*channel
			for _, b := range c.state.brokers {
				channels = append(channels, b.channel)
			}
			w.told <- channels
		default:
			waiting = append(waiting, w)
		}
	}
	clear(c.waiters[len(waiting):])
	c.waiters = waiting
}

func (c *Controller) allLed(topics []string) bool {
	for _, name := range topics {
		t := c.state.topics[name]
		if t == nil {
			return false
		}
		for _, p := range t.partitions {
			if !p.led && p.garbled == nil {
				return false
			}
		}
	}
	return true
}
