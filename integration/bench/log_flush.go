package main

import (
	"context"
	"fmt"
	"time"
)

// flush produces single records from 64 producers to six partitions that flush with each message.
func (b *bench) flush(ctx context.Context, all []*cluster) error {
	const producers = 64
	load := newProduceLoad(batchOverhead+recordSize+20, 1, acksLeader)
	load.inFlight = 1
	return b.eachRound(ctx, all, func(c *cluster, label string, seconds float64) (cost float64, line string, err error) {
		topic := topicSpec{name: "flush-" + label, partitions: partitions, replicas: 1, settings: map[string]string{"flush.messages": "1"}}
		err = c.withTopic(ctx, topic, func() error {
			var lanes []lane
			for i := range producers {
				lanes = append(lanes, load.lane(c.addr(), topic.name, []int32{int32(i % partitions)}))
			}
			begin := time.Now()
			_, took, err := load.sendAll(lanes, forSeconds(ctx, seconds))
			if err != nil || len(took) == 0 {
				return err
			}
			rate := float64(len(took)) / time.Since(begin).Seconds()
			p := percentiles(took, 0.5, 0.99)
			b.report.add("flush a message, records/s", c.contender, rate)
			b.report.add("flush a message, p99 ms", c.contender, p[1])
			cost, line = 1/rate, fmt.Sprintf("%.0f records/s flushed one by one, p50 %.2f ms, p99 %.2f ms", rate, p[0], p[1])
			return nil
		})
		return cost, line, err
	})
}
