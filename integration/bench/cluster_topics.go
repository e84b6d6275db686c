package main

import (
	"context"
	"fmt"
)

// createAndDelete makes and removes a topic of a thousand partitions with three replicas each. It is made when every
// broker knows all leaders, the replicas are in sync and all directories there; it is gone when they are.
func (b *bench) createAndDelete(ctx context.Context, trios []*cluster) error {
	return b.eachHeavyRound(ctx, trios, func(c *cluster, label string) (string, error) {
		topic := topicSpec{name: "thousand-" + label, partitions: 1000, replicas: 3}
		created, err := c.measure(func() (int64, error) { return 0, c.createTopic(ctx, topic) })
		if err != nil {
			return "", err
		}
		deleted, err := c.measure(func() (int64, error) { return 0, c.deleteTopic(ctx, topic.name) })
		if err != nil {
			return "", err
		}
		b.report.add("create 1000 partitions, s", c.contender, created.elapsed.Seconds())
		b.report.add("create 1000 partitions, CPU s", c.contender, created.cpu.Seconds())
		b.report.add("delete 1000 partitions, s", c.contender, deleted.elapsed.Seconds())
		return fmt.Sprintf("1000 partitions created in %.2f s, deleted in %.2f s, CPU %.2f and %.2f s",
			created.elapsed.Seconds(), deleted.elapsed.Seconds(), created.cpu.Seconds(), deleted.cpu.Seconds()), nil
	})
}
