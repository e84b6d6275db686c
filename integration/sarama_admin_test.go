package integration

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"ottla/integration/testcluster"
)

// The calls of a ClusterAdmin that TestSaramaClusterAdmin leaves out: with it, all that the broker serves.
func TestSaramaClusterAdminOfOffsetsMembersAndPlaces(t *testing.T) {
	cluster := testcluster.Start(t, 1)
	admin := saramaAdmin(t, cluster)
	createTopic(t, admin, "work", 2, nil)
	producer, err := sarama.NewSyncProducer(cluster.Addrs(), saramaConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = producer.Close() }()
	began := time.UnixMilli(1_000_000_000_000)
	for i := range 10 {
		m := &sarama.ProducerMessage{Topic: "work", Key: sarama.StringEncoder("same"), Value: sarama.StringEncoder(fmt.Sprint(i)), Timestamp: began.Add(time.Duration(i) * time.Second)}
		if _, _, err := producer.SendMessage(m); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("offsets are listed by place and by time", func(t *testing.T) {
		total := func(at int64) (sum int64) {
			t.Helper()
			listed, err := admin.ListOffsets(map[string]map[int32]int64{"work": {0: at, 1: at}}, nil)
			if err != nil || len(listed["work"]) != 2 {
				t.Fatalf("listed: %v, %v", listed, err)
			}
			for partition, got := range listed["work"] {
				if !errors.Is(got.Err, sarama.ErrNoError) {
					t.Errorf("work-%d: %v", partition, got.Err)
				}
				sum += got.Offset
			}
			return sum
		}
		if oldest, newest := total(sarama.OffsetOldest), total(sarama.OffsetNewest); oldest != 0 || newest != 10 {
			t.Errorf("the oldest add up to %d, the newest to %d, want 0 and 10", oldest, newest)
		}
		// All are in one partition; the other has none of that time, which is -1.
		if got := total(began.Add(4 * time.Second).UnixMilli()); got != 4-1 {
			t.Errorf("the offsets of the fifth record's time add up to %d, want 3", got)
		}
	})
	t.Run("a group's offsets are set and listed, of several groups at once", func(t *testing.T) {
		for group, offset := range map[string]int64{"early": 2, "late": 9} {
			answer, err := admin.AlterConsumerGroupOffsets(group, map[string]map[int32]sarama.OffsetAndMetadata{"work": {0: {Offset: offset, Metadata: group, LeaderEpoch: -1}}}, nil)
			if err != nil || answer.Errors["work"][0] != sarama.ErrNoError {
				t.Fatalf("%s: %+v, %v", group, answer, err)
			}
		}
		listed, err := admin.ListConsumerGroupOffsetsBatch(map[string]map[string][]int32{"early": nil, "late": {"work": {0}}})
		if err != nil {
			t.Fatal(err)
		}
		for group, offset := range map[string]int64{"early": 2, "late": 9} {
			if block := listed[group].Blocks["work"][0]; block == nil || block.Offset != offset || block.Metadata != group {
				t.Errorf("%s: %+v", group, listed[group])
			}
		}
	})
	t.Run("one resource is described by itself", func(t *testing.T) {
		//lint:ignore SA1019 it is what programs use that are older than DescribeConfigs
		entries, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.BrokerResource, Name: "1", ConfigNames: []string{"broker.id"}})
		if err != nil || len(entries) != 1 || entries[0].Value != "1" {
			t.Errorf("got %+v, %v", entries, err)
		}
	})
	t.Run("a broker's setting changes", func(t *testing.T) {
		value := "500000"
		if err := admin.IncrementalAlterConfig(sarama.BrokerResource, "1",
			map[string]sarama.IncrementalAlterConfigsEntry{"message.max.bytes": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}}, false); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is in force", func() bool {
			described, err := admin.DescribeConfigs([]*sarama.ConfigResource{{Type: sarama.TopicResource, Name: "work", ConfigNames: []string{"max.message.bytes"}}}, sarama.DescribeConfigsOptions{})
			return err == nil && len(described) == 1 && len(described[0].Configs) == 1 && described[0].Configs[0].Value == value
		})
		if err := admin.AlterConfig(sarama.BrokerResource, "1", map[string]*string{}, false); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("the controller and a group's coordinator are named", func(t *testing.T) {
		controller, err := admin.Controller()
		if err != nil || controller.Addr() != cluster.Addrs()[0] {
			t.Errorf("controller %v, %v", controller, err)
		}
		coordinator, err := admin.Coordinator("early")
		if err != nil || coordinator.Addr() != cluster.Addrs()[0] {
			t.Errorf("coordinator %v, %v", coordinator, err)
		}
	})
	t.Run("replicas stay where they are asked to be", func(t *testing.T) {
		if err := admin.AlterPartitionReassignments("work", [][]int32{{1}, {1}}); err != nil {
			t.Error(err)
		}
	})
	t.Run("a feature that no broker has is refused", func(t *testing.T) {
		results, err := admin.UpdateFeatures([]sarama.FeatureUpdate{{Feature: "metadata.version", MaxVersionLevel: 1}})
		if err != nil || len(results) != 1 || !errors.Is(results[0].ErrorCode, sarama.ErrInvalidRequest) {
			t.Errorf("got %+v, %v", results, err)
		}
	})
	t.Run("a static member is removed by its name", func(t *testing.T) {
		c := saramaConfig()
		c.Consumer.Group.InstanceId = "first"
		m := joinGroupThrough(t, cluster, "static", c, func(error) (again bool) { return false })
		eventually(t, "the member has both partitions", func() bool { claims, _ := m.snapshot(); return slices.Equal(claims, []int32{0, 1}) })
		answer, err := admin.RemoveMemberFromConsumerGroup("static", []string{"first"})
		if err != nil || answer.Err != sarama.ErrNoError || len(answer.Members) != 1 || answer.Members[0].Err != sarama.ErrNoError {
			t.Fatalf("removed: %+v, %v", answer, err)
		}
		described, err := admin.DescribeConsumerGroups([]string{"static"})
		if err != nil || len(described[0].Members) != 0 {
			t.Errorf("described: %+v, %v", described[0], err)
		}
	})
}
