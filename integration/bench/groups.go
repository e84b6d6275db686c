package main

import (
	"context"
	"fmt"
	"slices"
)

// group is scenarios that are run on the same kind of cluster and have a name together.
type group struct {
	name      string
	scenarios []string // in the order they run
	run       func(*bench, context.Context) error
}

// groups returns all of them. Without -scenarios the first is run.
func groups() []group {
	return []group{
		{"broker", []string{"start", "memory", "produce16", "produce64", "consume", "latency", "tools"}, (*bench).runBroker},
		{"cluster", []string{"replicate", "topics", "failover1000", "failover3000", "testcluster"}, (*bench).runCluster},
		{"log", []string{"recovery", "cleanstart", "cleaner", "flush", "cold"}, (*bench).runLog},
		{"transactions", []string{"transactions1", "transactions16"}, (*bench).runTransactions},
	}
}

// chosen returns the scenarios that names, of scenarios or of groups, stand for.
func chosen(names []string) (scenarios []string, err error) {
	for _, name := range names {
		found := false
		for _, g := range groups() {
			switch {
			case g.name == name:
				scenarios, found = append(scenarios, g.scenarios...), true
			case slices.Contains(g.scenarios, name):
				scenarios, found = append(scenarios, name), true
			}
		}
		if !found {
			return nil, fmt.Errorf("%w: unknown scenario %q; there are\n%s", errUsage, name, describeGroups())
		}
	}
	return scenarios, nil
}

// describeGroups lists the groups with their scenarios, a line each.
func describeGroups() (lines string) {
	for _, g := range groups() {
		lines += fmt.Sprintf("  %s: %v\n", g.name, g.scenarios)
	}
	return lines
}

func (b *bench) wants(scenario string) bool { return slices.Contains(b.scenarios, scenario) }

// step is a scenario with what runs it.
type step struct {
	scenario string
	run      func(context.Context) error
}

// runSteps runs those that are wanted.
func (b *bench) runSteps(ctx context.Context, steps ...step) error {
	for _, s := range steps {
		if b.wants(s.scenario) {
			if err := s.run(ctx); err != nil {
				return fmt.Errorf("%s: %w", s.scenario, err)
			}
		}
	}
	return nil
}
