package controller

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// A cluster of 2.4 lives through all that a controller does: a topic without id, a failed disk, an unclean
// election, a deletion. A controller of 3.9 that comes after it gives the topic what it lacks.
func TestAnOldProtocol(t *testing.T) {
	f := newFakeCluster(t)
	f.protocol = Protocol{LeaderAndISR: 4, StopReplica: 2, UpdateMetadata: 6, Feature: zkcoord.Feature{Version: 1}}
	one := f.start(1)
	f.awaitActive(one)
	two := f.start(2)
	ctx := t.Context()
	unclean := map[string]string{"unclean.leader.election.enable": "true"}
	check(t, one.zk.CreateTopic(ctx, "t", [][]cluster.BrokerID{{2, 1}}, unclean, cluster.TopicID{}))
	check(t, one.zk.CreateTopic(ctx, "gone", [][]cluster.BrokerID{{1}}, nil, cluster.TopicID{}))
	f.awaitLeader(1, tp("t", 0), 2)
	f.awaitLeader(1, tp("gone", 0), 1)

	f.mu.Lock()
	f.badDisk[1] = map[cluster.TopicPartition]bool{tp("t", 0): true}
	f.mu.Unlock()
	check(t, one.zk.NotifyLogDirFailure(ctx, 1))
	f.awaitState(one.zk, tp("t", 0), "leader=2/1 isr=[2] controller=1")
	f.mu.Lock()
	delete(f.badDisk, 1)
	f.mu.Unlock()
	check(t, one.zk.NotifyLogDirFailure(ctx, 1))
	f.eventually("broker 1 has its replica again", func() bool {
		lines := f.sentTo(1, "UpdateMetadata live=[1 2] t-0 leader=2/1 offline=[]")
		return len(lines) > 0
	})
	two.die()
	f.awaitState(one.zk, tp("t", 0), "leader=1/2 isr=[1] controller=1") // and not "recovering"

	check(t, one.zk.RequestDeletion(ctx, "gone"))
	f.eventually("topic gone is gone", func() bool {
		topics, err := one.zk.Topics(ctx)
		check(t, err)
		return len(topics) == 1
	})
	f.mu.Lock()
	for _, req := range f.sent[1] {
		want := map[int16]int16{4: 4, 5: 2, 6: 6}[req.Key()]
		if got := req.GetVersion(); got != want {
			t.Errorf("%s in version %d, want %d", kmsg.NameForKey(req.Key()), got, want)
		}
	}
	f.mu.Unlock()
	if a, err := one.zk.Topic(ctx, "t"); err != nil || !a.ID.IsZero() {
		t.Errorf("topic t has id %v, %v", a.ID, err)
	}
	if epoch, err := one.zk.FeatureEpoch(ctx); epoch != -1 || err != nil {
		t.Errorf("features of epoch %d, %v", epoch, err)
	}

	f.protocol = NewestProtocol()
	three := f.start(3)
	one.die()
	f.awaitActive(three)
	f.eventually("topic t has an id", func() bool {
		a, err := three.zk.Topic(ctx, "t")
		check(t, err)
		return !a.ID.IsZero()
	})
	if epoch, err := three.zk.FeatureEpoch(ctx); epoch != 1 || err != nil {
		t.Errorf("features of epoch %d, %v", epoch, err)
	}
}

// A leader of an old cluster has let a broker back into the ISR that is shutting down, and the controller does not know it yet when
// the broker is gone.
func TestADeadReplicaLeavesAnISRThatItsLeaderWrote(t *testing.T) {
	f := newFakeCluster(t)
	f.protocol = Protocol{LeaderAndISR: 4, StopReplica: 2, UpdateMetadata: 6, Feature: zkcoord.Feature{Version: 1}}
	one := f.start(1)
	f.awaitActive(one)
	two := f.start(2)
	ctx := t.Context()
	check(t, one.zk.CreateTopic(ctx, "t", [][]cluster.BrokerID{{2, 1}}, nil, cluster.TopicID{}))
	f.awaitLeader(1, tp("t", 0), 2)
	req := kmsg.NewPtrControlledShutdownRequest()
	req.Version, req.BrokerID, req.BrokerEpoch = 2, 2, two.brokerEpoch()
	if resp := call(t, one.ControlledShutdown, req); resp.ErrorCode != 0 || len(resp.PartitionsRemaining) != 0 {
		t.Fatalf("%+v", resp)
	}
	f.awaitState(one.zk, tp("t", 0), "leader=1/1 isr=[1] controller=1")
	states, err := one.zk.States(ctx, []cluster.TopicPartition{tp("t", 0)})
	check(t, err)
	state := states[tp("t", 0)].LeaderAndISR
	state.ISR = []cluster.BrokerID{1, 2}
	if _, err := one.zk.WriteStateAsLeader(ctx, tp("t", 0), state); err != nil {
		t.Fatal(err)
	}
	two.die()
	f.awaitState(one.zk, tp("t", 0), "leader=1/2 isr=[1] controller=1")
}
