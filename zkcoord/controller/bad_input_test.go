package controller

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// A tool, or a person with zkCli, may write any assignment: with a broker twice, with brokers that never were, with none at
// all. Each concerns its own partition; the controller lives, and so does the next one, which finds them all at its start.
func TestAssignmentsThatCannotBeConcernOnlyThemselves(t *testing.T) {
	f := newFakeCluster(t)
	one := f.start(1)
	f.awaitActive(one)
	raw := f.rawClient()
	for topic, assignment := range map[string]string{
		"twice":   `{"version":2,"partitions":{"0":[1,1]},"adding_replicas":{},"removing_replicas":{}}`,
		"nobody":  `{"version":2,"partitions":{"0":[9,8]},"adding_replicas":{},"removing_replicas":{}}`,
		"some":    `{"version":2,"partitions":{"0":[9,1],"1":[1]},"adding_replicas":{},"removing_replicas":{}}`,
		"empty":   `{"version":2,"partitions":{"0":[]},"adding_replicas":{},"removing_replicas":{}}`,
		"without": `{"version":2,"partitions":{},"adding_replicas":{},"removing_replicas":{}}`,
		"moving":  `{"version":2,"partitions":{"0":[1]},"adding_replicas":{"0":[7]},"removing_replicas":{"0":[1,6]}}`,
		"number":  `{"version":2,"partitions":{"-1":[1],"x":[1]}}`,
		"string":  `"1"`,
	} {
		_, err := raw.Create("/brokers/topics/"+topic, []byte(assignment), 0, worldACL())
		check(t, err)
	}
	check(t, one.zk.CreateTopic(t.Context(), "t", [][]cluster.BrokerID{{1}}, nil, zkcoord.NewTopicID()))
	f.awaitLeader(1, tp("t", 0), 1)
	f.awaitLeader(1, tp("some", 0), 1)
	f.awaitLeader(1, tp("some", 1), 1)
	// A broker cannot be in sync with itself: two of it in the ISR would pass for two copies of a record.
	f.awaitState(one.zk, tp("twice", 0), "leader=1/0 isr=[1] controller=1")
	for _, line := range f.sentTo(1, "LeaderAndIsr twice-0") {
		if want := "LeaderAndIsr twice-0 leader=1/0 isr=[1] replicas=[1] new"; line != want {
			t.Errorf("it was told %s, want %s", line, want)
		}
	}
	// And so it is where another controller has written what it found.
	_, err := raw.Set("/brokers/topics/twice/partitions/0/state", []byte(`{"controller_epoch":1,"leader":-1,"version":1,"leader_epoch":4,"isr":[1,1]}`), -1)
	check(t, err)

	one.Close()
	one.zk.Close()
	two := f.start(1)
	f.awaitActive(two)
	check(t, two.zk.CreateTopic(t.Context(), "u", [][]cluster.BrokerID{{1}}, nil, zkcoord.NewTopicID()))
	f.awaitLeader(1, tp("u", 0), 1)
	f.awaitState(two.zk, tp("twice", 0), "leader=1/5 isr=[1] controller=2")
	// They can be deleted like any other, unless the deletion has to wait for a broker that never was.
	for _, topic := range []string{"twice", "without"} {
		check(t, two.zk.RequestDeletion(t.Context(), topic))
		f.eventually(topic+" is gone", func() bool {
			there, _, err := raw.Exists("/brokers/topics/" + topic)
			check(t, err)
			return !there
		})
	}
}

// A request that a broker sent in an earlier life is refused: it speaks of replicas that have been restarted since.
func TestRequestsOfEarlierLivesAreRefused(t *testing.T) {
	f := newFakeCluster(t)
	one := f.start(1)
	f.awaitActive(one)
	check(t, one.zk.CreateTopic(t.Context(), "t", [][]cluster.BrokerID{{1}}, nil, zkcoord.NewTopicID()))
	f.awaitLeader(1, tp("t", 0), 1)

	alter := kmsg.NewPtrAlterPartitionRequest()
	alter.Version, alter.BrokerID, alter.BrokerEpoch = 2, 1, one.brokerEpoch()-1
	if resp := call(t, one.AlterPartition, alter); resp.ErrorCode != kerr.StaleBrokerEpoch.Code {
		t.Errorf("AlterPartition: %+v", resp)
	}
	alter.BrokerID, alter.BrokerEpoch = 9, 1
	if resp := call(t, one.AlterPartition, alter); resp.ErrorCode != kerr.StaleBrokerEpoch.Code {
		t.Errorf("AlterPartition of a broker that is not there: %+v", resp)
	}
	leave := kmsg.NewPtrControlledShutdownRequest()
	leave.Version, leave.BrokerID, leave.BrokerEpoch = 3, 1, one.brokerEpoch()-1
	if resp := call(t, one.ControlledShutdown, leave); resp.ErrorCode != kerr.StaleBrokerEpoch.Code {
		t.Errorf("ControlledShutdown: %+v", resp)
	}
}

// Somebody has set /controller_epoch back, and the states say that a controller of later epochs wrote them. Nobody but us reigns, so
// it is no reason to go; each such partition is left alone, and the others are served.
func TestStatesOfAReignThatNeverWas(t *testing.T) {
	f := newFakeCluster(t)
	one := f.start(1)
	f.awaitActive(one)
	check(t, one.zk.CreateTopic(t.Context(), "t", [][]cluster.BrokerID{{1}, {1}}, nil, zkcoord.NewTopicID()))
	f.awaitLeader(1, tp("t", 1), 1)
	const path, later = "/brokers/topics/t/partitions/0/state", `{"controller_epoch":9,"leader":-1,"version":1,"leader_epoch":4,"isr":[1]}`
	raw := f.rawClient()
	_, err := raw.Set(path, []byte(later), -1)
	check(t, err)
	one.Close()
	one.zk.Close()
	two := f.start(1)
	f.awaitActive(two)
	check(t, two.zk.CreateTopic(t.Context(), "u", [][]cluster.BrokerID{{1}}, nil, zkcoord.NewTopicID()))
	f.awaitState(two.zk, tp("u", 0), "leader=1/0 isr=[1] controller=2")
	if got, _, err := raw.Get(path); err != nil || string(got) != later {
		t.Errorf("the state of a later reign became %s, %v", got, err)
	}
}
