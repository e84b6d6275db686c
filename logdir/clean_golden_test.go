package logdir

import (
	"testing"

	"ottla/zkcoord/cluster"
)

// TestGoldenCompacted cleans what Apache Kafka has cleaned before: its checkpoint says so, a pass from the
// beginning finds nothing to take, and once the horizons it has written are over the tombstones go, no sooner.
func TestGoldenCompacted(t *testing.T) {
	tp := cluster.TopicPartition{Topic: "compacted"}
	want := expected(t, "clean.expected.jsonl")[tp]
	m, err := Open(t.Context(), goldenOptions(t, unpack(t, "clean.tar.gz")), func(topic string) Config {
		c := DefaultConfig()
		if topic == tp.Topic {
			c.Compact, c.Delete, c.SegmentBytes = true, false, 1 // which joins none
		}
		return c
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Abandon)
	l, ok := m.Log(tp)
	if !ok || l.cleanPoint.Load() != 56 {
		t.Fatalf("%v, clean up to %d, Kafka's checkpoint says 56", ok, l.cleanPoint.Load())
	}
	l.commitAll()
	if cleanNow(t, l, CleanerOptions{}, nowMillis()) {
		t.Error("there was something to clean")
	}
	var horizon int64
	tombstones := 0
	for _, r := range want {
		if r.DeleteHorizonMs != nil && r.BatchLastOffset < 56 {
			horizon = max(horizon, *r.DeleteHorizonMs)
			if r.Value == nil {
				tombstones++
			}
		}
	}
	if horizon == 0 || tombstones == 0 {
		t.Fatal("the golden directory has no tombstones below 56")
	}
	l.cleanPoint.Store(-1)
	if !cleanNow(t, l, CleanerOptions{}, 1) {
		t.Fatal("not cleaned")
	}
	compareRecords(t, found(t, l), want)
	l.cleanPoint.Store(-1)
	if !cleanNow(t, l, CleanerOptions{}, horizon) {
		t.Fatal("not cleaned again")
	}
	left := found(t, l)
	if len(left) != len(want)-tombstones {
		t.Errorf("%d records are left of %d with %d tombstones", len(left), len(want), tombstones)
	}
	for _, r := range left {
		if r.Value == nil && r.BatchLastOffset < 56 {
			t.Errorf("the tombstone at %d is left", r.Offset)
		}
	}
}
