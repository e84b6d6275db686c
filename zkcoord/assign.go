package zkcoord

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"ottla/zkcoord/cluster"
)

// BrokerRack is a broker to which replicas may be assigned, with its rack or "".
type BrokerRack struct {
	ID   cluster.BrokerID
	Rack string
}

// Why replicas cannot be assigned. The texts of what wraps them are Kafka's, since clients see them.
var (
	ErrInvalidPartitions        = errors.New("invalid partitions")
	ErrInvalidReplicationFactor = errors.New("invalid replication factor")
	// ErrPartialRacks: some brokers have a rack and some have none, so nobody can say what apart means.
	ErrPartialRacks = errors.New("not all brokers have a rack")
)

type assignError struct {
	text string
	kind error
}

func (e *assignError) Error() string { return e.text }
func (e *assignError) Unwrap() error { return e.kind }

// AssignReplicas spreads the replicas of new partitions over the brokers as Kafka does. The first
// replicas go round the brokers from startIndex on; the others follow at a distance, which is shift for
// the first round and grows by one with each further round, so that two brokers rarely share all their
// partitions. With racks, brokers are taken alternately from each, and no rack gets a second replica while
// another has none. A negative startIndex or shift is drawn at random.
func AssignReplicas(brokers []BrokerRack, partitions, replicationFactor, startIndex, shift int) ([][]cluster.BrokerID, error) {
	return assign(brokers, 0, partitions, replicationFactor, startIndex, shift)
}

// AssignMoreReplicas is AssignReplicas for the partitions that a topic grows by, going on where its
// existing assignment left off.
func AssignMoreReplicas(brokers []BrokerRack, existing [][]cluster.BrokerID, more int) ([][]cluster.BrokerID, error) {
	if len(existing) == 0 || len(existing[0]) == 0 {
		return nil, &assignError{"Partition 0 of the topic has no replicas to go by.", ErrInvalidPartitions}
	}
	start := 0
	for i, b := range sortedBrokers(brokers) {
		if b.ID >= existing[0][0] {
			start = i
			break
		}
	}
	return assign(brokers, len(existing), more, len(existing[0]), start, start)
}

func assign(brokers []BrokerRack, first, partitions, replicationFactor, startIndex, shift int) ([][]cluster.BrokerID, error) {
	switch {
	case partitions <= 0:
		return nil, &assignError{"Number of partitions must be larger than 0.", ErrInvalidPartitions}
	case replicationFactor <= 0:
		return nil, &assignError{"Replication factor must be larger than 0.", ErrInvalidReplicationFactor}
	case replicationFactor > len(brokers):
		text := fmt.Sprintf("Replication factor: %d larger than available brokers: %d.", replicationFactor, len(brokers))
		return nil, &assignError{text, ErrInvalidReplicationFactor}
	}
	sorted := sortedBrokers(brokers)
	racks := make(map[string]bool)
	for _, b := range sorted {
		racks[b.Rack] = true
	}
	_, some := racks[""]
	if some && len(racks) > 1 {
		return nil, &assignError{"Not all brokers have rack information. Add --disable-rack-aware in command line to make replica assignment without rack information.", ErrPartialRacks}
	}
	s := spread{brokers: sorted, racks: 1}
	if !some {
		s.brokers, s.racks = alternateRacks(sorted), len(racks)
	}
	if startIndex < 0 {
		startIndex = rand.IntN(len(sorted))
	}
	if shift < 0 {
		shift = rand.IntN(len(sorted))
	}
	assignment := make([][]cluster.BrokerID, 0, partitions)
	for p := first; p < first+partitions; p++ {
		if p > 0 && p%len(sorted) == 0 {
			shift++
		}
		assignment = append(assignment, s.replicas((p+startIndex)%len(sorted), shift, replicationFactor))
	}
	return assignment, nil
}

func sortedBrokers(brokers []BrokerRack) []BrokerRack {
	return slices.SortedFunc(slices.Values(brokers), func(a, b BrokerRack) int { return int(a.ID) - int(b.ID) })
}

// alternateRacks takes brokers from each rack in turn: of racks a:{1,2}, b:{3}, c:{4,5} it makes 1 3 4 2 5.
func alternateRacks(brokers []BrokerRack) []BrokerRack {
	byRack := make(map[string][]BrokerRack)
	var racks []string
	for _, b := range brokers {
		if len(byRack[b.Rack]) == 0 {
			racks = append(racks, b.Rack)
		}
		byRack[b.Rack] = append(byRack[b.Rack], b)
	}
	slices.Sort(racks)
	alternated := make([]BrokerRack, 0, len(brokers))
	for len(alternated) < len(brokers) {
		for _, rack := range racks {
			if rest := byRack[rack]; len(rest) > 0 {
				alternated = append(alternated, rest[0])
				byRack[rack] = rest[1:]
			}
		}
	}
	return alternated
}

// spread picks one partition's replicas. Without racks all brokers count as being in the same one, and
// its conditions then only keep a broker from being taken twice.
type spread struct {
	brokers []BrokerRack
	racks   int
}

func (s spread) replicas(first, shift, replicationFactor int) []cluster.BrokerID {
	leader := s.brokers[first]
	replicas := []cluster.BrokerID{leader.ID}
	usedRacks := map[string]bool{leader.Rack: true}
	for k := 0; len(replicas) < replicationFactor; k++ {
		b := s.brokers[follower(first, shift*s.racks, k, len(s.brokers))]
		rackServed := usedRacks[b.Rack] && len(usedRacks) < s.racks
		if rackServed || slices.Contains(replicas, b.ID) {
			continue
		}
		replicas = append(replicas, b.ID)
		usedRacks[b.Rack] = true
	}
	return replicas
}

// follower is the index of the k-th candidate behind the leader: 1 to n-1 places further, never the leader.
func follower(leader, shift, k, n int) int {
	return (leader + 1 + (shift+k)%(n-1)) % n
}
