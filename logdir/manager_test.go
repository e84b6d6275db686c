package logdir

import (
	"testing"

	"ottla/zkcoord/cluster"
)

// A topic of the same name may be made anew with other settings: a new log asks for those of today.
func TestANewLogAsksForItsTopicsSettings(t *testing.T) {
	size := 1000
	m, err := Open(t.Context(), Options{Dirs: []string{t.TempDir()}, BrokerID: 1, ClusterID: testCluster, Defaults: DefaultConfig(), Log: quiet()},
		func(string) Config { c := DefaultConfig(); c.SegmentBytes = size; return c })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	orders := cluster.TopicPartition{Topic: "orders"}
	for size = 1000; size <= 3000; size += 1000 {
		l, err := m.LogOrCreate(orders, cluster.TopicID{byte(size / 1000)}, true)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.Config().SegmentBytes; got != size {
			t.Errorf("the new log has segment.bytes=%d, want %d", got, size)
		}
		if err := m.Delete(orders); err != nil {
			t.Fatal(err)
		}
	}
}
