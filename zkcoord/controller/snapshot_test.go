package controller

import (
	"strings"
	"testing"
	"time"

	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// Whatever cannot go on says for whom it waits and since when.
func TestWhatWaitsIsTold(t *testing.T) {
	f := newFakeCluster(t)
	one := f.start(1)
	f.awaitActive(one)
	two := f.start(2)
	before := time.Now()
	for topic, replicas := range map[string][]cluster.BrokerID{"never": {9}, "lost": {2}, "garbled": {1}} {
		check(t, one.zk.CreateTopic(t.Context(), topic, [][]cluster.BrokerID{replicas}, nil, zkcoord.NewTopicID()))
	}
	f.awaitLeader(1, tp("lost", 0), 2)
	f.awaitLeader(1, tp("garbled", 0), 1)
	two.die()
	f.awaitState(one.zk, tp("lost", 0), "leader=-1/1 isr=[2] controller=1")
	_, err := f.rawClient().Set("/brokers/topics/garbled/partitions/0/state", []byte("{"), -1)
	check(t, err)
	check(t, one.zk.NotifyISRChanges(t.Context(), []cluster.TopicPartition{tp("garbled", 0)}))

	waiting := make(map[string]Waiting)
	f.eventually("three partitions wait", func() bool {
		s, _ := one.Snapshot(t.Context())
		for _, w := range append(s.Leaderless, s.Garbled...) {
			waiting[w.Name] = w
		}
		return len(waiting) == 3
	})
	for name, want := range map[string]string{
		"never-0":   "one of replicas [9] to come",
		"lost-0":    "one of ISR [2] to come back; of the replicas [2] no other may lead without an unclean election",
		"garbled-0": "another state than this: ",
	} {
		if w := waiting[name]; !strings.HasPrefix(w.For, want) || w.Since.Before(before) || w.Since.After(time.Now()) {
			t.Errorf("%s waits for %q since %v", name, w.For, w.Since)
		}
	}

	f.start(2)
	f.eventually("one of them is led again", func() bool {
		s, _ := one.Snapshot(t.Context())
		return len(s.Leaderless) == 1 && s.Leaderless[0].Name == "never-0"
	})
}
