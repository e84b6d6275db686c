package main

import (
	"context"
	"fmt"
	"time"
)

// runBroker runs the scenarios of one broker beside the bare loop.
func (b *bench) runBroker(ctx context.Context) error {
	zooKeepers := map[string]string{} // each broker's own
	for _, name := range b.contenders(kafkaName, ottlaName) {
		addr, err := b.zooKeeper()
		if err != nil {
			return err
		}
		zooKeepers[name] = addr
	}
	if b.wants("start") {
		if err := b.measureStarts(ctx, zooKeepers); err != nil {
			return err
		}
	}
	var all []*cluster
	for _, name := range b.contenders(kafkaName, bareName, ottlaName) {
		c, err := b.startAlone(name, zooKeepers[name])
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	if b.wants("memory") {
		if err := sleep(ctx, 10*time.Second); err != nil {
			return err
		}
		b.noteMemory("memory at rest", "VmRSS", all)
	}
	err := b.runSteps(ctx,
		step{"produce16", func(ctx context.Context) error {
			return b.produce(ctx, all, "produce16", newProduceLoad(16<<10, 1, acksLeader))
		}},
		step{"produce64", func(ctx context.Context) error {
			return b.produce(ctx, all, "produce64", newProduceLoad(64<<10, 3, acksLeader))
		}},
		step{"consume", func(ctx context.Context) error { return b.consume(ctx, all) }},
		step{"latency", func(ctx context.Context) error { return b.latency(ctx, all) }},
		step{"tools", func(ctx context.Context) error { return b.tools(ctx, all) }},
	)
	if err == nil && b.wants("memory") {
		b.noteMemory("memory, peak", "VmHWM", all)
	}
	return err
}

// measureStarts starts and kills each broker in turn, with new directories each time.
func (b *bench) measureStarts(ctx context.Context, zooKeepers map[string]string) error {
	kinds := []struct{ row, contender, zooKeeper string }{
		{"start", kafkaName, zooKeepers[kafkaName]},
		{"start", ottlaName, zooKeepers[ottlaName]},
		{"start, embedded ZooKeeper", ottlaName, ""},
	}
	for round := range b.rounds {
		for _, kind := range rotated(kinds, round) {
			if !b.takesPart(kind.contender) {
				continue
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			s, err := b.start(kind.contender, kind.zooKeeper)
			if err != nil {
				return err
			}
			took, err := s.waitForMetadata()
			s.end()
			if err != nil {
				return err
			}
			b.say("round %d: %s, %s: %v", round+1, kind.row, s.name, took.Round(time.Millisecond))
			b.report.add(kind.row, kind.contender, milliseconds(took))
		}
	}
	return nil
}

// noteMemory notes a line of /proc/PID/status of each server.
func (b *bench) noteMemory(row, line string, all []*cluster) {
	for _, c := range all {
		for _, s := range c.servers {
			b.report.add(row, c.contender, memoryOf(s.Pid(), line))
		}
	}
}

// noteCPU notes what a cluster's servers have used since their start.
func (b *bench) noteCPU(row string, c *cluster) {
	if used, err := c.cpu(); err == nil {
		b.report.add(row, c.contender, used.Seconds())
	}
}

func (b *bench) produce(ctx context.Context, all []*cluster, scenario string, load produceLoad) error {
	return b.eachRound(ctx, all, func(c *cluster, label string, seconds float64) (cost float64, line string, err error) {
		topic := topicSpec{name: scenario + "-" + label, partitions: partitions, replicas: 1}
		err = c.withTopic(ctx, topic, func() error {
			used, err := c.measure(func() (int64, error) { return load.run(c.addr(), topic.name, forSeconds(ctx, seconds)) })
			if err == nil && ctx.Err() == nil {
				cost, line = b.noteUsage(scenario, c, used)
			}
			return err
		})
		return cost, line, err
	})
}

// noteUsage adds what a load moved and cost to the report, and returns the cost and a line.
func (b *bench) noteUsage(scenario string, c *cluster, used usage) (float64, string) {
	b.report.add(scenario+", MB/s", c.contender, used.megabytesPerSecond())
	b.report.add(scenario+", CPU s/GiB", c.contender, used.cpuPerGiB())
	return used.cpuPerGiB(), fmt.Sprintf("%s %.0f MB/s, %.2f CPU s/GiB", scenario, used.megabytesPerSecond(), used.cpuPerGiB())
}

// consumeBytes is what a topic holds for the consume scenario. Whole batches of it are written.
const consumeBytes = 1536 << 20

func (b *bench) consume(ctx context.Context, all []*cluster) error {
	load := newProduceLoad(64<<10, 3, acksLeader)
	topic := topicSpec{name: "consume", partitions: partitions, replicas: 1}
	perFrame := int64(len(load.batch) * load.perRequest)
	frames := int64(consumeBytes) / perFrame / 2 * 2 // both halves of the partitions get the same
	each := frames / 2 * int64(load.recordCount)
	for _, c := range all {
		if err := c.createTopic(ctx, topic); err != nil {
			return err
		}
		if _, err := load.run(c.addr(), topic.name, func(sent int64) bool { return sent < frames*perFrame }); err != nil {
			return err
		}
	}
	err := b.eachRound(ctx, all, func(c *cluster, _ string, seconds float64) (cost float64, line string, err error) {
		used, err := c.measure(func() (int64, error) { return consume(c.addr(), topic.name, each, forSeconds(ctx, seconds)) })
		if err == nil && ctx.Err() == nil {
			cost, line = b.noteUsage("consume", c, used)
		}
		return cost, line, err
	})
	for _, c := range all {
		if err == nil {
			err = c.deleteTopic(ctx, topic.name)
		}
	}
	return err
}

func (b *bench) latency(ctx context.Context, all []*cluster) error {
	return b.eachRound(ctx, all, func(c *cluster, label string, seconds float64) (cost float64, line string, err error) {
		topic := topicSpec{name: "latency-" + label, partitions: 1, replicas: 1}
		err = c.withTopic(ctx, topic, func() error {
			samples, err := latencies(c.addr(), topic.name, forSeconds(ctx, seconds))
			if err != nil || len(samples) == 0 {
				return err
			}
			p := percentiles(samples, 0.5, 0.99, 0.999)
			b.report.add("latency p50, ms", c.contender, p[0])
			b.report.add("latency p99, ms", c.contender, p[1])
			b.report.add("latency p99.9, ms", c.contender, p[2])
			cost = p[0]
			line = fmt.Sprintf("latency %.3f / %.3f / %.3f ms (%d records)", p[0], p[1], p[2], len(samples))
			return nil
		})
		return cost, line, err
	})
}
