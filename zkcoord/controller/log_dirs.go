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
	learn := func(t *topic, n int32, code int16) {
		if t == nil || t.partitions[n] == nil {
			return
		}
		switch p := t.partitions[n]; {
		case code == kafkaStorageCode && !b.failed[p]:
			b.failed[p] = true
			lost = append(lost, replica{p, id})
		case code == noError && b.failed[p]:
			delete(b.failed, p)
			found = append(found, replica{p, id})
		}
	}
	for _, rt := range resp.Topics {
		for _, rp := range rt.Partitions {
			learn(c.state.byID[rt.TopicID], rp.Partition, rp.ErrorCode)
		}
	}
	for _, rp := range resp.Partitions { // before version 5
		learn(c.state.topics[rp.Topic], rp.Partition, rp.ErrorCode)
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
