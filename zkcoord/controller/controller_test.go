package controller

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

func TestATopicIsCreatedGrownAndDeleted(t *testing.T) {
	f := newFakeCluster(t)
	b := f.start(1)
	f.awaitActive(b)
	ctx := t.Context()
	id := zkcoord.NewTopicID()
	check(t, b.zk.CreateTopic(ctx, "t", [][]cluster.BrokerID{{1}, {1}}, nil, id))
	b.WaitForBroadcast(ctx, []string{"t"})
	if leader := f.leaderKnownTo(1, tp("t", 1)); leader != 1 {
		t.Errorf("after the broadcast broker 1 believes that %d leads", leader)
	}
	if got, want := f.state(b.zk, tp("t", 0)), "leader=1/0 isr=[1] controller=1"; got != want {
		t.Errorf("state %s, want %s", got, want)
	}
	want := []string{"LeaderAndIsr t-0 leader=1/0 isr=[1] replicas=[1] new, t-1 leader=1/0 isr=[1] replicas=[1] new"}
	if got := f.sentTo(1, "LeaderAndIsr"); !reflect.DeepEqual(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}

	a, err := b.zk.Topic(ctx, "t")
	check(t, err)
	a.Partitions[2] = zkcoord.ReplicaAssignment{Replicas: ids(1)}
	check(t, b.zk.AddPartitions(ctx, "t", a))
	f.awaitLeader(1, tp("t", 2), 1)

	check(t, b.zk.RequestDeletion(ctx, "t"))
	f.eventually("topic t is gone", func() bool {
		topics, err := b.zk.Topics(ctx)
		check(t, err)
		asked, err := b.zk.Deletions(ctx)
		check(t, err)
		return len(topics)+len(asked) == 0
	})
	if leader := f.leaderKnownTo(1, tp("t", 0)); leader != int32(cluster.LeaderDuringDelete) {
		t.Errorf("during the deletion broker 1 believes that %d leads", leader)
	}
	want = []string{
		"StopReplica t-0 epoch=-2 delete=false, t-1 epoch=-2 delete=false, t-2 epoch=-2 delete=false",
		"StopReplica t-0 epoch=-2 delete=true, t-1 epoch=-2 delete=true, t-2 epoch=-2 delete=true",
	}
	if got := f.sentTo(1, "StopReplica"); !reflect.DeepEqual(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
	// The same name again is another topic.
	check(t, b.zk.CreateTopic(ctx, "t", [][]cluster.BrokerID{{1}}, nil, zkcoord.NewTopicID()))
	f.awaitLeader(1, tp("t", 0), 1)
	// Deleting what does not exist is forgotten.
	check(t, b.zk.RequestDeletion(ctx, "nosuch"))
	f.eventually("the request to delete nosuch is gone", func() bool {
		asked, err := b.zk.Deletions(ctx)
		check(t, err)
		return len(asked) == 0
	})
}

func TestRequestsAreAsKafkaSendsThem(t *testing.T) {
	f := newFakeCluster(t)
	b := f.start(1)
	f.awaitActive(b)
	id := zkcoord.NewTopicID()
	check(t, b.zk.CreateTopic(t.Context(), "t", [][]cluster.BrokerID{{1}}, nil, id))
	f.awaitLeader(1, tp("t", 0), 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	first := f.sent[1][0].(*kmsg.UpdateMetadataRequest)
	if len(first.TopicStates) != 0 || len(first.LiveBrokers) != 1 || first.Version != 8 {
		t.Errorf("a new controller's first request: %+v", first)
	}
	wantLI := kmsg.LeaderAndISRRequest{
		Version: 7, ControllerID: 1, ControllerEpoch: 1, BrokerEpoch: b.brokerEpoch(),
		TopicStates: []kmsg.LeaderAndISRRequestTopicState{{Topic: "t", TopicID: id, PartitionStates: []kmsg.LeaderAndISRRequestTopicPartition{{
			ControllerEpoch: 1, Leader: 1, ISR: []int32{1}, Replicas: []int32{1}, AddingReplicas: []int32{}, RemovingReplicas: []int32{}, IsNew: true,
		}}}},
		LiveLeaders: []kmsg.LeaderAndISRRequestLiveLeader{{BrokerID: 1, Host: "fake", Port: 1}},
	}
	wantUM := kmsg.UpdateMetadataRequest{
		Version: 8, ControllerID: 1, ControllerEpoch: 1, BrokerEpoch: b.brokerEpoch(),
		TopicStates: []kmsg.UpdateMetadataRequestTopicState{{Topic: "t", TopicID: id, PartitionStates: []kmsg.UpdateMetadataRequestTopicPartition{{
			ControllerEpoch: 1, Leader: 1, ISR: []int32{1}, Replicas: []int32{1}, OfflineReplicas: []int32{},
		}}}},
		LiveBrokers: []kmsg.UpdateMetadataRequestLiveBroker{{ID: 1, Endpoints: []kmsg.UpdateMetadataRequestLiveBrokerEndpoint{{
			Port: 1, Host: "fake", ListenerName: "PLAINTEXT",
		}}}},
	}
	if got := f.sent[1][1].(*kmsg.LeaderAndISRRequest); !reflect.DeepEqual(*got, wantLI) {
		t.Errorf("\n got %+v\nwant %+v", *got, wantLI)
	}
	if got := f.sent[1][2].(*kmsg.UpdateMetadataRequest); !reflect.DeepEqual(*got, wantUM) {
		t.Errorf("\n got %+v\nwant %+v", *got, wantUM)
	}
}

func TestABrokerDiesAndReturns(t *testing.T) {
	f := newFakeCluster(t)
	one := f.start(1)
	f.awaitActive(one)
	two, three := f.start(2), f.start(3)
	f.eventually("all three are known", func() bool {
		lines := f.sentTo(1, "UpdateMetadata live=[1 2 3]")
		return len(lines) > 0
	})
	ctx := t.Context()
	check(t, one.zk.CreateTopic(ctx, "t", [][]cluster.BrokerID{{2, 3, 1}, {3, 2, 1}, {2}}, nil, zkcoord.NewTopicID()))
	f.awaitLeader(1, tp("t", 2), 2)
	two.die()
	f.awaitState(one.zk, tp("t", 0), "leader=3/1 isr=[3 1] controller=1")
	f.awaitState(one.zk, tp("t", 1), "leader=3/1 isr=[3 1] controller=1")
	f.awaitState(one.zk, tp("t", 2), "leader=-1/1 isr=[2] controller=1") // the last member stays recorded
	f.awaitLeader(3, tp("t", 0), 3)
	f.awaitLeader(1, tp("t", 2), -1)

	f.start(2)
	f.awaitState(one.zk, tp("t", 2), "leader=2/2 isr=[2] controller=1")
	f.awaitLeader(2, tp("t", 0), 3)
	f.awaitLeader(3, tp("t", 2), 2)
	// Its followers catch up, and the leader asks for them.
	resp := call(t, one.AlterPartition, alterPartition(three, tp("t", 0), f.topicID(one, "t"), 1, 1, 3, 1, 2))
	if p := resp.Topics[0].Partitions[0]; resp.ErrorCode != 0 || p.ErrorCode != 0 || !reflect.DeepEqual(p.ISR, []int32{3, 1, 2}) || p.PartitionEpoch != 2 {
		t.Errorf("AlterPartition: %+v", resp)
	}
	// The preferred leader takes over when it is asked to.
	er := kmsg.NewPtrElectLeadersRequest()
	er.Version = 2
	if resp := call(t, one.ElectLeaders, er); resp.ErrorCode != 0 || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 || resp.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Errorf("ElectLeaders: %+v", resp)
	}
	f.awaitState(one.zk, tp("t", 0), "leader=2/2 isr=[3 1 2] controller=1")
}

func (f *fakeCluster) topicID(b *fakeBroker, topic string) cluster.TopicID {
	f.t.Helper()
	a, err := b.zk.Topic(f.t.Context(), topic)
	check(f.t, err)
	return a.ID
}

func alterPartition(from *fakeBroker, p cluster.TopicPartition, id cluster.TopicID, leaderEpoch, partitionEpoch int32, isr ...int32) *kmsg.AlterPartitionRequest {
	req := kmsg.NewPtrAlterPartitionRequest()
	req.Version, req.BrokerID, req.BrokerEpoch = 3, int32(from.id), from.brokerEpoch()
	rp := kmsg.NewAlterPartitionRequestTopicPartition()
	rp.Partition, rp.LeaderEpoch, rp.PartitionEpoch = p.Partition, leaderEpoch, partitionEpoch
	for _, member := range isr {
		m := kmsg.NewAlterPartitionRequestTopicPartitionNewEpochISR()
		m.BrokerID = member
		rp.NewEpochISR = append(rp.NewEpochISR, m)
	}
	rt := kmsg.NewAlterPartitionRequestTopic()
	rt.TopicID = id
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return req
}

func TestABounceBetweenTwoLooksIsSeen(t *testing.T) {
	f := newFakeCluster(t)
	one := f.start(1)
	f.awaitActive(one)
	two := f.start(2)
	check(t, one.zk.CreateTopic(t.Context(), "t", [][]cluster.BrokerID{{2, 1}}, nil, zkcoord.NewTopicID()))
	f.awaitLeader(2, tp("t", 0), 2)
	before := two.brokerEpoch()
	check(t, two.zk.UnregisterBroker(t.Context(), 2))
	check(t, two.register(t.Context()))
	if two.brokerEpoch() <= before {
		t.Fatal("no new epoch")
	}
	f.awaitState(one.zk, tp("t", 0), "leader=1/1 isr=[1] controller=1")
	f.eventually("broker 2 is told in its new life", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, req := range f.sent[2] {
			if req, ok := req.(*kmsg.LeaderAndISRRequest); ok && req.BrokerEpoch == two.brokerEpoch() {
				return true
			}
		}
		return false
	})
}

func TestTheControllerFailsOver(t *testing.T) {
	f := newFakeCluster(t)
	one := f.start(1)
	f.awaitActive(one)
	two, three := f.start(2), f.start(3)
	check(t, one.zk.CreateTopic(t.Context(), "t", [][]cluster.BrokerID{{1, 2, 3}, {2, 3, 1}}, nil, zkcoord.NewTopicID()))
	f.awaitLeader(3, tp("t", 1), 2)
	one.die()
	next := f.awaitActive(two, three)
	if next.Epoch() != 2 {
		t.Errorf("epoch %d", next.Epoch())
	}
	f.awaitState(next.zk, tp("t", 0), "leader=2/1 isr=[2 3] controller=2")
	f.awaitState(next.zk, tp("t", 1), "leader=2/1 isr=[2 3] controller=2")
	f.awaitLeader(3, tp("t", 0), 2)
}

func TestAnExpiredSessionResignsRegistersAndStandsAgain(t *testing.T) {
	f := newFakeCluster(t)
	one := f.start(1)
	f.awaitActive(one)
	check(t, one.zk.CreateTopic(t.Context(), "t", [][]cluster.BrokerID{{1}}, nil, zkcoord.NewTopicID()))
	f.awaitLeader(1, tp("t", 0), 1)
	before := one.brokerEpoch()
	f.zk.ExpireSession(one.zk.SessionID())
	f.eventually("epoch 2", func() bool { return one.Active() && one.Epoch() == 2 })
	if one.brokerEpoch() <= before {
		t.Error("the broker did not register anew")
	}
	f.eventually("LeaderAndIsr to the new life", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, req := range f.sent[1] {
			if req, ok := req.(*kmsg.LeaderAndISRRequest); ok && req.BrokerEpoch == one.brokerEpoch() && req.ControllerEpoch == 2 {
				return true
			}
		}
		return false
	})
	// Nobody was there to lead for a moment, or everything went too fast to see: both end with a leader.
	f.eventually("a leader", func() bool { return strings.HasPrefix(f.state(one.zk, tp("t", 0)), "leader=1/") })
}

func TestADeposedControllerRefusesRequests(t *testing.T) {
	f := newFakeCluster(t)
	one := f.start(1)
	f.awaitActive(one)
	other := f.client(10 * time.Second)
	reign := zkcoord.Reign{Epoch: 1, Version: 1}
	check(t, other.Abdicate(t.Context(), reign))
	f.eventually("the next reign", func() bool { return one.Active() && one.Epoch() == 2 })

	two := f.start(2)
	req := kmsg.NewPtrAllocateProducerIDsRequest()
	req.BrokerID, req.BrokerEpoch = 2, two.brokerEpoch()
	if resp := call(t, two.AllocateProducerIDs, req); resp.ErrorCode != kerr.NotController.Code {
		t.Errorf("from a broker that is not the controller: %+v", resp)
	}
	f.eventually("producer ids", func() bool {
		resp := call(t, one.AllocateProducerIDs, req)
		return resp.ErrorCode == 0 && resp.ProducerIDLen == 1000
	})
	req.BrokerEpoch--
	if resp := call(t, one.AllocateProducerIDs, req); resp.ErrorCode != kerr.StaleBrokerEpoch.Code {
		t.Errorf("with an old broker epoch: %+v", resp)
	}
	if resp := call(t, two.ControlledShutdown, kmsg.NewPtrControlledShutdownRequest()); resp.ErrorCode != kerr.StaleControllerEpoch.Code {
		t.Errorf("ControlledShutdown: %+v", resp)
	}
	one.Close()
	if resp := call(t, one.AllocateProducerIDs, req); resp.ErrorCode != kerr.NotController.Code {
		t.Errorf("after Close: %+v", resp)
	}
	one.WaitForBroadcast(t.Context(), []string{"t"})
}

func TestControlledShutdown(t *testing.T) {
	f := newFakeCluster(t)
	one := f.start(1)
	f.awaitActive(one)
	two := f.start(2)
	check(t, one.zk.CreateTopic(t.Context(), "t", [][]cluster.BrokerID{{2, 1}, {1, 2}, {2}}, nil, zkcoord.NewTopicID()))
	f.awaitLeader(2, tp("t", 2), 2)
	req := kmsg.NewPtrControlledShutdownRequest()
	req.Version, req.BrokerID, req.BrokerEpoch = 3, 2, two.brokerEpoch()
	if resp := call(t, one.ControlledShutdown, req); resp.ErrorCode != 0 || len(resp.PartitionsRemaining) != 0 {
		t.Errorf("%+v", resp)
	}
	for p, want := range []string{"leader=1/1 isr=[1] controller=1", "leader=1/1 isr=[1] controller=1", "leader=2/0 isr=[2] controller=1"} {
		if got := f.state(one.zk, tp("t", int32(p))); got != want {
			t.Errorf("t-%d: %s, want %s", p, got, want)
		}
	}
	two.die()
	f.awaitState(one.zk, tp("t", 2), "leader=-1/1 isr=[2] controller=1")
	req.BrokerID, req.BrokerEpoch = 9, -1
	if resp := call(t, one.ControlledShutdown, req); resp.ErrorCode != kerr.BrokerNotAvailable.Code {
		t.Errorf("of a broker that is not there: %+v", resp)
	}
}

func TestDeletionWaitsForABroker(t *testing.T) {
	f := newFakeCluster(t)
	one := f.start(1)
	f.awaitActive(one)
	two := f.start(2)
	check(t, one.zk.CreateTopic(t.Context(), "t", [][]cluster.BrokerID{{1, 2}}, nil, zkcoord.NewTopicID()))
	f.awaitLeader(2, tp("t", 0), 1)
	two.die()
	f.awaitState(one.zk, tp("t", 0), "leader=1/1 isr=[1] controller=1")
	check(t, one.zk.RequestDeletion(t.Context(), "t"))
	f.awaitState(one.zk, tp("t", 0), "leader=-1/2 isr=[1] controller=1")
	f.eventually("broker 1 has deleted", func() bool { return len(f.sentTo(1, "StopReplica")) >= 2 })
	if snap, ok := one.Snapshot(t.Context()); !ok || len(snap.Deletions) != 1 || snap.Deletions[0].For != "broker 2 is away, or its disk failed" {
		t.Errorf("snapshot: %+v, %v", snap, ok)
	}
	if asked, err := one.zk.Deletions(t.Context()); err != nil || len(asked) != 1 {
		t.Errorf("waiting deletions: %v, %v", asked, err)
	}
	f.start(2)
	f.eventually("topic t is gone", func() bool {
		topics, err := one.zk.Topics(t.Context())
		check(t, err)
		return len(topics) == 0
	})
}

func TestUncleanElectionWhereAllowed(t *testing.T) {
	f := newFakeCluster(t)
	one := f.start(1)
	f.awaitActive(one)
	two := f.start(2)
	ctx := t.Context()
	check(t, one.zk.CreateTopic(ctx, "safe", [][]cluster.BrokerID{{2, 1}}, nil, zkcoord.NewTopicID()))
	check(t, one.zk.CreateTopic(ctx, "fast", [][]cluster.BrokerID{{2, 1}}, map[string]string{"unclean.leader.election.enable": "true"}, zkcoord.NewTopicID()))
	f.awaitLeader(1, tp("safe", 0), 2)
	f.awaitLeader(1, tp("fast", 0), 2)
	for _, topic := range []string{"safe", "fast"} {
		resp := call(t, one.AlterPartition, alterPartition(two, tp(topic, 0), f.topicID(one, topic), 0, 0, 2))
		if resp.Topics[0].Partitions[0].ErrorCode != 0 {
			t.Fatalf("%+v", resp)
		}
	}
	two.die()
	f.awaitState(one.zk, tp("safe", 0), "leader=-1/1 isr=[2] controller=1")
	f.awaitState(one.zk, tp("fast", 0), "leader=1/1 isr=[1] controller=1 recovering")
	req := kmsg.NewPtrElectLeadersRequest()
	req.Version, req.ElectionType = 2, 1
	req.Topics = []kmsg.ElectLeadersRequestTopic{{Topic: "safe", Partitions: []int32{0, 7}}, {Topic: "fast", Partitions: []int32{0}}}
	resp := call(t, one.ElectLeaders, req)
	codes := map[string]int16{}
	for _, rt := range resp.Topics {
		for _, rp := range rt.Partitions {
			codes[tp(rt.Topic, rp.Partition).String()] = rp.ErrorCode
		}
	}
	if want := map[string]int16{"safe-0": 0, "safe-7": kerr.UnknownTopicOrPartition.Code, "fast-0": kerr.ElectionNotNeeded.Code}; !reflect.DeepEqual(codes, want) {
		t.Errorf("ElectLeaders %v, want %v", codes, want)
	}
	f.awaitState(one.zk, tp("safe", 0), "leader=1/2 isr=[1] controller=1 recovering")
}

func TestAFailedDiskMovesLeaders(t *testing.T) {
	f := newFakeCluster(t)
	one := f.start(1)
	f.awaitActive(one)
	two := f.start(2)
	check(t, one.zk.CreateTopic(t.Context(), "t", [][]cluster.BrokerID{{2, 1}, {2, 1}}, nil, zkcoord.NewTopicID()))
	f.awaitLeader(2, tp("t", 1), 2)
	disk := func(bad bool) {
		f.mu.Lock()
		f.badDisk[2] = map[cluster.TopicPartition]bool{tp("t", 0): bad}
		f.mu.Unlock()
		check(t, two.zk.NotifyLogDirFailure(t.Context(), 2))
	}
	disk(true)
	f.awaitState(one.zk, tp("t", 0), "leader=1/1 isr=[1] controller=1")
	f.awaitState(one.zk, tp("t", 1), "leader=2/0 isr=[2 1] controller=1")
	f.eventually("clients learn of the offline replica", func() bool {
		lines := f.sentTo(1, "UpdateMetadata")
		return strings.Contains(lines[len(lines)-1], "t-0 leader=1/1 offline=[2]")
	})
	disk(false)
	f.eventually("and of its return", func() bool {
		lines := f.sentTo(1, "UpdateMetadata")
		return strings.Contains(lines[len(lines)-1], "t-0 leader=1/1 offline=[]")
	})
}

func TestReassignment(t *testing.T) {
	f := newFakeCluster(t)
	one := f.start(1)
	f.awaitActive(one)
	f.start(2)
	f.start(3)
	f.eventually("three brokers", func() bool { return len(f.sentTo(1, "UpdateMetadata live=[1 2 3]")) > 0 })
	ctx := t.Context()
	check(t, one.zk.CreateTopic(ctx, "t", [][]cluster.BrokerID{{1, 2}}, nil, zkcoord.NewTopicID()))
	f.awaitLeader(2, tp("t", 0), 1)
	alter := func(replicas []int32) *kmsg.AlterPartitionAssignmentsResponse {
		req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
		req.Topics = []kmsg.AlterPartitionAssignmentsRequestTopic{{Topic: "t", Partitions: []kmsg.AlterPartitionAssignmentsRequestTopicPartition{{Replicas: replicas}}}}
		return call(t, one.AlterPartitionAssignments, req)
	}
	list := func() int {
		resp := call(t, one.ListPartitionReassignments, kmsg.NewPtrListPartitionReassignmentsRequest())
		return len(resp.Topics)
	}
	for _, tc := range []struct {
		replicas []int32
		code     int16
		text     string
	}{
		{nil, kerr.NoReassignmentInProgress.Code, "No partition reassignment is in progress."},
		{[]int32{}, kerr.InvalidReplicaAssignment.Code, "Empty replica list specified in partition reassignment."},
		{[]int32{9}, kerr.InvalidReplicaAssignment.Code, "Replica assignment has brokers that are not alive. Replica list: ArrayBuffer(9), live broker list: Set(1, 2, 3)"},
	} {
		resp := alter(tc.replicas)
		if p := resp.Topics[0].Partitions[0]; resp.ErrorCode != 0 || p.ErrorCode != tc.code || p.ErrorMessage == nil || *p.ErrorMessage != tc.text {
			t.Errorf("%v: %+v", tc.replicas, p)
		}
	}
	if resp := alter([]int32{2, 3}); resp.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Fatalf("%+v", resp)
	}
	a, err := one.zk.Topic(ctx, "t")
	check(t, err)
	if want := (zkcoord.ReplicaAssignment{Replicas: ids(2, 3, 1), Adding: ids(3), Removing: ids(1)}); !reflect.DeepEqual(a.Partitions[0], want) {
		t.Errorf("assignment %+v, want %+v", a.Partitions[0], want)
	}
	if got, want := f.state(one.zk, tp("t", 0)), "leader=1/1 isr=[1 2] controller=1"; got != want {
		t.Errorf("state %s, want %s", got, want)
	}
	if list() != 1 {
		t.Error("the reassignment is not listed")
	}
	if snap, ok := one.Snapshot(ctx); !ok || len(snap.Reassignments) != 1 || snap.Reassignments[0].For != "replicas [3] to be in sync" {
		t.Errorf("snapshot: %+v, %v", snap, ok)
	}
	f.eventually("3 is told as new", func() bool {
		return reflect.DeepEqual(f.sentTo(3, "LeaderAndIsr"), []string{
			"LeaderAndIsr t-0 leader=1/1 isr=[1 2] replicas=[2 3 1]", "LeaderAndIsr t-0 leader=1/1 isr=[1 2] replicas=[2 3 1] new",
		})
	})
	// 3 has caught up, and the leader asks for it.
	resp := call(t, one.AlterPartition, alterPartition(one, tp("t", 0), a.ID, 1, 1, 1, 2, 3))
	if p := resp.Topics[0].Partitions[0]; p.ErrorCode != 0 {
		t.Fatalf("%+v", resp)
	}
	f.awaitState(one.zk, tp("t", 0), "leader=2/3 isr=[2 3] controller=1")
	f.eventually("the assignment is the target", func() bool {
		a, err := one.zk.Topic(ctx, "t")
		check(t, err)
		return reflect.DeepEqual(a.Partitions[0], zkcoord.ReplicaAssignment{Replicas: ids(2, 3)})
	})
	f.eventually("1 deletes its replica", func() bool {
		return reflect.DeepEqual(f.sentTo(1, "StopReplica"), []string{"StopReplica t-0 epoch=3 delete=false", "StopReplica t-0 epoch=3 delete=true"})
	})
	if list() != 0 {
		t.Error("the reassignment is still listed")
	}
	// One that changes its mind.
	if resp := alter([]int32{2, 1}); resp.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Fatalf("%+v", resp)
	}
	if resp := alter(nil); resp.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Fatalf("%+v", resp)
	}
	a, err = one.zk.Topic(ctx, "t")
	check(t, err)
	if want := (zkcoord.ReplicaAssignment{Replicas: ids(2, 3)}); !reflect.DeepEqual(a.Partitions[0], want) {
		t.Errorf("after the cancellation %+v", a.Partitions[0])
	}
}

func TestAGarbledStateIsLeftAlone(t *testing.T) {
	f := newFakeCluster(t)
	one := f.start(1)
	f.awaitActive(one)
	check(t, one.zk.CreateTopic(t.Context(), "t", [][]cluster.BrokerID{{1}, {1}}, nil, zkcoord.NewTopicID()))
	f.awaitLeader(1, tp("t", 1), 1)
	raw := f.rawClient()
	const path = "/brokers/topics/t/partitions/0/state"
	_, err := raw.Set(path, []byte("{garbage"), -1)
	check(t, err)
	one.Close()
	one.zk.Close()
	two := f.start(1)
	f.awaitActive(two)
	f.eventually("the other partition is led", func() bool {
		lines := f.sentTo(1, "LeaderAndIsr")
		return lines[len(lines)-1] == "LeaderAndIsr t-1 leader=1/0 isr=[1] replicas=[1]"
	})
	if got, _, err := raw.Get(path); err != nil || string(got) != "{garbage" {
		t.Errorf("the garbled state became %s, %v", got, err)
	}
	_, err = raw.Set(path, []byte(`{"controller_epoch":1,"leader":-1,"version":1,"leader_epoch":4,"isr":[1]}`), -1)
	check(t, err)
	f.awaitState(two.zk, tp("t", 0), "leader=1/5 isr=[1] controller=2")
}

func TestTopicsWithoutAnIDGetOne(t *testing.T) {
	f := newFakeCluster(t)
	zk := f.client(10 * time.Second)
	check(t, zk.CreateTopic(t.Context(), "old", [][]cluster.BrokerID{{1}}, nil, cluster.TopicID{}))
	one := f.start(1)
	f.awaitActive(one)
	f.awaitLeader(1, tp("old", 0), 1)
	if f.topicID(one, "old").IsZero() {
		t.Error("no id")
	}
}

func TestNotificationsOfOldLeadersAndTools(t *testing.T) {
	f := newFakeCluster(t)
	one := f.start(1)
	f.awaitActive(one)
	f.start(2)
	f.eventually("two brokers", func() bool { return len(f.sentTo(1, "UpdateMetadata live=[1 2]")) > 0 })
	check(t, one.zk.CreateTopic(t.Context(), "t", [][]cluster.BrokerID{{1, 2}}, nil, zkcoord.NewTopicID()))
	f.awaitLeader(2, tp("t", 0), 1)
	raw := f.rawClient()
	// A leader of an old cluster shrinks the ISR itself.
	_, err := raw.Set("/brokers/topics/t/partitions/0/state", []byte(`{"controller_epoch":1,"leader":1,"version":1,"leader_epoch":0,"isr":[1]}`), 0)
	check(t, err)
	before := len(f.sentTo(2, "UpdateMetadata"))
	check(t, one.zk.NotifyISRChanges(t.Context(), []cluster.TopicPartition{tp("t", 0)}))
	f.eventually("everybody hears of it", func() bool { return len(f.sentTo(2, "UpdateMetadata")) > before })
	// A tool reassigns, and asks for the preferred leader.
	_, err = raw.Create("/admin/reassign_partitions", []byte(`{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[2,1]},{"topic":"nosuch","partition":0,"replicas":[1]}]}`), 0, worldACL())
	check(t, err)
	resp := kmsg.AlterPartitionResponse{}
	f.eventually("2 is taken into the ISR", func() bool {
		states, err := one.zk.States(t.Context(), []cluster.TopicPartition{tp("t", 0)})
		check(t, err)
		s := states[tp("t", 0)]
		resp = *call(t, one.AlterPartition, alterPartition(one, tp("t", 0), f.topicID(one, "t"), s.LeaderEpoch, s.PartitionEpoch, 1, 2))
		return resp.ErrorCode == 0 && resp.Topics[0].Partitions[0].ErrorCode == 0
	})
	gone := func(path string) func() bool {
		return func() bool {
			there, _, err := raw.Exists(path)
			check(t, err)
			return !there
		}
	}
	f.eventually("the tool's znode is gone", gone("/admin/reassign_partitions"))
	_, err = raw.Create("/admin/preferred_replica_election", []byte(`{"version":1,"partitions":[{"topic":"t","partition":0}]}`), 0, worldACL())
	check(t, err)
	f.eventually("the tool's znode is gone", gone("/admin/preferred_replica_election"))
	f.eventually("2 leads", func() bool { return strings.HasPrefix(f.state(one.zk, tp("t", 0)), "leader=2/") })
}

func TestWaitForBroadcastEndsWithItsContext(t *testing.T) {
	f := newFakeCluster(t)
	one := f.start(1)
	f.awaitActive(one)
	f.start(2)
	f.eventually("two brokers", func() bool { return len(f.sentTo(1, "UpdateMetadata live=[1 2]")) > 0 })
	f.mu.Lock()
	f.unreachable[2] = true
	f.mu.Unlock()
	check(t, one.zk.CreateTopic(t.Context(), "t", [][]cluster.BrokerID{{1}}, nil, zkcoord.NewTopicID()))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	one.WaitForBroadcast(ctx, []string{"t"})
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Error("it did not wait for broker 2")
	}
	f.mu.Lock()
	f.unreachable[2] = false
	f.mu.Unlock()
	one.WaitForBroadcast(t.Context(), []string{"t"})
	if f.leaderKnownTo(2, tp("t", 0)) != 1 {
		t.Error("broker 2 does not know")
	}
}
