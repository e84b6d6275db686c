package server

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/peer"
	"ottla/zkcoord/cluster"
)

// isrChanges brings leaders' wishes for another ISR before the controller: AlterPartition, one request of
// this broker in flight, wishes that come meanwhile gathered into the next [AlterPartitionManager].
type isrChanges struct {
	isrWishes
	id      cluster.BrokerID
	epoch   func() int64
	peers   *peer.Client
	channel controllerChannel
	newest  func(allHaveIDs bool) int16 // version of AlterPartition; an older controller gets an older one
	log     logrus.FieldLogger

	// trouble is why the last request failed, "" if it did not: partitions ask again twenty times a second, and
	// an absent controller is worth one line, not one for each. It belongs to run.
	trouble string
}

// controllerChannel finds where the controller is reached; ok is false while nobody is known to be it.
type controllerChannel func() (to cluster.Endpoint, ok bool)

func startISRChanges(id cluster.BrokerID, epoch func() int64, peers *peer.Client, channel controllerChannel, newest func(bool) int16, log logrus.FieldLogger) *isrChanges {
	c := &isrChanges{id: id, epoch: epoch, peers: peers, channel: channel, newest: newest, log: log}
	c.start(c.run)
	return c
}

func (c *isrChanges) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		}
		if wishes := c.take(); len(wishes) > 0 {
			c.ask(ctx, wishes)
		}
	}
}

// ask sends one request and hands its answers out. What finds no controller is answered
// UNKNOWN_SERVER_ERROR: the partition asks again after a rest.
func (c *isrChanges) ask(ctx context.Context, wishes []isrWish) {
	req := c.request(wishes)
	answers, err := c.roundTrip(ctx, req)
	if ctx.Err() == nil {
		c.report(len(wishes), err)
	}
	for _, w := range wishes {
		code := kerr.UnknownServerError.Code
		var granted cluster.LeaderAndISR
		if a, ok := answers[alterKeyOf(w, req.Version)]; ok {
			code = a.ErrorCode
			granted = cluster.LeaderAndISR{
				Leader: cluster.BrokerID(a.LeaderID), LeaderEpoch: a.LeaderEpoch, ISR: cluster.BrokerIDs(a.ISR),
				Recovery: cluster.LeaderRecovery(a.LeaderRecoveryState), PartitionEpoch: a.PartitionEpoch,
			}
		}
		w.answer(granted, code)
	}
}

// report logs a failure, unless it is the one that was logged before, and its end.
func (c *isrChanges) report(partitions int, err error) {
	switch {
	case err == nil && c.trouble != "":
		c.trouble = ""
		c.log.Infof("AlterPartition for %d partitions: answered again", partitions)
	case err != nil && err.Error() != c.trouble:
		c.trouble = err.Error()
		c.log.Warnf("AlterPartition for %d partitions: %v; asking again until it is answered", partitions, err)
	}
}

// firstByID is the version of AlterPartition from which on topics have ids and not names.
const firstByID = 2

// alterKey names a partition as a request does: either by its topic's id or by its name.
type alterKey struct {
	id        cluster.TopicID
	topic     string
	partition int32
}

func alterKeyOf(w isrWish, version int16) alterKey {
	if version >= firstByID {
		return alterKey{id: w.id, partition: w.tp.Partition}
	}
	return alterKey{topic: w.tp.Topic, partition: w.tp.Partition}
}

var errNoController = errors.New("no controller is known")

// roundTrip sends the request, in an older version if the controller knows no newer one, and returns the answers.
func (c *isrChanges) roundTrip(ctx context.Context, req *kmsg.AlterPartitionRequest) (map[alterKey]kmsg.AlterPartitionResponseTopicPartition, error) {
	to, ok := c.channel()
	if !ok {
		return nil, errNoController
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	answer, err := c.peers.RoundTripNegotiated(ctx, to, req, 0)
	if err != nil {
		return nil, err
	}
	resp, ok := answer.(*kmsg.AlterPartitionResponse)
	if !ok {
		return nil, peer.ErrAnswer
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, err
	}
	answers := make(map[alterKey]kmsg.AlterPartitionResponseTopicPartition)
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			answers[alterKey{t.TopidID, t.Topic, p.Partition}] = p
		}
	}
	return answers, nil
}

// request is AlterPartition. It holds what any version needs, and the one in which it is sent decides what goes over the wire:
// topics by id or by name, members with epochs or without. In ZooKeeper mode a leader does not know the epochs of its
// followers and sends -1 for each.
func (c *isrChanges) request(wishes []isrWish) *kmsg.AlterPartitionRequest {
	req := kmsg.NewPtrAlterPartitionRequest()
	req.SetVersion(c.newest(!slices.ContainsFunc(wishes, func(w isrWish) bool { return w.id.IsZero() })))
	req.BrokerID, req.BrokerEpoch = int32(c.id), c.epoch()
	for _, w := range wishes {
		i := slices.IndexFunc(req.Topics, func(t kmsg.AlterPartitionRequestTopic) bool { return t.TopicID == w.id && t.Topic == w.tp.Topic })
		if i < 0 {
			t := kmsg.NewAlterPartitionRequestTopic()
			t.TopicID, t.Topic = w.id, w.tp.Topic
			req.Topics = append(req.Topics, t)
			i = len(req.Topics) - 1
		}
		p := kmsg.NewAlterPartitionRequestTopicPartition()
		p.Partition, p.LeaderEpoch, p.PartitionEpoch = w.tp.Partition, w.want.LeaderEpoch, w.want.PartitionEpoch
		p.LeaderRecoveryState = int8(w.want.Recovery)
		for _, id := range w.want.ISR {
			member := kmsg.NewAlterPartitionRequestTopicPartitionNewEpochISR()
			member.BrokerID, member.BrokerEpoch = int32(id), -1
			p.NewEpochISR = append(p.NewEpochISR, member)
			p.NewISR = append(p.NewISR, int32(id))
		}
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, p)
	}
	return req
}
