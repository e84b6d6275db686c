package metadata

import (
	"slices"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

var (
	firstID  = cluster.TopicID{1}
	secondID = cluster.TopicID{2}
)

// updateOf is a request about partitions of one topic, with one live broker.
func updateOf(topic string, id cluster.TopicID, partitions ...kmsg.UpdateMetadataRequestTopicPartition) *kmsg.UpdateMetadataRequest {
	rack := "rack-a"
	req := &kmsg.UpdateMetadataRequest{
		Version: 8, ControllerID: 1,
		LiveBrokers: []kmsg.UpdateMetadataRequestLiveBroker{{ID: 1, Rack: &rack,
			Endpoints: []kmsg.UpdateMetadataRequestLiveBrokerEndpoint{
				{Host: "a", Port: 9092, ListenerName: "INSIDE"},
				{Host: "a.example.org", Port: 9093, ListenerName: "OUTSIDE", SecurityProtocol: 3},
			}}},
	}
	if len(partitions) > 0 {
		req.TopicStates = []kmsg.UpdateMetadataRequestTopicState{{Topic: topic, TopicID: id, PartitionStates: partitions}}
	}
	return req
}

func state(partition, leader, epoch int32) kmsg.UpdateMetadataRequestTopicPartition {
	return kmsg.UpdateMetadataRequestTopicPartition{Partition: partition, Leader: leader, LeaderEpoch: epoch,
		ISR: []int32{1}, Replicas: []int32{1, 2}, OfflineReplicas: []int32{2}, ZKVersion: epoch}
}

func TestACacheKnowsNothingAtFirst(t *testing.T) {
	s := New().Snapshot()
	if s.ControllerID != cluster.NoBroker || len(s.Brokers) != 0 || len(s.TopicNames()) != 0 {
		t.Errorf("the first snapshot is %+v", s)
	}
	if _, ok := s.TopicByID(cluster.TopicID{}); ok {
		t.Error("the zero id finds a topic")
	}
}

func TestBrokersAreReplacedAndPartitionsMerged(t *testing.T) {
	c := New()
	c.Update(updateOf("orders", firstID, state(0, 1, 4), state(1, 1, 4)))
	before := c.Snapshot()
	c.Update(updateOf("orders", firstID, state(1, 2, 5)))
	c.Update(updateOf("", cluster.TopicID{})) // a broker joined: no partition is named
	s := c.Snapshot()

	if p, ok := s.Partition(cluster.TopicPartition{Topic: "orders", Partition: 1}); !ok || p.Leader != 2 || p.LeaderEpoch != 5 || p.ZKVersion != 5 {
		t.Errorf("orders-1 is %+v, %v", p, ok)
	}
	if p, ok := s.Partition(cluster.TopicPartition{Topic: "orders"}); !ok || p.LeaderEpoch != 4 || !slices.Equal(p.Replicas, []cluster.BrokerID{1, 2}) ||
		!slices.Equal(p.Offline, []cluster.BrokerID{2}) {
		t.Errorf("orders-0 is %+v, %v", p, ok)
	}
	if p, _ := before.Partition(cluster.TopicPartition{Topic: "orders", Partition: 1}); p.LeaderEpoch != 4 {
		t.Errorf("a snapshot changed under its reader: %+v", p)
	}
	if topic, ok := s.TopicByID(firstID); !ok || topic.Name != "orders" || len(topic.Partitions) != 2 {
		t.Errorf("by id: %+v, %v", topic, ok)
	}
	e, ok := s.Endpoint(1, "OUTSIDE")
	if !ok || e != (cluster.Endpoint{Listener: "OUTSIDE", Protocol: "SASL_SSL", Host: "a.example.org", Port: 9093}) {
		t.Errorf("endpoint %+v, %v", e, ok)
	}
	if !s.Alive(1) || s.Alive(2) || s.Brokers[1].Rack != "rack-a" || s.ControllerID != 1 {
		t.Errorf("brokers %+v, controller %v", s.Brokers, s.ControllerID)
	}
}

func TestATopicBeingDeletedLeavesPartitionByPartition(t *testing.T) {
	c := New()
	c.Update(updateOf("orders", firstID, state(0, 1, 0), state(1, 1, 0)))
	if deleted := c.Update(updateOf("orders", firstID, state(0, -2, 0))); !slices.Equal(deleted, []cluster.TopicPartition{{Topic: "orders"}}) {
		t.Errorf("deleted %v", deleted)
	}
	topic, ok := c.Snapshot().Topic("orders")
	if !ok || len(topic.Partitions) != 1 {
		t.Fatalf("after the first partition went: %+v, %v", topic, ok)
	}
	if _, ok := topic.Partition(1); !ok {
		t.Error("with a gap before it, orders-1 is not found")
	}
	c.Update(updateOf("orders", firstID, state(1, -2, 0)))
	if _, ok := c.Snapshot().Topic("orders"); ok {
		t.Error("the topic is there without partitions")
	}
	if _, ok := c.Snapshot().TopicByID(firstID); ok {
		t.Error("the id finds a deleted topic")
	}
}

func TestATopicMadeAnewIsNotFoundByItsOldID(t *testing.T) {
	c := New()
	c.Update(updateOf("orders", firstID, state(0, 1, 0)))
	c.Update(updateOf("orders", secondID, state(0, 1, 0)))
	if _, ok := c.Snapshot().TopicByID(firstID); ok {
		t.Error("the old id finds the new topic")
	}
	if topic, ok := c.Snapshot().TopicByID(secondID); !ok || topic.ID != secondID {
		t.Errorf("the new id finds %+v, %v", topic, ok)
	}
}

func TestOldVersionsNameTheTopicInThePartition(t *testing.T) {
	p := state(3, 1, 7)
	p.Topic = "orders"
	c := New()
	c.Update(&kmsg.UpdateMetadataRequest{Version: 0, ControllerID: 2, PartitionStates: []kmsg.UpdateMetadataRequestTopicPartition{p},
		LiveBrokers: []kmsg.UpdateMetadataRequestLiveBroker{{ID: 1, Host: "a", Port: 9092}}})
	s := c.Snapshot()
	if got, ok := s.Partition(cluster.TopicPartition{Topic: "orders", Partition: 3}); !ok || got.LeaderEpoch != 7 {
		t.Errorf("orders-3 is %+v, %v", got, ok)
	}
	if e, ok := s.Endpoint(1, "PLAINTEXT"); !ok || e.Address() != "a:9092" {
		t.Errorf("endpoint %+v, %v", e, ok)
	}
}

func TestReadersAndUpdatesDoNotDisturbEachOther(t *testing.T) {
	c := New()
	var wg sync.WaitGroup
	for writer := range int32(4) {
		wg.Go(func() {
			for i := range int32(100) {
				c.Update(updateOf("orders", firstID, state(writer*100+i, 1, 0)))
			}
		})
		wg.Go(func() {
			for range 100 {
				s := c.Snapshot()
				if topic, ok := s.Topic("orders"); ok && len(s.TopicNames()) != 1 {
					t.Errorf("%d partitions, topics %v", len(topic.Partitions), s.TopicNames())
				}
			}
		})
	}
	wg.Wait()
	if topic, _ := c.Snapshot().Topic("orders"); len(topic.Partitions) != 400 {
		t.Errorf("%d partitions, want 400: an update was lost", len(topic.Partitions))
	}
}
