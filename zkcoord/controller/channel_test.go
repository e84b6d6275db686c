package controller

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// flakyPeer fails as often as it is told, then answers; it remembers when each attempt came.
type flakyPeer struct {
	mu       sync.Mutex
	failures int
	order    []int32 // the controller epoch of each attempt
	at       []time.Duration
	begin    time.Time
	inFlight int
	most     int
}

func (p *flakyPeer) RoundTrip(ctx context.Context, _ cluster.Endpoint, req kmsg.Request) (kmsg.Response, error) {
	p.mu.Lock()
	p.inFlight++
	p.most = max(p.most, p.inFlight)
	p.order = append(p.order, req.(*kmsg.UpdateMetadataRequest).ControllerEpoch)
	p.at = append(p.at, time.Since(p.begin))
	fail := p.failures > 0
	p.failures--
	p.mu.Unlock()
	time.Sleep(time.Millisecond)
	p.mu.Lock()
	p.inFlight--
	p.mu.Unlock()
	if fail {
		return nil, errors.New("connection refused")
	}
	return req.ResponseKind(), nil
}

func update(n int32) *kmsg.UpdateMetadataRequest {
	req := kmsg.NewPtrUpdateMetadataRequest()
	req.ControllerEpoch = n
	return req
}

func TestChannelResendsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peer := &flakyPeer{failures: 3, begin: time.Now()}
		ch := openChannel(cluster.Broker{ID: 1}, cluster.Endpoint{}, peer, func() bool { return true }, quietLog())
		for n := range int32(3) {
			ch.send(outgoing{req: update(n)})
		}
		ch.waitAnswered(t.Context())
		if want := []int32{0, 0, 0, 0, 1, 2}; !reflect.DeepEqual(peer.order, want) {
			t.Errorf("order %v, want %v", peer.order, want)
		}
		ms := time.Millisecond
		if want := []time.Duration{0, 101 * ms, 202 * ms, 303 * ms, 304 * ms, 305 * ms}; !reflect.DeepEqual(peer.at, want) {
			t.Errorf("at %v, want %v", peer.at, want)
		}
		if peer.most != 1 {
			t.Errorf("%d in flight at once", peer.most)
		}
		ch.close()
	})
}

func TestChannelSendsNothingWithoutALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peer := &flakyPeer{begin: time.Now()}
		confirmed := time.Now().Add(time.Second)
		ch := openChannel(cluster.Broker{ID: 1}, cluster.Endpoint{}, peer, func() bool { return !time.Now().Before(confirmed) }, quietLog())
		ch.send(outgoing{req: update(1)})
		ch.waitAnswered(t.Context())
		if len(peer.at) != 1 || peer.at[0] != time.Second {
			t.Errorf("sent at %v", peer.at)
		}
		ch.close()
	})
}

func TestAClosedChannelAnswersNobodyAndHoldsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peer := &flakyPeer{failures: 1 << 30, begin: time.Now()}
		ch := openChannel(cluster.Broker{ID: 1}, cluster.Endpoint{}, peer, func() bool { return true }, quietLog())
		ch.send(outgoing{update(1), func(kmsg.Response) { t.Error("answered") }})
		waited := make(chan struct{})
		go func() { ch.waitAnswered(t.Context()); close(waited) }()
		time.Sleep(time.Minute)
		ch.close()
		<-waited
	})
}
