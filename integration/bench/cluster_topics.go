package main

import (
	"context"
	"fmt"
	"time"
)

// createAndDelete makes and removes a topic of a thousand partitions with three replicas each. It is made when every
// broker knows all leaders, the replicas are in sync and all directories there; it is gone when they are.
func (b *bench) createAndDelete(ctx context.Context, trios []*cluster) error {
	return b.eachHeavyRound(ctx, trios, func(c *cluster, label string) (string, error) {
		topic := topicSpec{name: "thousand-" + label, partitions: 1000, replicas: 3}
		begin := time.Now()
		if err := c.createTopic(ctx, topic); err != nil {
			return "", err
		}
		created := time.Since(begin)
		begin = time.Now()
		if err := c.deleteTopic(ctx, topic.name); err != nil {
			return "", err
		}
		deleted := time.Since(begin)
		b.report.add("create 1000 partitions, s", c.contender, created.Seconds())
		b.report.add("delete 1000 partitions, s", c.contender, deleted.Seconds())
		return fmt.Sprintf("1000 partitions created in %.2f s, deleted in %.2f s", created.Seconds(), deleted.Seconds()), nil
	})
}
