package server

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// createOn makes a topic of one partition on the given brokers.
func (c *trio) createOn(topic string, replicas ...int32) {
	c.t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 10000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, -1, -1
	t.ReplicaAssignment = []kmsg.CreateTopicsRequestTopicReplicaAssignment{{Replicas: replicas}}
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(c.t.Context(), c.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}
	if err != nil {
		c.t.Fatalf("create %s: %v", topic, err)
	}
}

// A partition whose last replica in sync is gone stands still until unclean.leader.election.enable becomes true,
// and then waits for nothing else: for the topic, or for the brokers' default.
func TestAnUncleanElectionBeginsWhenTheSettingAllowsIt(t *testing.T) {
	c := startTrio(t, nil)
	admin := kadm.NewClient(c.client)
	topics := []string{"orders", "payments"}
	for _, topic := range topics {
		c.createOn(topic, 2, 3)
		c.produce(topic, 0, 0, 1)
	}
	c.kill(3)
	for _, topic := range topics {
		c.await("broker 3 has left the ISR", func() bool {
			return len(c.partition(2, cluster.TopicPartition{Topic: topic}).ISR) == 1
		})
		c.produce(topic, 0, 1, 1)
	}
	c.kill(2)
	c.start(3)
	if leader, _ := c.leader(cluster.TopicPartition{Topic: "orders"}); leader != cluster.NoBroker {
		t.Fatalf("broker %d leads without having been in sync", leader)
	}
	allow := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "unclean.leader.election.enable", Value: kadm.StringPtr("true")}}
	answers, err := admin.AlterTopicConfigs(t.Context(), allow, "orders")
	if err != nil || answers[0].Err != nil {
		t.Fatal(err, answers)
	}
	c.await("orders is led by who was not in sync", func() bool {
		leader, _ := c.leader(cluster.TopicPartition{Topic: "orders"})
		return leader == 3
	})
	if leader, _ := c.leader(cluster.TopicPartition{Topic: "payments"}); leader != cluster.NoBroker {
		t.Errorf("payments does not allow it and is led by broker %d", leader)
	}
	answers, err = admin.AlterBrokerConfigs(t.Context(), allow)
	if err != nil || answers[0].Err != nil {
		t.Fatal(err, answers)
	}
	c.await("so is payments, by the brokers' default", func() bool {
		leader, _ := c.leader(cluster.TopicPartition{Topic: "payments"})
		return leader == 3
	})
}
