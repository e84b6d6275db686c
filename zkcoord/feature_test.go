package zkcoord

import (
	"errors"
	"testing"

	"ottla/zkcoord/cluster"
)

// A cluster is rolled from a protocol without features to the newest one, and back.
func TestFeature(t *testing.T) {
	s := zooKeeper(t)
	c := connect(t, Options{Connect: s.Addr()})
	ctx := soon(t)
	epoch := func(want int64) {
		t.Helper()
		if got, err := c.FeatureEpoch(ctx); got != want || err != nil {
			t.Errorf("epoch %d, %v; want %d", got, err, want)
		}
	}
	written := func(want string) {
		t.Helper()
		if n, err := c.read(ctx, featurePath); err != nil || string(n.data) != want {
			t.Errorf("%s, %v; want %s", n.data, err, want)
		}
	}
	epoch(-1)
	for range 2 {
		check(t, c.EnsureFeature(ctx, Feature{Version: 1}))
		written(`{"features":{},"version":1,"status":0}`)
		epoch(-1)
	}
	for range 2 {
		check(t, c.EnsureFeature(ctx, Feature{Version: 1, Enabled: true}))
		written(`{"features":{},"version":1,"status":1}`)
		epoch(1)
	}
	check(t, c.EnsureFeature(ctx, Feature{Version: 2, Enabled: true}))
	written(kafkaFeature)
	epoch(2)
	check(t, c.EnsureFeature(ctx, Feature{Version: 1}))
	written(`{"features":{},"version":1,"status":0}`)
	epoch(-1)

	const finalized = `{"features":{"f":2},"version":2,"status":1}`
	if _, err := c.set(ctx, featurePath, []byte(finalized), anyVersion); err != nil {
		t.Fatal(err)
	}
	check(t, c.EnsureFeature(ctx, Feature{Version: 2, Enabled: true}))
	written(finalized)
	if err := c.EnsureFeature(ctx, Feature{Version: 1, Enabled: true}); !errors.Is(err, ErrMalformed) {
		t.Errorf("finalized features in another shape: %v", err)
	}
	written(finalized)
}

func TestALeaderWritesItsState(t *testing.T) {
	s := zooKeeper(t)
	c := connect(t, Options{Connect: s.Addr()})
	ctx := soon(t)
	orders := cluster.TopicPartition{Topic: "orders"}
	state := cluster.LeaderAndISR{Leader: 1, ISR: ids(1, 2, 3), ControllerEpoch: 1}
	if _, err := c.WriteStateAsLeader(ctx, orders, state); !errors.Is(err, ErrBadVersion) {
		t.Errorf("a partition that is gone: %v", err)
	}
	check(t, c.ensure(ctx, statePath(orders), encodeState(state)))
	state.ISR = ids(1, 2)
	if epoch, err := c.WriteStateAsLeader(ctx, orders, state); epoch != 1 || err != nil {
		t.Errorf("epoch %d, %v", epoch, err)
	}
	if epoch, err := c.WriteStateAsLeader(ctx, orders, state); epoch != 1 || err != nil {
		t.Errorf("the same again, its answer was lost: epoch %d, %v", epoch, err)
	}
	state.ISR = ids(1)
	if _, err := c.WriteStateAsLeader(ctx, orders, state); !errors.Is(err, ErrBadVersion) {
		t.Errorf("with an old partition epoch: %v", err)
	}
}
