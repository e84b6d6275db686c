package main

import (
	"context"
	"fmt"
)

// replicate produces with acks=all to a topic of six partitions with three replicas each: over one connection, to
// the partitions that one broker leads, then over six, one for each partition, to its leader.
func (b *bench) replicate(ctx context.Context, trios []*cluster) error {
	load := newProduceLoad(16<<10, 1, acksAll)
	for _, connections := range []int{1, partitions} {
		scenario := fmt.Sprintf("replicate, %d connections", connections)
		if connections == 1 {
			scenario = "replicate, 1 connection"
		}
		err := b.eachRound(ctx, trios, func(c *cluster, label string, seconds float64) (cost float64, line string, err error) {
			topic := topicSpec{name: fmt.Sprintf("replicate-%d-%s", connections, label), partitions: partitions, replicas: 3}
			err = c.withTopic(ctx, topic, func() error {
				lanes, err := load.lanesTo(c, topic.name, connections)
				if err != nil {
					return err
				}
				var p99 float64
				used, err := c.measure(func() (int64, error) {
					bytes, took, err := load.sendAll(lanes, forSeconds(ctx, seconds))
					if len(took) > 0 {
						p99 = percentiles(took, 0.99)[0]
					}
					return bytes, err
				})
				if err == nil && ctx.Err() == nil {
					cost, line = b.noteUsage(scenario, c, used)
					b.report.add(scenario+", p99 ms", c.contender, p99)
					line += fmt.Sprintf(", p99 %.2f ms", p99)
				}
				return err
			})
			return cost, line, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// lanesTo returns so many lanes to the leaders of a topic. A single one takes the partitions that its broker leads.
func (l produceLoad) lanesTo(c *cluster, topic string, connections int) (lanes []lane, err error) {
	found, err := partitionsOf(c.addr(), topic)
	if err != nil {
		return nil, err
	}
	led := map[int32][]int32{} // by broker
	for _, p := range found {
		led[p.Leader] = append(led[p.Leader], p.Partition)
	}
	for _, s := range c.servers {
		of := led[int32(s.place.id)]
		if connections == 1 {
			return []lane{l.lane(s.addr, topic, of)}, nil
		}
		for _, p := range of {
			lanes = append(lanes, l.lane(s.addr, topic, []int32{p}))
		}
	}
	return lanes, nil
}
