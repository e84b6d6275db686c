package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
)

// runCluster runs the scenarios of three brokers. Both sides use the same ZooKeeper, each in a chroot of its own.
func (b *bench) runCluster(ctx context.Context) error {
	zooKeeper, err := b.zooKeeper()
	if err != nil {
		return err
	}
	onTrios := func(run func(context.Context, []*cluster) error) func(context.Context) error {
		return func(ctx context.Context) error {
			trios, err := b.startTrios(zooKeeper)
			if err != nil {
				return err
			}
			defer endAll(trios)
			return run(ctx, trios)
		}
	}
	return b.runSteps(ctx,
		step{"replicate", onTrios(b.replicate)},
		step{"topics", onTrios(b.createAndDelete)},
		step{"failover1000", func(ctx context.Context) error { return b.failOver(ctx, zooKeeper, 1000) }},
		step{"failover3000", func(ctx context.Context) error { return b.failOver(ctx, zooKeeper, 3000) }},
		step{"testcluster", b.testcluster},
	)
}

// startTrios starts three brokers of each side that takes part.
func (b *bench) startTrios(zooKeeper string) (trios []*cluster, err error) {
	for _, name := range b.contenders(kafkaName, ottlaName) {
		c, err := b.startTrio(name, zooKeeper)
		if err != nil {
			return nil, err
		}
		trios = append(trios, c)
	}
	return trios, nil
}

func endAll(all []*cluster) {
	for _, c := range all {
		c.end()
	}
}

// firstRecord is how BenchmarkStart of integration/testcluster says what this scenario notes.
var firstRecord = regexp.MustCompile(`(\d+(?:\.\d+)?) ms-to-first-record`)

// testcluster runs the benchmark of integration/testcluster: three brokers inside a test, up to the first record that
// all three have. Kafka has nothing to compare with it.
func (b *bench) testcluster(ctx context.Context) error {
	if !b.takesPart(ottlaName) {
		return nil
	}
	out, err := exec.CommandContext(ctx, "go", "test", "ottla/integration/testcluster", "-run=^$", "-bench=^BenchmarkStart$",
		"-benchtime=1x", "-count="+strconv.Itoa(b.rounds)).CombinedOutput()
	found := firstRecord.FindAllStringSubmatch(string(out), -1)
	if err != nil || len(found) == 0 {
		return fmt.Errorf("the benchmark of integration/testcluster: %w\n%s", err, out)
	}
	for _, match := range found {
		ms, err := strconv.ParseFloat(match[1], 64)
		if err != nil {
			return err
		}
		b.say("testcluster: %.0f ms to the first record", ms)
		b.report.add("testcluster to the first record", ottlaName, ms)
	}
	return nil
}
