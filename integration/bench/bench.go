package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"time"
)

// The three contenders, in the order of the table's columns.
const (
	kafkaName = "kafka"
	bareName  = "bare"
	ottlaName = "ottla"
)

// bench is one run of the program.
type bench struct {
	settings
	*launcher
	report  *report
	cache   pageCache
	zk      map[string]string  // each broker's ZooKeeper
	servers map[string]*server // those that run
	ends    []func()
}

// scenarioNames returns all scenarios in the order they run.
func scenarioNames() []string {
	return []string{"start", "memory", "produce16", "produce64", "consume", "latency", "tools"}
}

func (b *bench) wants(scenario string) bool      { return slices.Contains(b.scenarios, scenario) }
func (b *bench) takesPart(contender string) bool { return slices.Contains(b.only, contender) }

// say tells how far the run has come.
func (b *bench) say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// end stops whatever still runs.
func (b *bench) end() {
	for _, end := range slices.Backward(b.ends) {
		end()
	}
	b.ends = nil
}

func (b *bench) run(ctx context.Context) error {
	b.zk, b.servers = map[string]string{}, map[string]*server{}
	for _, name := range []string{kafkaName, ottlaName} {
		if b.takesPart(name) {
			zk, err := b.startZooKeeper()
			if err != nil {
				return err
			}
			b.ends = append(b.ends, zk.Kill)
			b.zk[name] = zk.Addr
		}
	}
	if b.wants("start") {
		if err := b.measureStarts(ctx); err != nil {
			return err
		}
	}
	if err := b.startAll(); err != nil {
		return err
	}
	if b.wants("memory") {
		if err := b.measureRest(ctx); err != nil {
			return err
		}
	}
	for _, load := range []struct {
		scenario string
		run      func(context.Context) error
	}{
		{"produce16", func(ctx context.Context) error { return b.produce(ctx, "produce16", newProduceLoad(16<<10, 1)) }},
		{"produce64", func(ctx context.Context) error { return b.produce(ctx, "produce64", newProduceLoad(64<<10, 3)) }},
		{"consume", b.consume},
		{"latency", b.latency},
		{"tools", b.tools},
	} {
		if b.wants(load.scenario) {
			if err := load.run(ctx); err != nil {
				return err
			}
		}
	}
	if b.wants("memory") {
		b.measurePeak()
	}
	return nil
}

// start starts one contender, the brokers with a ZooKeeper that is already up.
func (b *bench) start(name string) (*server, error) {
	switch name {
	case kafkaName:
		return b.startKafka(b.zk[name])
	case ottlaName:
		return b.startOttla(b.zk[name])
	default:
		return b.startBare()
	}
}

// measureStarts starts and kills each broker in turn, with new directories each time.
func (b *bench) measureStarts(ctx context.Context) error {
	kinds := []struct {
		row, contender string
		start          func() (*server, error)
	}{
		{"start", kafkaName, func() (*server, error) { return b.start(kafkaName) }},
		{"start", ottlaName, func() (*server, error) { return b.start(ottlaName) }},
		{"start, embedded ZooKeeper", ottlaName, func() (*server, error) { return b.startOttla("") }},
	}
	for round := range b.rounds {
		for _, kind := range rotated(kinds, round) {
			if !b.takesPart(kind.contender) {
				continue
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			s, err := kind.start()
			if err != nil {
				return err
			}
			took, err := s.waitForMetadata()
			s.end()
			if err != nil {
				return err
			}
			b.say("round %d: %s, %s: %v", round+1, kind.row, s.name, took.Round(time.Millisecond))
			b.report.add(kind.row, kind.contender, float64(took)/1e6)
		}
	}
	return nil
}

// startAll starts everyone for the loads.
func (b *bench) startAll() error {
	for _, name := range []string{kafkaName, bareName, ottlaName} {
		if !b.takesPart(name) {
			continue
		}
		s, err := b.start(name)
		if err != nil {
			return err
		}
		b.ends = append(b.ends, s.end)
		b.servers[name] = s
		if name == bareName {
			err = s.WaitReady(func() error {
				c, err := dial(s.addr)
				if err == nil {
					c.Close()
				}
				return err
			})
		} else if _, err = s.waitForMetadata(); err == nil {
			err = s.connectAdmin()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// measureRest notes the memory of brokers that have done nothing for ten seconds.
func (b *bench) measureRest(ctx context.Context) error {
	select {
	case <-time.After(10 * time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	for name, s := range b.servers {
		b.report.add("memory at rest", name, memoryOf(s.Pid(), "VmRSS"))
	}
	return nil
}

func (b *bench) measurePeak() {
	for name, s := range b.servers {
		b.report.add("memory, peak", name, memoryOf(s.Pid(), "VmHWM"))
	}
}

// turn is one contender's share of a round, on a topic of which this is part of the name. It returns what it
// cost in any unit, less being better, and a line that tells how it went.
type turn func(s *server, name, topic string, seconds float64) (cost float64, line string, err error)

// eachRound gives each contender its turn in each round, beginning with another one each time. Before the
// first round everyone is warmed up.
func (b *bench) eachRound(ctx context.Context, run turn) error {
	contenders := slices.DeleteFunc([]string{kafkaName, bareName, ottlaName}, func(name string) bool { return b.servers[name] == nil })
	for _, name := range contenders {
		if err := b.warm(ctx, name, run); err != nil {
			return err
		}
	}
	for round := range b.rounds {
		for _, name := range rotated(contenders, round) {
			if _, err := b.takeTurn(ctx, name, fmt.Sprintf("round-%d", round+1), b.seconds, run); err != nil {
				return err
			}
		}
	}
	return nil
}

// warm gives a contender turns that do not count. The compiler of Kafka's virtual machine needs its time, the
// more the busier the machine is: so Kafka has turns until one is no tenth cheaper than the best before.
func (b *bench) warm(ctx context.Context, name string, run turn) error {
	const slices = 4
	best := math.Inf(1)
	for i := range 4 * slices {
		b.report.beginTurn()
		cost, err := b.takeTurn(ctx, name, fmt.Sprintf("warm-up-%d", i+1), b.warmUp/slices, run)
		if err != nil {
			return err
		}
		b.report.forgetTurn()
		if name != kafkaName || i+1 >= slices && cost > 0.9*best {
			return nil
		}
		best = min(best, cost)
	}
	return nil
}

func (b *bench) takeTurn(ctx context.Context, name, label string, seconds float64, run turn) (float64, error) {
	if err := b.cache.fill(); err != nil {
		return 0, err
	}
	s := b.servers[name]
	cost, line, err := run(s, name, label, seconds)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		b.say("%s: %s: %s", label, s.name, line)
	}
	return cost, err
}

// withTopic runs f on a topic of its own.
func (b *bench) withTopic(ctx context.Context, s *server, topic string, partitions int32, f func() error) error {
	if err := s.createTopic(ctx, topic, partitions); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return s.deleteTopic(ctx, topic)
}

func (b *bench) produce(ctx context.Context, scenario string, load produceLoad) error {
	return b.eachRound(ctx, func(s *server, name, label string, seconds float64) (cost float64, line string, err error) {
		topic := scenario + "-" + label
		err = b.withTopic(ctx, s, topic, partitions, func() error {
			used, err := s.measure(func() (int64, error) { return load.run(s.addr, topic, forSeconds(ctx, seconds)) })
			if err == nil && ctx.Err() == nil {
				cost = used.cpuPerGiB()
				line = fmt.Sprintf("%s %.0f MB/s, %.2f CPU s/GiB", scenario, used.megabytesPerSecond(), used.cpuPerGiB())
				b.report.add(scenario+", MB/s", name, used.megabytesPerSecond())
				b.report.add(scenario+", CPU s/GiB", name, used.cpuPerGiB())
			}
			return err
		})
		return cost, line, err
	})
}

// consumeBytes is what a topic holds for the consume scenario. Whole batches of it are written.
const consumeBytes = 1536 << 20

func (b *bench) consume(ctx context.Context) error {
	load := newProduceLoad(64<<10, 3)
	topic := "consume"
	perFrame := int64(len(load.batch) * load.perRequest)
	frames := int64(consumeBytes) / perFrame / 2 * 2 // both halves of the partitions get the same
	each := frames / 2 * int64(load.recordCount)
	for _, name := range []string{kafkaName, bareName, ottlaName} {
		if s := b.servers[name]; s != nil {
			if err := s.createTopic(ctx, topic, partitions); err != nil {
				return err
			}
			if _, err := load.run(s.addr, topic, func(sent int64) bool { return sent < frames*perFrame }); err != nil {
				return err
			}
		}
	}
	err := b.eachRound(ctx, func(s *server, name, _ string, seconds float64) (float64, string, error) {
		used, err := s.measure(func() (int64, error) { return consume(s.addr, topic, each, forSeconds(ctx, seconds)) })
		if err != nil || ctx.Err() != nil {
			return 0, "", err
		}
		b.report.add("consume, MB/s", name, used.megabytesPerSecond())
		b.report.add("consume, CPU s/GiB", name, used.cpuPerGiB())
		return used.cpuPerGiB(), fmt.Sprintf("consume %.0f MB/s, %.2f CPU s/GiB", used.megabytesPerSecond(), used.cpuPerGiB()), nil
	})
	for _, s := range b.servers {
		if err == nil {
			err = s.deleteTopic(ctx, topic)
		}
	}
	return err
}

func (b *bench) latency(ctx context.Context) error {
	return b.eachRound(ctx, func(s *server, name, label string, seconds float64) (cost float64, line string, err error) {
		topic := "latency-" + label
		err = b.withTopic(ctx, s, topic, 1, func() error {
			samples, err := latencies(s.addr, topic, forSeconds(ctx, seconds))
			if err != nil || len(samples) == 0 {
				return err
			}
			p := milliseconds(samples, 0.5, 0.99, 0.999)
			b.report.add("latency p50, ms", name, p[0])
			b.report.add("latency p99, ms", name, p[1])
			b.report.add("latency p99.9, ms", name, p[2])
			cost = p[0]
			line = fmt.Sprintf("latency %.3f / %.3f / %.3f ms (%d records)", p[0], p[1], p[2], len(samples))
			return nil
		})
		return cost, line, err
	})
}

// rotated returns the items beginning with another one.
func rotated[T any](items []T, by int) []T {
	by %= len(items)
	return append(slices.Clone(items[by:]), items[:by]...)
}
