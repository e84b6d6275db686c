package controller

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// leaderAndISRAnswered learns from a broker's answer which of its replicas are on failed disks: those are
// answered KAFKA_STORAGE_ERROR, and NONE when they work again. Other codes say nothing about disks; most
// often one tells that the broker knew already.
func (c *Controller) leaderAndISRAnswered(id cluster.BrokerID, resp *kmsg.LeaderAndISRResponse) error {
	if resp.ErrorCode != noError {
		c.log.Errorf("Broker %d answered LeaderAndIsr with error %d", id, resp.ErrorCode)
		return nil
	}
	b := c.state.brokers[id]
	var lost, found []replica
	for _, rt := range resp.Topics {
		t := c.state.byID[rt.TopicID]
		if t == nil {
			continue
		}
		for _, rp := range rt.Partitions {
			p := t.partitions[rp.Partition]
			switch {
			case p == nil:
			case rp.ErrorCode == kafkaStorageCode && !b.failed[p]:
				b.failed[p] = true
				lost = append(lost, replica{p, id})
			case rp.ErrorCode == noError && b.failed[p]:
				delete(b.failed, p)
				found = append(found, replica{p, id})
			}
		}
	}
	if len(lost) > 0 {
		c.log.Errorf("Broker %d has lost %d replicas to failed disks", id, len(lost))
		if err := c.wentOffline(lost); err != nil {
			return err
		}
	}
	if len(found) == 0 {
		return nil
	}
	c.log.Infof("%d replicas of broker %d work again", len(found), id)
	if err := c.replicasOnline(c.notDeleting(found)); err != nil {
		return err
	}
	return c.electAllOffline()
}
