package txn

import (
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// initKnowsFenced is the first version of InitProducerId whose clients know PRODUCER_FENCED.
const initKnowsFenced = 4

// InitProducerID begins a life of a producer: it raises the epoch of its transactional id, which shuts out earlier lives,
// and ends what they have left open. Without a transactional id it only hands out a producer id.
func (c *Coordinator) InitProducerID(req *kmsg.InitProducerIDRequest, reply func(*kmsg.InitProducerIDResponse)) {
	resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
	refuse := func(code int16) {
		resp.ProducerID, resp.ProducerEpoch = noProducerID, noProducerEpoch
		resp.ErrorCode = fencedBefore(req.Version < initKnowsFenced, code)
		reply(resp)
	}
	grant := func(id int64, epoch int16) {
		resp.ProducerID, resp.ProducerEpoch = id, epoch
		reply(resp)
	}
	i := initialization{c: c, timeout: req.TransactionTimeoutMillis, expected: expectation{noProducerID, noProducerEpoch}, grant: grant, refuse: refuse}
	if req.Version >= 3 {
		i.expected = expectation{req.ProducerID, req.ProducerEpoch}
	}
	switch {
	case (i.expected.producerID == noProducerID) != (i.expected.epoch == noProducerEpoch):
		refuse(kerr.InvalidRequest.Code)
	case req.TransactionalID == nil:
		c.producerIDs.Next(func(id int64, code int16) {
			if code != 0 {
				refuse(code)
				return
			}
			grant(id, 0)
		})
	case !validID(*req.TransactionalID):
		refuse(kerr.InvalidRequest.Code)
	case i.timeout <= 0 || time.Duration(i.timeout)*time.Millisecond > c.config.MaxTimeout:
		refuse(kerr.InvalidTransactionTimeout.Code)
	default:
		i.id = *req.TransactionalID
		i.find()
	}
}

// initialization is one InitProducerId with a transactional id.
type initialization struct {
	c        *Coordinator
	id       string
	timeout  int32 // ms
	expected expectation
	grant    func(id int64, epoch int16)
	refuse   func(code int16)
}

func (i *initialization) find() {
	t, code := i.c.find(i.id)
	switch {
	case code != 0:
		i.refuse(code)
	case t != nil:
		i.begin(t, noProducerID)
	default:
		i.c.producerIDs.Next(func(id int64, code int16) {
			if code == 0 {
				unborn := metadata{state: Empty, producerID: id, epoch: noProducerEpoch, lastProducerID: noProducerID,
					lastEpoch: noProducerEpoch, timeout: i.timeout, started: noTime, updated: nowMillis()}
				t, code = i.c.owned.Add(i.c.PartitionFor(i.id), i.id, func(r *reign) *transaction { return newTransaction(i.id, r, unborn) })
			}
			if code != 0 {
				i.refuse(code)
				return
			}
			i.begin(t, noProducerID)
		})
	}
}

// begin prepares the next life and writes it. fresh is a new producer id, if one was found to be needed.
func (i *initialization) begin(t *transaction, fresh int64) {
	next, needsID, code := i.prepare(t, fresh)
	switch {
	case code != 0:
		i.refuse(code)
	case needsID:
		// Ids may come from the controller. Meanwhile anything can happen to the transaction, so it begins anew with one.
		i.c.producerIDs.Next(func(id int64, code int16) {
			if code != 0 {
				i.refuse(code)
				return
			}
			i.begin(t, id)
		})
	case next.state == PrepareEpochFence:
		// The producer shall come again; by then what was open is aborted.
		i.c.end(&ending{t: t, producerID: next.producerID, epoch: next.epoch, done: func(code int16) {
			if code == 0 {
				code = kerr.ConcurrentTransactions.Code
			}
			i.refuse(code)
		}})
	default:
		i.c.store(t, next, nil, func(code int16) {
			if code != 0 {
				i.refuse(code)
				return
			}
			i.grant(next.producerID, next.epoch)
		})
	}
}

func (i *initialization) prepare(t *transaction, fresh int64) (next metadata, needsID bool, code int16) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.mu.pending != none:
		return next, false, kerr.ConcurrentTransactions.Code
	case !t.mu.knows(i.expected):
		return next, false, kerr.ProducerFenced.Code
	case t.mu.state.decided():
		return next, false, kerr.ConcurrentTransactions.Code
	case t.mu.state == Ongoing:
		if t.mu.epoch == math.MaxInt16 && !t.mu.failedFence {
			return next, false, kerr.UnknownServerError.Code // no producer was ever given this epoch
		}
		return t.beginLocked(t.mu.toFence(t.mu.failedFence)), false, 0
	case t.mu.state == Dead:
		return next, false, kerr.ConcurrentTransactions.Code
	case !t.mu.needsProducerID(i.expected):
		if t.mu.epoch == math.MaxInt16 {
			return next, false, kerr.ProducerFenced.Code // it names an epoch that was passed long ago
		}
		if next, code = t.mu.toEmpty(i.expected, i.timeout, nowMillis()); code != 0 {
			return next, false, code
		}
	case fresh == noProducerID:
		return next, true, 0
	default:
		next = t.mu.toNewProducer(fresh, i.expected, i.timeout, nowMillis())
	}
	return t.beginLocked(next), false, 0
}
