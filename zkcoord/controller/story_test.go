package controller

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/integration/golden"
	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// TestStories plays the scripts of testdata: deeds above the line, below it what was refused and what ZooKeeper then has.
func TestStories(t *testing.T) {
	golden.Stories(t, "testdata/*.txt", func(t *testing.T, text string) string {
		s := &story{fakeCluster: newFakeCluster(t), brokers: make(map[cluster.BrokerID]*fakeBroker)}
		s.config = func() Config { return Config{UncleanElection: s.unclean.Load()} }
		s.observer = s.client(10 * time.Second)
		return golden.Scenes(text, s.play)
	})
}

type story struct {
	*fakeCluster
	brokers  map[cluster.BrokerID]*fakeBroker
	observer *zkcoord.Client
	unclean  atomic.Bool // unclean.leader.election.enable of all brokers
	answers  []string    // what the scene's requests were refused with
}

// play does the deeds and waits until they have led to the outcome, or ten seconds are over.
func (s *story) play(deeds []string, outcome string) (got string) {
	s.t.Helper()
	s.answers = nil
	for _, deed := range deeds {
		words := strings.Fields(deed)
		s.do(words[0], words[1:])
	}
	deadline := time.Now().Add(10 * time.Second)
	s.eventually("a scene's end", func() bool {
		got = s.states() + "\n"
		return got == outcome || time.Now().After(deadline)
	})
	return got
}

func (s *story) do(deed string, args []string) {
	s.t.Helper()
	switch deed {
	case "start":
		for _, arg := range args {
			id := number(arg)
			s.brokers[id] = s.start(id)
			s.controller() // so that the first is the controller
		}
		s.settle()
	case "die":
		id := number(args[0])
		s.brokers[id].die()
		delete(s.brokers, id)
		s.settle()
	case "create":
		check(s.t, s.observer.CreateTopic(s.t.Context(), args[0], [][]cluster.BrokerID{numbers(args[1])}, nil, zkcoord.NewTopicID()))
		s.controller().WaitForBroadcast(s.t.Context(), []string{args[0]})
	case "alter-isr":
		p := partitionNamed(s.t, args[0])
		states, err := s.observer.States(s.t.Context(), []cluster.TopicPartition{p})
		check(s.t, err)
		state := states[p]
		leader := s.brokers[state.Leader]
		req := alterPartition(leader, p, s.topicID(leader, p.Topic), state.LeaderEpoch, state.PartitionEpoch, int32s(numbers(args[1]))...)
		if resp := call(s.t, s.controller().AlterPartition, req); resp.ErrorCode != 0 || resp.Topics[0].Partitions[0].ErrorCode != 0 {
			s.t.Errorf("%s %v: %+v", deed, args, resp)
		}
	case "elect":
		s.elect(deed, args[0], electionTypePreferred)
	case "elect-unclean":
		s.elect(deed, args[0], electionTypeUnclean)
	case "rebalance":
		c := s.controller()
		done := make(chan error, 2)
		c.put(deed, func() error {
			err := c.rebalanceLeaders(int(number(args[0])))
			done <- err
			return err
		}, func() { done <- errors.New("dropped") })
		check(s.t, <-done)
	case "allow-unclean":
		topic := ""
		if len(args) == 0 {
			s.unclean.Store(true)
		} else {
			topic = args[0]
			check(s.t, s.observer.SetEntityConfig(s.t.Context(), zkcoord.TopicConfig, topic, map[string]string{"unclean.leader.election.enable": "true"}))
		}
		s.controller().UncleanElectionAllowed(topic) // as a broker does when it hears of the setting
	case "shutdown":
		b := s.brokers[number(args[0])]
		req := kmsg.NewPtrControlledShutdownRequest()
		req.Version, req.BrokerID, req.BrokerEpoch = 3, int32(b.id), b.brokerEpoch()
		if resp := call(s.t, s.controller().ControlledShutdown, req); resp.ErrorCode != 0 {
			s.t.Errorf("%s %v: %+v", deed, args, resp)
		}
	default:
		s.t.Fatalf("no such deed: %s", deed)
	}
}

// elect asks for an election, and notes why there was none.
func (s *story) elect(deed, name string, kind int8) {
	s.t.Helper()
	p := partitionNamed(s.t, name)
	req := kmsg.NewPtrElectLeadersRequest()
	req.Version, req.ElectionType = 2, kind
	req.Topics = []kmsg.ElectLeadersRequestTopic{{Topic: p.Topic, Partitions: []int32{p.Partition}}}
	code := call(s.t, s.controller().ElectLeaders, req).Topics[0].Partitions[0].ErrorCode
	var refused *kerr.Error
	if errors.As(kerr.ErrorForCode(code), &refused) {
		s.answers = append(s.answers, deed+" "+name+": "+refused.Message)
	}
}

func (s *story) controller() *fakeBroker {
	s.t.Helper()
	return s.awaitActive(slices.Collect(maps.Values(s.brokers))...)
}

// settle waits until the controller has told everybody which brokers are alive.
func (s *story) settle() {
	s.t.Helper()
	live := make([]int32, 0, len(s.brokers))
	for id := range s.brokers {
		live = append(live, int32(id))
	}
	slices.Sort(live)
	want := fmt.Sprintf("UpdateMetadata live=%v ", live)
	s.eventually("everybody knows "+want, func() bool {
		for id := range s.brokers {
			lines := s.sentTo(id, "UpdateMetadata")
			if len(lines) == 0 || !strings.HasPrefix(lines[len(lines)-1], want) {
				return false
			}
		}
		return true
	})
}

// states is what ZooKeeper has of all partitions.
func (s *story) states() string {
	topics, err := s.observer.Topics(s.t.Context())
	check(s.t, err)
	lines := slices.Clone(s.answers)
	for _, topic := range topics {
		lines = append(lines, topic+"-0 "+s.state(s.observer, tp(topic, 0)))
	}
	return strings.Join(lines, "\n")
}

func number(text string) cluster.BrokerID {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return cluster.BrokerID(n)
}

func numbers(text string) []cluster.BrokerID {
	var ids []cluster.BrokerID
	for _, n := range strings.Split(text, ",") {
		ids = append(ids, number(n))
	}
	return ids
}

func partitionNamed(t testing.TB, text string) cluster.TopicPartition {
	t.Helper()
	p, err := cluster.ParseTopicPartition(text)
	check(t, err)
	return p
}
