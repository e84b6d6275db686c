package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"ottla/integration/apache"
)

// tools runs Kafka's own performance tools against both brokers. They are clients in Java that share the
// processors with the broker, so that their numbers say what a user of them will see, not what a broker can.
func (b *bench) tools(ctx context.Context, all []*cluster) error {
	const records = "2000000"
	for _, c := range all {
		if c.contender == bareName {
			continue
		}
		err := c.withTopic(ctx, topicSpec{name: "tools", partitions: partitions, replicas: 1}, func() error {
			produced, err := b.tool(ctx, apache.ProducerPerformance, "--topic", "tools", "--num-records", records, "--record-size", "100",
				"--throughput", "-1", "--producer-props", "bootstrap.servers="+c.addr(), "acks=1", "linger.ms=5")
			if err != nil {
				return err
			}
			consumed, err := b.tool(ctx, apache.ConsumerPerformance, "--bootstrap-server", c.addr(), "--topic", "tools", "--messages", records, "--timeout", "60000")
			if err != nil {
				return err
			}
			b.report.note(fmt.Sprintf("%s, ProducerPerformance: %s", c.title(), produced))
			b.report.note(fmt.Sprintf("%s, ConsumerPerformance (start, end, MB, MB/s, records, records/s, rebalance ms, fetch ms, MB/s, records/s): %s", c.title(), consumed))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// tool runs one and returns the last line it printed.
func (b *bench) tool(ctx context.Context, class string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	result := b.kafka.RunTool(ctx, nil, class, args...)
	if result.Err != nil {
		return "", fmt.Errorf("%w\n%s", result.Err, result.Stderr)
	}
	lines := strings.Split(strings.TrimSpace(result.Stdout), "\n")
	b.say("%s: %s", class, lines[len(lines)-1])
	return lines[len(lines)-1], nil
}
