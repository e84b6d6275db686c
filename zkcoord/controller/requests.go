package controller

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// answer is a client's answer on its way: given by the handler, or, when the event is dropped or fails,
// as a refusal. Whichever comes first counts.
type answer struct{ reply, drop func() }

// newAnswer makes one of two ways to end a request.
func newAnswer(reply func(), refuse func()) answer {
	var once sync.Once
	return answer{
		reply: func() { once.Do(reply) },
		drop:  func() { once.Do(func() { refuse(); reply() }) },
	}
}

const notControllerText = "This is not the correct controller for this cluster."

func notController() (int16, *string) {
	text := notControllerText
	return kerr.NotController.Code, &text
}

// clientError is an error as a client sees it.
func clientError(err error) (int16, *string) {
	var r *refusal
	switch {
	case err == nil:
		return noError, nil
	case errors.As(err, &r):
		return r.code.Code, &r.text
	}
	text := err.Error()
	return kerr.UnknownServerError.Code, &text
}

func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func sortedKeys[V any](m map[cluster.TopicPartition]V) []cluster.TopicPartition {
	tps := make([]cluster.TopicPartition, 0, len(m))
	for tp := range m {
		tps = append(tps, tp)
	}
	slices.SortFunc(tps, func(a, b cluster.TopicPartition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return tps
}

// checkBrokerEpoch refuses a request of a broker that is not alive, or of an earlier life of it.
func (c *Controller) checkBrokerEpoch(id cluster.BrokerID, epoch int64) *kerr.Error {
	if b := c.state.brokers[id]; b == nil || b.Epoch != epoch {
		return kerr.StaleBrokerEpoch
	}
	return nil
}

// AllocateProducerIDs gives a broker the next block of producer ids.
func (c *Controller) AllocateProducerIDs(req *kmsg.AllocateProducerIDsRequest, reply func(*kmsg.AllocateProducerIDsResponse)) {
	resp := req.ResponseKind().(*kmsg.AllocateProducerIDsResponse)
	a := newAnswer(func() { reply(resp) }, func() { resp.ErrorCode = kerr.NotController.Code })
	c.put("AllocateProducerIds", func() error {
		defer a.reply()
		id := cluster.BrokerID(req.BrokerID)
		if stale := c.checkBrokerEpoch(id, req.BrokerEpoch); stale != nil {
			resp.ErrorCode = stale.Code
			return nil
		}
		block, err := c.zk.NextProducerIDs(c.eventCtx, id)
		if err != nil {
			resp.ErrorCode = kerr.CoordinatorLoadInProgress.Code
			if !concernsController(err) {
				resp.ErrorCode = kerr.UnknownServerError.Code
			}
			return err
		}
		resp.ProducerIDStart, resp.ProducerIDLen = block.First, zkcoord.ProducerIDBlock
		return nil
	}, a.drop)
}

// UpdateFeatures refuses every feature: 3.9 in ZooKeeper mode supports none.
func (c *Controller) UpdateFeatures(req *kmsg.UpdateFeaturesRequest, reply func(*kmsg.UpdateFeaturesResponse)) {
	resp := req.ResponseKind().(*kmsg.UpdateFeaturesResponse)
	a := newAnswer(func() { reply(resp) }, func() { resp.ErrorCode, resp.ErrorMessage = notController() })
	c.put("UpdateFeatures", func() error {
		for _, f := range req.FeatureUpdates {
			text := "Could not apply finalized feature update because the provided feature is not supported."
			r := kmsg.NewUpdateFeaturesResponseResult()
			r.Feature, r.ErrorCode, r.ErrorMessage = f.Feature, kerr.InvalidRequest.Code, &text
			resp.Results = append(resp.Results, r)
		}
		a.reply()
		return nil
	}, a.drop)
}
