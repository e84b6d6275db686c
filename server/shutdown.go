package server

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/peer"
)

// handOver asks the controller to move leadership elsewhere while this broker still serves: clients see new
// leaders instead of a silent socket. What cannot be moved, as a partition with one replica, is no reason to
// stay (controlled.shutdown.enable) [KafkaServer.controlledShutdown].
func (b *Broker) handOver() {
	c := b.live.Static()
	if !c.ControlledShutdown {
		return
	}
	for attempt := int32(0); ; attempt++ {
		remaining, err := b.askToShutDown()
		switch {
		case err == nil && remaining == 0:
			b.log.Infof("Broker %d: leadership is handed over", b.id)
			return
		case attempt >= c.ControlledShutdownMaxRetries:
			b.log.Warnf("Broker %d: shutting down without having handed over leadership: %d partitions remain, last error %v", b.id, remaining, err)
			return
		case err != nil:
			b.log.Warnf("Broker %d: controlled shutdown: %v; trying again in %v", b.id, err, c.ControlledShutdownRetryBackoff)
		default:
			b.log.Infof("Broker %d: controlled shutdown: %d partitions remain; trying again in %v", b.id, remaining, c.ControlledShutdownRetryBackoff)
		}
		time.Sleep(c.ControlledShutdownRetryBackoff)
	}
}

// askToShutDown is one ControlledShutdown request; it returns how many partitions this broker still leads.
func (b *Broker) askToShutDown() (remaining int, err error) {
	// Of all that brokers ask the controller, Kafka sends this one to the inter-broker listener in any case.
	s := b.metadata.Snapshot()
	to, ok := s.Endpoint(s.ControllerID, b.live.Static().InterBrokerListener)
	if !ok {
		return 0, errNoController
	}
	req := kmsg.NewPtrControlledShutdownRequest()
	req.SetVersion(controlledShutdownVersion(b.live.Static().Protocol))
	req.BrokerID, req.BrokerEpoch = int32(b.id), b.epoch.Load()
	ctx, cancel := context.WithTimeout(context.Background(), b.live.Static().ControllerSocketTimeout)
	defer cancel()
	answer, err := b.peers.RoundTrip(ctx, to, req)
	if err != nil {
		return 0, err
	}
	resp, ok := answer.(*kmsg.ControlledShutdownResponse)
	if !ok {
		return 0, peer.ErrAnswer
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return 0, fmt.Errorf("the controller at %s: %w", to.Address(), err)
	}
	return len(resp.PartitionsRemaining), nil
}
