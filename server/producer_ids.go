package server

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/config"
	"ottla/zkcoord"
)

// nextProducerIDs answers with a block of producer ids from another goroutine. Before 3.0 brokers take them from ZooKeeper
// themselves; Kafka then takes one at every start, this broker when somebody needs it.
func (b *Broker) nextProducerIDs(reply func(first int64, count int32, code int16)) {
	if b.live.Static().Protocol >= config.Protocol30IV0 {
		b.allocateProducerIDs(reply)
		return
	}
	b.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), b.live.Static().RequestTimeout)
		defer cancel()
		block, err := b.zk.NextProducerIDs(ctx, b.id)
		if err != nil {
			b.log.Warnf("Producer ids from ZooKeeper: %v", err)
			reply(0, 0, kerr.CoordinatorLoadInProgress.Code)
			return
		}
		reply(block.First, zkcoord.ProducerIDBlock, 0)
	})
}

// allocateProducerIDs asks the controller, which may be this very broker, for a block of producer ids, and
// answers from another goroutine.
func (b *Broker) allocateProducerIDs(reply func(first int64, count int32, code int16)) {
	b.work.Go(func() {
		to, ok := b.controllerEndpoint()
		if !ok {
			reply(0, 0, kerr.CoordinatorLoadInProgress.Code) // the client tries again
			return
		}
		req := kmsg.NewPtrAllocateProducerIDsRequest()
		req.BrokerID, req.BrokerEpoch = int32(b.id), b.epoch.Load()
		ctx, cancel := context.WithTimeout(context.Background(), b.live.Static().RequestTimeout)
		defer cancel()
		answer, err := b.peers.RoundTripNegotiated(ctx, to, req, 0)
		resp, ok := answer.(*kmsg.AllocateProducerIDsResponse)
		if err != nil || !ok {
			b.log.Warnf("Producer ids from the controller at %s: %v", to.Address(), err)
			reply(0, 0, kerr.CoordinatorLoadInProgress.Code)
			return
		}
		reply(resp.ProducerIDStart, resp.ProducerIDLen, resp.ErrorCode)
	})
}
