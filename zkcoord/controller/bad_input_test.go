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

	one.Close()
	one.zk.Close()
	two := f.start(1)
	f.awaitActive(two)
	check(t, two.zk.CreateTopic(t.Context(), "u", [][]cluster.BrokerID{{1}}, nil, zkcoord.NewTopicID()))
	f.awaitLeader(1, tp("u", 0), 1)
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
