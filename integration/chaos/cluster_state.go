package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/go-zookeeper/zk"
)

// clusterState reads from ZooKeeper, over no proxy, what the brokers have agreed upon.
type clusterState struct{ conn *zk.Conn }

func watchState(server string) (*clusterState, error) {
	// The client waits two thirds of the time-out for a ZooKeeper that has just opened its port and serves nobody yet.
	conn, _, err := zk.Connect([]string{server}, sessionTimeout, zk.WithLogInfo(false), zk.WithLogger(silent{}))
	if err != nil {
		return nil, fmt.Errorf("connect to ZooKeeper: %w", err)
	}
	return &clusterState{conn}, nil
}

func (s *clusterState) close() { s.conn.Close() }

// silent drops what the ZooKeeper client would print when ZooKeeper is killed.
type silent struct{}

func (silent) Printf(string, ...any) {}

// registered returns an error unless that many brokers are there.
func (s *clusterState) registered(want int) error {
	ids, _, err := s.conn.Children("/brokers/ids")
	if err != nil {
		return fmt.Errorf("/brokers/ids: %w", err)
	}
	if slices.Sort(ids); len(ids) != want {
		return fmt.Errorf("brokers %v are registered", ids)
	}
	return nil
}

// gone returns an error as long as a broker's registration is there.
func (s *clusterState) gone(id node) error {
	there, _, err := s.conn.Exists(fmt.Sprintf("/brokers/ids/%d", int(id)))
	if err != nil {
		return err
	}
	if there {
		return errors.New("it is still there")
	}
	return nil
}

// controller is the broker that holds the office.
func (s *clusterState) controller() (node, error) {
	text, _, err := s.conn.Get("/controller")
	if err != nil {
		return 0, fmt.Errorf("/controller: %w", err)
	}
	var c struct {
		ID int `json:"brokerid"`
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return 0, fmt.Errorf("/controller: %w", err)
	}
	return node(c.ID), nil
}

// coordinator is the broker that leads the partition of __transaction_state which a transactional id belongs to.
func (s *clusterState) coordinator(id string) (node, error) {
	partitions, err := s.partitions()
	if err != nil {
		return 0, err
	}
	const topic = "__transaction_state"
	count := int32(0)
	for name := range partitions {
		if strings.HasPrefix(name, topic+"-") {
			count++
		}
	}
	if count == 0 {
		return 0, fmt.Errorf("there is no %s yet", topic)
	}
	name := fmt.Sprintf("%s-%d", topic, partitionOf(id, count))
	if leader := partitions[name].Leader; leader > 0 {
		return node(leader), nil
	}
	return 0, fmt.Errorf("%s has no leader", name)
}

// partitionOf is Kafka's choice of the partition for a transactional id: the absolute hash of a Java string.
func partitionOf(id string, partitions int32) int32 {
	var hash int32
	for _, unit := range utf16.Encode([]rune(id)) {
		hash = 31*hash + int32(unit)
	}
	if hash == math.MinInt32 {
		return 0 // as Kafka takes the one integer without a positive twin
	}
	return max(hash, -hash) % partitions
}

// depose takes the office from whoever holds it.
func (s *clusterState) depose() error { return s.conn.Delete("/controller", -1) }

// partitionState is what the znode of a partition says.
type partitionState struct {
	Leader      int   `json:"leader"`
	LeaderEpoch int   `json:"leader_epoch"`
	ISR         []int `json:"isr"`
}

// partitions returns the state of every partition of every topic.
func (s *clusterState) partitions() (map[string]partitionState, error) {
	topics, _, err := s.conn.Children("/brokers/topics")
	if err != nil {
		return nil, fmt.Errorf("/brokers/topics: %w", err)
	}
	all := make(map[string]partitionState)
	for _, topic := range topics {
		text, _, err := s.conn.Get("/brokers/topics/" + topic)
		if err != nil {
			return nil, err
		}
		var assigned struct {
			Partitions map[string][]int `json:"partitions"`
		}
		if err := json.Unmarshal(text, &assigned); err != nil {
			return nil, fmt.Errorf("/brokers/topics/%s: %w", topic, err)
		}
		for partition := range assigned.Partitions {
			path := fmt.Sprintf("/brokers/topics/%s/partitions/%s/state", topic, partition)
			text, _, err := s.conn.Get(path)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			var state partitionState
			if err := json.Unmarshal(text, &state); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			all[topic+"-"+partition] = state
		}
	}
	return all, nil
}

// whole returns an error unless that many brokers are registered, there is a controller, and every partition has a
// leader and that many replicas in sync.
func (s *clusterState) whole(replicas int) error {
	if err := s.registered(replicas); err != nil {
		return err
	}
	if _, err := s.controller(); err != nil {
		return err
	}
	partitions, err := s.partitions()
	if err != nil {
		return err
	}
	var lacking []string
	for _, name := range slices.Sorted(maps.Keys(partitions)) {
		if p := partitions[name]; p.Leader < 0 || len(p.ISR) < replicas {
			lacking = append(lacking, fmt.Sprintf("%s: leader %d, epoch %d, ISR %v", name, p.Leader, p.LeaderEpoch, p.ISR))
		}
	}
	if len(lacking) > 0 {
		return fmt.Errorf("%s", strings.Join(lacking, "; "))
	}
	return nil
}
