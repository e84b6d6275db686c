package controller

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// ControlledShutdown moves leaders away from a broker that is about to stop, and takes it out of the
// ISRs. The answer lists what it still leads; the broker asks again until that is nothing.
func (c *Controller) ControlledShutdown(req *kmsg.ControlledShutdownRequest, reply func(*kmsg.ControlledShutdownResponse)) {
	resp := req.ResponseKind().(*kmsg.ControlledShutdownResponse)
	a := newAnswer(func() { reply(resp) }, func() { resp.ErrorCode = kerr.StaleControllerEpoch.Code })
	c.put("ControlledShutdown", func() error {
		id := cluster.BrokerID(req.BrokerID)
		b := c.state.brokers[id]
		switch {
		case b == nil && req.Version >= 2 && req.BrokerEpoch != noBrokerEpoch:
			resp.ErrorCode = kerr.StaleBrokerEpoch.Code
		case b == nil:
			resp.ErrorCode = kerr.BrokerNotAvailable.Code
		case req.Version >= 2 && req.BrokerEpoch != noBrokerEpoch && req.BrokerEpoch < b.Epoch:
			resp.ErrorCode = kerr.StaleBrokerEpoch.Code
		default:
			remaining, err := c.leave(b)
			if err != nil {
				return err
			}
			for _, p := range remaining {
				rp := kmsg.NewControlledShutdownResponsePartitionsRemaining()
				rp.Topic, rp.Partition = p.Topic, p.Partition
				resp.PartitionsRemaining = append(resp.PartitionsRemaining, rp)
			}
		}
		a.reply()
		return nil
	}, a.drop)
}

// leave hands over what a broker leads and returns what nobody else can take. Partitions that only it
// has are not counted: waiting would not help.
func (c *Controller) leave(b *liveBroker) (remaining []*partition, err error) {
	if !b.leaving {
		c.log.Infof("Broker %d is shutting down", b.ID)
	}
	b.leaving = true
	var led, followed []*partition
	mine := c.state.selectPartitions(func(p *partition) bool {
		return p.led && p.garbled == nil && len(p.assignment.Replicas) > 1 &&
			slices.Contains(p.assignment.Replicas, b.ID) && !c.state.isDeleting(p.Topic)
	})
	for _, p := range mine {
		if p.state.Leader == b.ID {
			led = append(led, p)
		} else {
			followed = append(followed, p)
		}
	}
	if _, err := c.partitionsOnline(led, electShutdown); err != nil {
		return nil, err
	}
	var rs []replica
	for _, p := range followed {
		rs = append(rs, replica{p, b.ID})
	}
	if err := c.replicasOffline(rs); err != nil {
		return nil, err
	}
	for _, p := range led {
		if p.state.Leader == b.ID {
			remaining = append(remaining, p)
		}
	}
	return remaining, nil
}
