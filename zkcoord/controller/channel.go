package controller

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// Peer carries a request to a broker. There is one connection per broker, and it keeps the order.
type Peer interface {
	// RoundTrip sends req, whose version is set, and waits for the answer. It does not keep or change req.
	RoundTrip(ctx context.Context, to cluster.Endpoint, req kmsg.Request) (kmsg.Response, error)
}

const (
	resendAfter    = 100 * time.Millisecond
	requestTimeout = 30 * time.Second // controller.socket.timeout.ms
	// worthATelling is after how many failures a broker's silence is reported. One that starts is often
	// registered a moment before it listens.
	worthATelling = 10
)

// channel carries the controller's requests to one life of one broker. It owns a goroutine until close.
//
// Invariant OneInFlight: a request is repeated until it is answered before the next is sent. An
// UpdateMetadata that overtook an older one would be undone by it, since brokers apply it as it comes.
// TestChannelResendsInOrder breaks without it.
type channel struct {
	broker   cluster.Broker
	endpoint cluster.Endpoint
	peer     Peer
	log      logrus.FieldLogger
	mayAct   func() bool // the controller's lease holds

	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu struct {
		sync.Mutex
		waiting  []outgoing
		queued   uint64        // how many requests there have been
		answered uint64        // how many have been answered
		progress chan struct{} // closed and replaced with each answer
	}
	wake chan struct{}
}

// outgoing is a request and what to do with its answer.
type outgoing struct {
	req    kmsg.Request
	answer func(kmsg.Response)
}

func openChannel(b cluster.Broker, to cluster.Endpoint, peer Peer, mayAct func() bool, log logrus.FieldLogger) *channel {
	ctx, stop := context.WithCancel(context.Background())
	ch := &channel{
		broker: b, endpoint: to, peer: peer, mayAct: mayAct, ctx: ctx, stop: stop, wake: make(chan struct{}, 1),
		log: log.WithField("broker", b.ID),
	}
	ch.mu.progress = make(chan struct{})
	ch.wg.Go(ch.run)
	return ch
}

// send queues a request.
func (ch *channel) send(o outgoing) {
	ch.mu.Lock()
	ch.mu.waiting = append(ch.mu.waiting, o)
	ch.mu.queued++
	ch.mu.Unlock()
	select {
	case ch.wake <- struct{}{}:
	default:
	}
}

func (ch *channel) next() (outgoing, bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if len(ch.mu.waiting) == 0 {
		return outgoing{}, false
	}
	o := ch.mu.waiting[0]
	ch.mu.waiting[0] = outgoing{}
	ch.mu.waiting = ch.mu.waiting[1:]
	return o, true
}

func (ch *channel) run() {
	for {
		o, ok := ch.next()
		if !ok {
			select {
			case <-ch.wake:
				continue
			case <-ch.ctx.Done():
				return
			}
		}
		resp, ok := ch.deliver(o.req)
		if !ok {
			return
		}
		if o.answer != nil {
			o.answer(resp)
		}
		ch.mu.Lock()
		ch.mu.answered++
		close(ch.mu.progress)
		ch.mu.progress = make(chan struct{})
		ch.mu.Unlock()
	}
}

// deliver sends a request until it is answered; false when the channel was closed before that.
func (ch *channel) deliver(req kmsg.Request) (kmsg.Response, bool) {
	for attempt := 0; ; attempt++ {
		if ch.mayAct() {
			ctx, cancel := context.WithTimeout(ch.ctx, requestTimeout)
			resp, err := ch.peer.RoundTrip(ctx, ch.endpoint, req)
			cancel()
			if err == nil {
				if attempt >= worthATelling {
					ch.log.Infof("%s to broker %d at %s answered after %d attempts", nameOf(req), ch.broker.ID, ch.endpoint.Address(), attempt+1)
				}
				return resp, true
			}
			if attempt == worthATelling && !errors.Is(err, context.Canceled) {
				ch.log.Warnf("%s to broker %d at %s, trying again every %v: %v", nameOf(req), ch.broker.ID, ch.endpoint.Address(), resendAfter, err)
			}
		}
		timer := time.NewTimer(resendAfter)
		select {
		case <-timer.C:
		case <-ch.ctx.Done():
			timer.Stop()
			return nil, false
		}
	}
}

func nameOf(req kmsg.Request) string { return kmsg.NameForKey(req.Key()) }

// waitAnswered returns when everything that was queued before the call is answered, the channel is
// closed, or ctx ends.
func (ch *channel) waitAnswered(ctx context.Context) {
	ch.mu.Lock()
	goal := ch.mu.queued
	ch.mu.Unlock()
	for {
		ch.mu.Lock()
		done, progress := ch.mu.answered >= goal, ch.mu.progress
		ch.mu.Unlock()
		if done {
			return
		}
		select {
		case <-progress:
		case <-ch.ctx.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}

// close ends the channel; what was not answered is forgotten with the broker's life.
func (ch *channel) close() {
	ch.stop()
	ch.wg.Wait()
}
