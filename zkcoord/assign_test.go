package zkcoord

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"ottla/zkcoord/cluster"
)

func racked(racks ...string) []BrokerRack {
	var brokers []BrokerRack
	for i, rack := range racks {
		brokers = append(brokers, BrokerRack{ID: cluster.BrokerID(i), Rack: rack})
	}
	return brokers
}

func TestAssignmentsThatCannotBe(t *testing.T) {
	for name, tc := range map[string]struct {
		brokers        []BrokerRack
		partitions, rf int
		kind           error
		want           string
	}{
		"no partitions":   {racked(""), 0, 1, ErrInvalidPartitions, "Number of partitions must be larger than 0."},
		"no replicas":     {racked(""), 1, 0, ErrInvalidReplicationFactor, "Replication factor must be larger than 0."},
		"too few brokers": {racked(""), 1, 3, ErrInvalidReplicationFactor, "Replication factor: 3 larger than available brokers: 1."},
		"no brokers":      {nil, 1, 1, ErrInvalidReplicationFactor, "Replication factor: 1 larger than available brokers: 0."},
		"some have racks": {racked("a", ""), 1, 1, ErrPartialRacks, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := AssignReplicas(tc.brokers, tc.partitions, tc.rf, 0, 0)
			if !errors.Is(err, tc.kind) || tc.want != "" && err.Error() != tc.want {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestBrokersAreTakenFromEachRackInTurn(t *testing.T) {
	// Broker 0 is in rack1, 1 and 2 in rack3 and rack3, and so on: the example of Kafka's documentation.
	brokers := racked("rack1", "rack3", "rack3", "rack2", "rack2", "rack1")
	var got []cluster.BrokerID
	for _, b := range alternateRacks(sortedBrokers(brokers)) {
		got = append(got, b.ID)
	}
	if want := ids(0, 3, 1, 5, 4, 2); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestRacksAndBrokersAreUsedEvenly(t *testing.T) {
	brokers := racked("a", "b", "b", "c", "c", "a")
	rackOf := map[cluster.BrokerID]string{}
	for _, b := range brokers {
		rackOf[b.ID] = b.Rack
	}
	for start := range 6 {
		assignment, err := AssignReplicas(brokers, 12, 3, start, 2)
		if err != nil {
			t.Fatal(err)
		}
		leaders, replicas := map[cluster.BrokerID]int{}, map[cluster.BrokerID]int{}
		for p, list := range assignment {
			racks := map[string]bool{}
			for _, id := range list {
				racks[rackOf[id]] = true
				replicas[id]++
			}
			leaders[list[0]]++
			if len(racks) != 3 {
				t.Errorf("start %d, partition %d: %v has %d racks", start, p, list, len(racks))
			}
		}
		for _, b := range brokers {
			if leaders[b.ID] != 2 || replicas[b.ID] != 6 {
				t.Errorf("start %d: broker %d has %d leaders, %d replicas", start, b.ID, leaders[b.ID], replicas[b.ID])
			}
		}
	}
}

func TestNoReplicaTwice(t *testing.T) {
	for _, brokers := range [][]BrokerRack{racked("", "", ""), racked("a", "a", "b", "b", "b"), racked("a", "b", "c", "d"), racked("x")} {
		for rf := 1; rf <= len(brokers); rf++ {
			assignment, err := AssignReplicas(brokers, 50, rf, -1, -1)
			if err != nil {
				t.Fatal(err)
			}
			for p, list := range assignment {
				sorted := slices.Compact(slices.Sorted(slices.Values(list)))
				if len(list) != rf || len(sorted) != rf {
					t.Errorf("%d brokers, factor %d, partition %d: %v", len(brokers), rf, p, list)
				}
			}
		}
	}
}

func TestMorePartitionsGoOnWhereTheOldEnd(t *testing.T) {
	brokers := racked("", "", "", "", "")
	all, err := AssignReplicas(brokers, 10, 3, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	more, err := AssignMoreReplicas(brokers, all[:4], 6)
	if err != nil || !reflect.DeepEqual(more, all[4:]) {
		t.Errorf("%v, %v; want %v", more, err, all[4:])
	}
	if _, err := AssignMoreReplicas(brokers, nil, 1); err == nil {
		t.Error("a topic without partitions grows")
	}
}
