package controller

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// preferredElectionAsked serves the znode that tools write.
func (c *Controller) preferredElectionAsked() error {
	tps, err := c.zk.PreferredElection(c.eventCtx)
	if err != nil && !errors.Is(err, zkcoord.ErrMalformed) {
		return err
	}
	if err != nil {
		c.log.Error(err)
	}
	var ps []*partition
	for _, tp := range tps {
		if p := c.state.partition(tp); p != nil && p.led && !c.state.isDeleting(tp.Topic) && !prefersItsLeader(p) {
			ps = append(ps, p)
		}
	}
	failed, err := c.partitionsOnline(ps, electPreferred)
	if err != nil {
		return err
	}
	if len(failed) > 0 {
		c.log.Warnf("%d of %d preferred leaders are not available", len(failed), len(ps))
	}
	return c.zk.ForgetPreferredElection(c.eventCtx, c.reign)
}

func prefersItsLeader(p *partition) bool {
	return len(p.assignment.Replicas) == 0 || p.state.Leader == p.assignment.Replicas[0]
}

// scheduleRebalance looks at the preferred leaders after a while.
func (c *Controller) scheduleRebalance(after time.Duration) {
	generation, reign := c.generation.Load(), c.reign
	c.rebalance = time.AfterFunc(after, func() {
		c.queue.put(event{name: "AutoPreferredReplicaLeaderElection", generation: generation, run: func() error {
			if reign != c.reign {
				return nil
			}
			config := c.options.Config()
			defer c.scheduleRebalance(max(config.RebalanceInterval, time.Second))
			if !config.AutoRebalance {
				return nil
			}
			return c.rebalanceLeaders(config.ImbalancePercent)
		}})
	})
}

// rebalanceLeaders moves leaders back to preferred replicas where a broker leads too few of its own.
func (c *Controller) rebalanceLeaders(percent int) error {
	var ps []*partition
	for _, list := range c.imbalanced(percent) {
		ps = append(ps, list...)
	}
	if len(ps) == 0 {
		return nil
	}
	sortPartitions(ps)
	failed, err := c.partitionsOnline(ps, electPreferred)
	if err == nil {
		c.log.Infof("%d of %d leaders moved back to their preferred replicas", len(ps)-len(failed), len(ps))
	}
	return err
}

// imbalanced lists, by preferred leader, the partitions that it could lead and does not, for those
// brokers where they are more than percent of all that prefer it.
func (c *Controller) imbalanced(percent int) map[cluster.BrokerID][]*partition {
	all := make(map[cluster.BrokerID]int)
	away := make(map[cluster.BrokerID][]*partition)
	elsewhere := make(map[cluster.BrokerID]int)
	for _, p := range c.state.selectPartitions(func(p *partition) bool { return p.led && p.garbled == nil && !c.state.isDeleting(p.Topic) }) {
		if len(p.assignment.Replicas) == 0 {
			continue
		}
		preferred := p.assignment.Replicas[0]
		all[preferred]++
		if p.state.Leader == preferred {
			continue
		}
		elsewhere[preferred]++
		if _, err := elect(electPreferred, c.state.candidates(p)); err == nil && !p.assignment.Reassigning() {
			away[preferred] = append(away[preferred], p)
		}
	}
	maps.DeleteFunc(away, func(id cluster.BrokerID, _ []*partition) bool {
		return elsewhere[id]*100 <= percent*all[id]
	})
	return away
}

// Election types of ElectLeaders.
const (
	electionTypePreferred = 0
	electionTypeUnclean   = 1
)

// ElectLeaders elects preferred leaders, or unclean ones where there is none.
func (c *Controller) ElectLeaders(req *kmsg.ElectLeadersRequest, reply func(*kmsg.ElectLeadersResponse)) {
	resp := req.ResponseKind().(*kmsg.ElectLeadersResponse)
	a := newAnswer(func() { reply(resp) }, func() { refuseElections(req, resp) })
	c.put("ReplicaLeaderElection", func() error {
		kind := electPreferred
		if req.Version >= 1 && req.ElectionType == electionTypeUnclean {
			kind = electUnclean
		} else if req.Version >= 1 && req.ElectionType != electionTypePreferred {
			resp.ErrorCode = kerr.InvalidRequest.Code
			a.reply()
			return nil
		}
		outcome, err := c.electLeaders(req, kind)
		if err != nil {
			return err
		}
		for _, tp := range sortedKeys(outcome) {
			var code int16
			var text *string
			if r := outcome[tp]; r != nil {
				if req.Topics == nil && r.code == kerr.ElectionNotNeeded {
					continue // asked for all: the many that need none are not listed
				}
				code, text = r.code.Code, &r.text
			}
			addElection(resp, tp, code, text)
		}
		a.reply()
		return nil
	}, a.drop)
}

// electLeaders runs the elections; nil stands for success.
func (c *Controller) electLeaders(req *kmsg.ElectLeadersRequest, kind electionKind) (map[cluster.TopicPartition]*refusal, error) {
	outcome := make(map[cluster.TopicPartition]*refusal)
	var ps []*partition
	consider := func(p *partition) {
		needed := kind == electPreferred && !prefersItsLeader(p) ||
			kind == electUnclean && (p.state.Leader == cluster.NoBroker || !c.state.online(p, p.state.Leader))
		switch {
		case c.state.isDeleting(p.Topic):
			outcome[p.TopicPartition] = &refusal{kerr.InvalidTopicException, "The topic is being deleted"}
		case !p.led || p.garbled != nil:
			outcome[p.TopicPartition] = noEligible(kind)
		case !needed:
			outcome[p.TopicPartition] = &refusal{kerr.ElectionNotNeeded, "Leader election not needed for topic partition."}
		case !slices.Contains(ps, p):
			ps = append(ps, p)
			outcome[p.TopicPartition] = nil
		}
	}
	if req.Topics == nil {
		for _, p := range c.state.selectPartitions(func(*partition) bool { return true }) {
			consider(p)
		}
	}
	for _, t := range req.Topics {
		for _, n := range t.Partitions {
			tp := cluster.TopicPartition{Topic: t.Topic, Partition: n}
			if p := c.state.partition(tp); p != nil {
				consider(p)
			} else {
				outcome[tp] = &refusal{kerr.UnknownTopicOrPartition, "The partition does not exist."}
			}
		}
	}
	failed, err := c.partitionsOnline(ps, kind)
	for p, why := range failed {
		if errors.Is(why, errNoLeader) {
			outcome[p.TopicPartition] = noEligible(kind)
		} else {
			outcome[p.TopicPartition] = &refusal{kerr.UnknownServerError, why.Error()}
		}
	}
	return outcome, err
}

func noEligible(kind electionKind) *refusal {
	if kind == electPreferred {
		return &refusal{kerr.PreferredLeaderNotAvailable, "The preferred leader was not available."}
	}
	return &refusal{kerr.EligibleLeadersNotAvailable, "Eligible topic partition leaders are not available."}
}

// refuseElections answers NOT_CONTROLLER for each partition that was asked for.
func refuseElections(req *kmsg.ElectLeadersRequest, resp *kmsg.ElectLeadersResponse) {
	resp.Topics = nil
	if req.Topics == nil {
		resp.ErrorCode = kerr.NotController.Code
	}
	for _, t := range req.Topics {
		for _, n := range t.Partitions {
			addElection(resp, cluster.TopicPartition{Topic: t.Topic, Partition: n}, kerr.NotController.Code, nil)
		}
	}
}

func addElection(resp *kmsg.ElectLeadersResponse, tp cluster.TopicPartition, code int16, text *string) {
	if n := len(resp.Topics); n == 0 || resp.Topics[n-1].Topic != tp.Topic {
		t := kmsg.NewElectLeadersResponseTopic()
		t.Topic = tp.Topic
		resp.Topics = append(resp.Topics, t)
	}
	rp := kmsg.NewElectLeadersResponseTopicPartition()
	rp.Partition, rp.ErrorCode, rp.ErrorMessage = tp.Partition, code, text
	t := &resp.Topics[len(resp.Topics)-1]
	t.Partitions = append(t.Partitions, rp)
}

// UncleanElectionAllowed tells the controller that unclean.leader.election.enable may have become true,
// for one topic or, with "", for all: partitions without a leader get another chance.
func (c *Controller) UncleanElectionAllowed(topic string) {
	c.put("TopicUncleanLeaderElectionEnable", func() error {
		return c.electOffline(slices.Values(c.state.selectPartitions(func(p *partition) bool {
			return (topic == "" || p.Topic == topic) && p.status != partitionOnline
		})))
	}, nil)
}
