package txn

import (
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// producerIDRetry is how long this broker rests after the controller gave it no ids. Producers that ask
// meanwhile are told to come again.
const producerIDRetry = 100 * time.Millisecond

// AllocateProducerIDs asks the controller for a block of ids, and gives its answer once, from any goroutine.
type AllocateProducerIDs func(reply func(first int64, count int32, code int16))

// ProducerIDs hands out the ids of the block that this broker has, and asks the controller for another
// when it is used up. Blocks keep the brokers from asking for every single producer.
type ProducerIDs struct {
	ask AllocateProducerIDs
	mu  struct {
		sync.Mutex
		first, end int64 // of what is left of the block
		waiting    []func(id int64, code int16)
		asking     bool
		rest       time.Time // no question before it
	}
}

// NewProducerIDs returns one without a block. It owns no goroutine.
func NewProducerIDs(ask AllocateProducerIDs) *ProducerIDs { return &ProducerIDs{ask: ask} }

// Next gives an id to got, once, at once or when the controller has answered.
func (p *ProducerIDs) Next(got func(id int64, code int16)) {
	p.mu.Lock()
	switch {
	case p.mu.first < p.mu.end:
		id := p.mu.first
		p.mu.first++
		p.mu.Unlock()
		got(id, 0)
		return
	case time.Now().Before(p.mu.rest):
		p.mu.Unlock()
		got(noProducerID, kerr.CoordinatorLoadInProgress.Code)
		return
	}
	p.mu.waiting = append(p.mu.waiting, got)
	if p.mu.asking {
		p.mu.Unlock()
		return
	}
	p.mu.asking = true
	p.mu.Unlock()
	p.ask(p.answered)
}

// answered gives the new block's ids to those that wait. Whatever the failure, it is one of ours and not
// of the producer, so it is told to try again.
func (p *ProducerIDs) answered(first int64, count int32, failed int16) {
	p.mu.Lock()
	waiting := p.mu.waiting
	p.mu.waiting, p.mu.asking = nil, false
	if failed != 0 || count <= 0 {
		p.mu.rest = time.Now().Add(producerIDRetry)
		p.mu.Unlock()
		for _, got := range waiting {
			got(noProducerID, kerr.CoordinatorLoadInProgress.Code)
		}
		return
	}
	served := min(int64(len(waiting)), int64(count))
	p.mu.first, p.mu.end = first+served, first+int64(count)
	p.mu.Unlock()
	for i, got := range waiting[:served] {
		got(first+int64(i), 0)
	}
	for _, got := range waiting[served:] {
		p.Next(got)
	}
}
