package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// runTransactions runs transactions of a hundred records each on three brokers of each side, which use the same
// ZooKeeper: by one producer, then by sixteen at once.
func (b *bench) runTransactions(ctx context.Context) error {
	zooKeeper, err := b.zooKeeper()
	if err != nil {
		return err
	}
	trios, err := b.startTrios(zooKeeper)
	if err != nil {
		return err
	}
	return b.runSteps(ctx,
		step{"transactions1", func(ctx context.Context) error { return b.transact(ctx, trios, "1 producer", 1) }},
		step{"transactions16", func(ctx context.Context) error { return b.transact(ctx, trios, "16 producers", 16) }},
	)
}

func (b *bench) transact(ctx context.Context, trios []*cluster, row string, producers int) error {
	return b.eachRound(ctx, trios, func(c *cluster, label string, seconds float64) (cost float64, line string, err error) {
		topic := topicSpec{name: fmt.Sprintf("transactions-%d-%s", producers, label), partitions: partitions, replicas: 3}
		err = c.withTopic(ctx, topic, func() error {
			var all []*transactor
			for i := range producers {
				// The same ids in each turn, or the coordinators would have ever more to remember.
				t, err := newTransactor(ctx, c, topic.name, fmt.Sprintf("bench-%d", i))
				if err != nil {
					return err
				}
				defer t.close()
				all = append(all, t)
			}
			var ends []time.Duration
			used, err := c.measure(func() (bytes int64, err error) {
				ends, bytes, err = transactAll(all, forSeconds(ctx, seconds))
				return bytes, err
			})
			if err != nil || len(ends) == 0 {
				return err
			}
			rate, cpu := float64(len(ends))/used.elapsed.Seconds(), milliseconds(used.cpu)/float64(len(ends))
			p := percentiles(ends, 0.5, 0.99)
			b.report.add(row+", transactions/s", c.contender, rate)
			b.report.add(row+", EndTxn p50, ms", c.contender, p[0])
			b.report.add(row+", EndTxn p99, ms", c.contender, p[1])
			b.report.add(row+", CPU ms/transaction", c.contender, cpu)
			cost = 1 / rate
			line = fmt.Sprintf("%s: %.0f transactions/s, EndTxn %.2f / %.2f ms, CPU %.2f ms each", row, rate, p[0], p[1], cpu)
			return nil
		})
		return cost, line, err
	})
}

// transactAll runs transactions on all at once until more says no, and returns how long each EndTxn took.
func transactAll(all []*transactor, more func(int64) bool) (ends []time.Duration, bytes int64, err error) {
	var mu sync.Mutex
	var running errgroup.Group
	for _, t := range all {
		running.Go(func() error {
			var took []time.Duration
			for n := int64(0); more(n); n++ {
				d, err := t.transaction(int32(n % partitions))
				if err != nil {
					return err
				}
				took = append(took, d)
			}
			mu.Lock()
			defer mu.Unlock()
			ends = append(ends, took...)
			bytes += int64(len(took) * len(t.batch))
			return nil
		})
	}
	err = running.Wait()
	return ends, bytes, err
}
