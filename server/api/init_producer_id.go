package api

import (
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// initProducerID gives an idempotent producer an id that nobody else has.
//
// Transactional producers get their ids from their transaction coordinator, and no broker is one yet.
func (a *API) initProducerID(c *call, req *kmsg.InitProducerIDRequest) {
	resp := kmsg.NewPtrInitProducerIDResponse()
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	switch {
	case c.version >= 3 && (req.ProducerID == -1) != (req.ProducerEpoch == -1):
		resp.ErrorCode = codeInvalidRequest
	case req.TransactionalID != nil && *req.TransactionalID == "":
		resp.ErrorCode = codeInvalidRequest
	case req.TransactionalID != nil:
		resp.ErrorCode = codeNotCoordinator
	default:
		a.producerIDs.next(a.AllocateProducerIDs, func(id int64, failed int16) {
			if resp.ErrorCode = failed; failed == codeNone {
				resp.ProducerID, resp.ProducerEpoch = id, 0
			}
			c.reply(resp)
		})
		return
	}
	c.reply(resp)
}

// producerIDRetry is how long this broker rests after the controller gave it no ids. Producers that ask
// meanwhile are told to come again.
const producerIDRetry = 100 * time.Millisecond

// producerIDs hands out the ids of the block that this broker has, and asks the controller for another
// when it is used up. Blocks keep the brokers from asking for every single producer.
type producerIDs struct {
	mu struct {
		sync.Mutex
		first, end int64 // of what is left of the block
		waiting    []func(id int64, failed int16)
		asking     bool
		rest       time.Time // no question before it
	}
}

// allocate asks the controller for a block of ids, and gives its answer once, from any goroutine.
type allocate func(reply func(first int64, count int32, failed int16))

// next gives an id to got, once, at once or when the controller has answered.
func (p *producerIDs) next(ask allocate, got func(id int64, failed int16)) {
	p.mu.Lock()
	switch {
	case p.mu.first < p.mu.end:
		id := p.mu.first
		p.mu.first++
		p.mu.Unlock()
		got(id, codeNone)
		return
	case time.Now().Before(p.mu.rest):
		p.mu.Unlock()
		got(-1, codeCoordinatorLoadInProgress)
		return
	}
	p.mu.waiting = append(p.mu.waiting, got)
	if p.mu.asking {
		p.mu.Unlock()
		return
	}
	p.mu.asking = true
	p.mu.Unlock()
	ask(func(first int64, count int32, failed int16) { p.answered(ask, first, count, failed) })
}

// answered gives the new block's ids to those that wait. Whatever the failure, it is one of ours and not
// of the producer, so it is told to try again.
func (p *producerIDs) answered(ask allocate, first int64, count int32, failed int16) {
	p.mu.Lock()
	waiting := p.mu.waiting
	p.mu.waiting, p.mu.asking = nil, false
	if failed != codeNone || count <= 0 {
		p.mu.rest = time.Now().Add(producerIDRetry)
		p.mu.Unlock()
		for _, got := range waiting {
			got(-1, codeCoordinatorLoadInProgress)
		}
		return
	}
	served := min(int64(len(waiting)), int64(count))
	p.mu.first, p.mu.end = first+served, first+int64(count)
	p.mu.Unlock()
	for i, got := range waiting[:served] {
		got(first+int64(i), codeNone)
	}
	for _, got := range waiting[served:] {
		p.next(ask, got)
	}
}
