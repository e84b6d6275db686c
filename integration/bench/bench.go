package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"

	"ottla/integration/apache"
)

// The three contenders, in the order of the table's columns.
const (
	kafkaName = "kafka"
	bareName  = "bare"
	ottlaName = "ottla"
)

// contenderTitle is what a reader knows a contender as.
func contenderTitle(contender string) string {
	return map[string]string{kafkaName: "Apache Kafka", bareName: "bare loop", ottlaName: "Ottla"}[contender]
}

// bench is one run of the program.
type bench struct {
	settings
	*launcher
	report *report
	cache  pageCache
	ends   []func()
}

func (b *bench) takesPart(contender string) bool { return slices.Contains(b.only, contender) }

// contenders returns those of some that take part.
func (b *bench) contenders(some ...string) []string {
	return slices.DeleteFunc(some, func(name string) bool { return !b.takesPart(name) })
}

// say tells how far the run has come.
func (b *bench) say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// end stops whatever still runs.
func (b *bench) end() {
	for _, end := range slices.Backward(b.ends) {
		end()
	}
	b.ends = nil
}

// run runs the groups that have a scenario which is wanted, one after another.
func (b *bench) run(ctx context.Context) error {
	for _, group := range groups() {
		if !slices.ContainsFunc(group.scenarios, b.wants) {
			continue
		}
		err := group.run(b, ctx)
		b.end()
		if err != nil {
			return err
		}
	}
	return nil
}

// zooKeeper starts an Apache ZooKeeper that runs to the end of the group.
func (b *bench) zooKeeper() (string, error) {
	dir, err := b.freshDir("zookeeper")
	if err != nil {
		return "", err
	}
	zk, err := b.kafka.StartZooKeeper(apache.ZooKeeperOptions{Dir: dir})
	if err != nil {
		return "", err
	}
	b.ends = append(b.ends, zk.Kill)
	return zk.Addr, nil
}

// turn is one contender's share of a round, on a topic of which this is part of the name. It returns what it
// cost in any unit, less being better, and a line that tells how it went.
type turn func(c *cluster, topic string, seconds float64) (cost float64, line string, err error)

// eachRound gives each contender its turn in each round, beginning with another one each time. Before the
// first round everyone is warmed up.
func (b *bench) eachRound(ctx context.Context, contenders []*cluster, run turn) error {
	for _, c := range contenders {
		if err := b.warm(ctx, c, run); err != nil {
			return err
		}
	}
	for round := range b.rounds {
		for _, c := range rotated(contenders, round) {
			if _, err := b.takeTurn(ctx, c, fmt.Sprintf("round-%d", round+1), b.seconds, run); err != nil {
				return err
			}
		}
	}
	return nil
}

// warm gives a contender turns that do not count. The compiler of Kafka's virtual machine needs its time, the
// more the busier the machine is: so Kafka has turns until one is no tenth cheaper than the best before.
func (b *bench) warm(ctx context.Context, c *cluster, run turn) error {
	const slices = 4
	best := math.Inf(1)
	for i := range 4 * slices {
		b.report.beginTurn()
		cost, err := b.takeTurn(ctx, c, fmt.Sprintf("warm-up-%d", i+1), b.warmUp/slices, run)
		if err != nil {
			return err
		}
		b.report.forgetTurn()
		if c.contender != kafkaName || i+1 >= slices && cost > 0.9*best {
			return nil
		}
		best = min(best, cost)
	}
	return nil
}

// heavyRounds is how often a scenario is repeated whose turns take tens of seconds on Kafka, at most.
const heavyRounds = 3

// eachHeavyRound gives each contender its turn in a few rounds, without a warm-up: the median of three leaves a cold
// first one out. A turn lasts until it is done.
func (b *bench) eachHeavyRound(ctx context.Context, contenders []*cluster, run func(c *cluster, label string) (line string, err error)) error {
	for round := range min(b.rounds, heavyRounds) {
		label := fmt.Sprintf("round-%d", round+1)
		for _, c := range rotated(contenders, round) {
			line, err := run(c, label)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			b.say("%s: %s: %s", label, c.title(), line)
		}
	}
	return nil
}

func (b *bench) takeTurn(ctx context.Context, c *cluster, label string, seconds float64, run turn) (float64, error) {
	if err := b.cache.fill(); err != nil {
		return 0, err
	}
	cost, line, err := run(c, label, seconds)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		b.say("%s: %s: %s", label, c.title(), line)
	}
	return cost, err
}

// rotated returns the items beginning with another one.
func rotated[T any](items []T, by int) []T {
	by %= len(items)
	return append(slices.Clone(items[by:]), items[:by]...)
}
