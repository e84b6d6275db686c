package controller

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// noBrokerEpoch stands for "not known": a leader in ZooKeeper mode does not know its followers' epochs.
const noBrokerEpoch = -1

// proposal is one partition's new ISR as its leader asks for it.
type proposal struct {
	from           cluster.BrokerID
	leaderEpoch    int32
	partitionEpoch int32
	isr            []cluster.BrokerID
	epochs         []int64 // of the members, noBrokerEpoch where unknown; nil below version 3
	recovery       cluster.LeaderRecovery
}

// judge decides about a proposal: what to write, or an error, or neither when it stands already. It is a
// pure function; lives has the epochs of the brokers that may be members.
//
// The comparison with what stands comes before that of the partition epochs: a leader whose answer was
// lost asks again with the old epoch, and must hear that it has what it wants.
//
// Invariant LiveIsr: nobody joins the ISR who is not alive. The leader learns of deaths later than the
// controller, and an ISR with a dead member in it holds the high watermark back until it expires for lag.
// Who is a member already is not asked: a leader that is shutting down could otherwise never take in the
// follower that is to succeed it. TestJudge breaks without any of these.
func judge(current cluster.LeaderAndISR, p proposal, version int16, lives map[cluster.BrokerID]int64) (next cluster.LeaderAndISR, refused *kerr.Error) {
	switch {
	case p.leaderEpoch > current.LeaderEpoch, p.partitionEpoch > current.PartitionEpoch:
		// The leader knows more than we: somebody else must be the controller.
		return current, kerr.NotController
	case p.leaderEpoch < current.LeaderEpoch:
		return current, kerr.FencedLeaderEpoch
	case slices.Equal(p.isr, current.ISR) && p.recovery == current.Recovery && p.from == current.Leader:
		return current, nil
	case p.partitionEpoch < current.PartitionEpoch:
		return current, kerr.InvalidUpdateVersion
	case p.from != current.Leader, !slices.Contains(p.isr, current.Leader), len(cluster.Once(p.isr)) < len(p.isr):
		return current, kerr.InvalidRequest
	case p.recovery != cluster.LeaderRecovered && p.recovery != cluster.LeaderRecovering,
		p.recovery == cluster.LeaderRecovering && len(p.isr) > 1,
		p.recovery == cluster.LeaderRecovering && current.Recovery == cluster.LeaderRecovered:
		return current, kerr.InvalidRequest
	}
	for i, id := range p.isr {
		epoch, alive := lives[id]
		if slices.Contains(current.ISR, id) && (p.epochs == nil || p.epochs[i] == noBrokerEpoch) ||
			alive && (p.epochs == nil || p.epochs[i] == noBrokerEpoch || p.epochs[i] == epoch) {
			continue
		}
		if version >= 2 {
			return current, kerr.IneligibleReplica
		}
		return current, kerr.OperationNotAttempted
	}
	next = current
	next.ISR, next.Recovery = p.isr, p.recovery
	return next, nil
}

// AlterPartition changes ISRs for their leaders.
func (c *Controller) AlterPartition(req *kmsg.AlterPartitionRequest, reply func(*kmsg.AlterPartitionResponse)) {
	resp := req.ResponseKind().(*kmsg.AlterPartitionResponse)
	a := newAnswer(func() { reply(resp) }, func() { resp.Topics, resp.ErrorCode = nil, kerr.NotController.Code })
	c.put("AlterPartition", func() error {
		if stale := c.checkBrokerEpoch(cluster.BrokerID(req.BrokerID), req.BrokerEpoch); stale != nil {
			resp.ErrorCode = stale.Code
			a.reply()
			return nil
		}
		changed, err := c.alterPartitions(req, resp)
		if err != nil {
			return err
		}
		// Everybody hears of it before the leader can act on it.
		c.pending.tell(c.state, c.state.brokerIDs(), changed...)
		if len(changed) > 0 {
			c.flush()
		}
		a.reply()
		return c.advanceReassignments(changed)
	}, a.drop)
}

// alterPartitions fills in the answer and returns the partitions that changed.
func (c *Controller) alterPartitions(req *kmsg.AlterPartitionRequest, resp *kmsg.AlterPartitionResponse) ([]*partition, error) {
	lives := make(map[cluster.BrokerID]int64)
	for _, id := range c.state.stayingIDs() {
		lives[id] = c.state.brokers[id].Epoch
	}
	verdicts := make(map[cluster.TopicPartition]*kerr.Error)
	next := make(map[cluster.TopicPartition]cluster.LeaderAndISR)
	for _, t := range req.Topics {
		topic := c.findTopic(req.Version, t)
		for _, ap := range t.Partitions {
			if topic == nil || topic.partitions[ap.Partition] == nil {
				continue
			}
			p := topic.partitions[ap.Partition]
			switch {
			case !p.led, p.garbled != nil, c.state.isDeleting(p.Topic):
				verdicts[p.TopicPartition] = kerr.UnknownTopicOrPartition
				continue
			}
			state, refused := judge(p.state, toProposal(req, ap), req.Version, lives)
			switch {
			case refused != nil:
				verdicts[p.TopicPartition] = refused
				c.note(logrus.InfoLevel, fmt.Sprintf("ISRs that leader %d asked for are refused: %s", req.BrokerID, refused.Message), p, fmt.Sprint(toProposal(req, ap).isr))
			case !slices.Equal(state.ISR, p.state.ISR) || state.Recovery != p.state.Recovery:
				next[p.TopicPartition] = state
			}
		}
	}
	changed, err := c.writeProposals(next, verdicts)
	if err != nil {
		return nil, err
	}
	for _, t := range req.Topics {
		resp.Topics = append(resp.Topics, c.alteredTopic(req.Version, t, verdicts))
	}
	return changed, nil
}

func toProposal(req *kmsg.AlterPartitionRequest, ap kmsg.AlterPartitionRequestTopicPartition) proposal {
	p := proposal{
		from: cluster.BrokerID(req.BrokerID), leaderEpoch: ap.LeaderEpoch, partitionEpoch: ap.PartitionEpoch,
		isr: cluster.BrokerIDs(ap.NewISR), recovery: cluster.LeaderRecovery(ap.LeaderRecoveryState),
	}
	if req.Version >= 3 {
		p.isr, p.epochs = nil, []int64{}
		for _, m := range ap.NewEpochISR {
			p.isr = append(p.isr, cluster.BrokerID(m.BrokerID))
			p.epochs = append(p.epochs, m.BrokerEpoch)
		}
	}
	return p
}

// writeProposals writes what was agreed to. A partition that somebody else has written meanwhile is read
// again, and its leader told to try again.
func (c *Controller) writeProposals(next map[cluster.TopicPartition]cluster.LeaderAndISR, verdicts map[cluster.TopicPartition]*kerr.Error) ([]*partition, error) {
	if len(next) == 0 {
		return nil, nil
	}
	done, err := c.zk.WriteStates(c.eventCtx, c.reign, next)
	if err != nil {
		return nil, err
	}
	var changed, stale []*partition
	for _, tp := range sortedKeys(next) {
		p, r := c.state.partition(tp), done[tp]
		switch {
		case r.Err == nil:
			c.log.Debugf("%s: ISR %v -> %v, as leader %d asked", tp, p.state.ISR, r.ISR, r.Leader)
			p.state = r.LeaderAndISR
			changed = append(changed, p)
		case errors.Is(r.Err, zkcoord.ErrBadVersion):
			verdicts[tp] = kerr.InvalidUpdateVersion
			stale = append(stale, p)
		default:
			c.log.Errorf("%s: writing ISR %v: %v", tp, next[tp].ISR, r.Err)
			verdicts[tp] = kerr.UnknownServerError
		}
	}
	return changed, c.learnStates(stale)
}

func (c *Controller) findTopic(version int16, t kmsg.AlterPartitionRequestTopic) *topic {
	if version >= 2 {
		return c.state.byID[t.TopicID]
	}
	return c.state.topics[t.Topic]
}

func (c *Controller) alteredTopic(version int16, t kmsg.AlterPartitionRequestTopic, verdicts map[cluster.TopicPartition]*kerr.Error) kmsg.AlterPartitionResponseTopic {
	topic := c.findTopic(version, t)
	rt := kmsg.NewAlterPartitionResponseTopic()
	rt.Topic, rt.TopidID = t.Topic, t.TopicID
	for _, ap := range t.Partitions {
		rp := kmsg.NewAlterPartitionResponseTopicPartition()
		rp.Partition = ap.Partition
		switch {
		case topic == nil && version >= 2:
			rp.ErrorCode = kerr.UnknownTopicID.Code
		case topic == nil || topic.partitions[ap.Partition] == nil:
			rp.ErrorCode = kerr.UnknownTopicOrPartition.Code
		default:
			p := topic.partitions[ap.Partition]
			if refused := verdicts[p.TopicPartition]; refused != nil {
				rp.ErrorCode = refused.Code
				break
			}
			rp.LeaderID, rp.LeaderEpoch, rp.ISR = int32(p.state.Leader), p.state.LeaderEpoch, int32s(p.state.ISR)
			rp.LeaderRecoveryState, rp.PartitionEpoch = int8(p.state.Recovery), p.state.PartitionEpoch
		}
		rt.Partitions = append(rt.Partitions, rp)
	}
	return rt
}
