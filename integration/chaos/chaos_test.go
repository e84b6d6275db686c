package main

import (
	"testing"
	"time"

	"ottla/integration/apache"
)

// Three brokers under load, transactions as well, and half a dozen faults: short, so that it can be part of every test run. Longer and
// with other seeds: go run ./integration/chaos.
func TestFaultsLoseNothing(t *testing.T) {
	apache.Require(t)
	s := settings{
		kinds: []kind{ottla, ottla, ottla}, seed: 1, duration: 25 * time.Second, records: 50_000,
		faults: []fault{kill, stop, cut, cutZooKeeper, expire, depose, killCoordinator, reassign, recreate},
	}
	dir := t.TempDir()
	outcome, err := execute(t.Context(), s, dir, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Log(outcome.verdict())
	if outcome.clean() {
		return
	}
	t.Fail()
	for id := range s.kinds { // the directory goes with the test
		b := &broker{id: node(id + 1), dir: brokerDir(dir, node(id+1))}
		t.Logf("%v printed in the end:\n%s", b.id, b.lastWords(300))
	}
}
