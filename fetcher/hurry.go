package fetcher

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// hurry ends a fetch that only waits for records when there are new partitions to fetch: the leader of a new reign counts upon its
// followers, and producers wait for them. Apache Kafka has them wait up to replica.fetch.wait.max.ms.
//
// A fetch cannot be called back but with its connection, so it gets a moment, in which a busy leader answers; and a session
// that has been given up this way is not given up again at once. fetcher.mu guards it.
type hurry struct {
	end   context.CancelCauseFunc // of the fetch in flight, or nil
	timer *time.Timer
	last  time.Time
	// missed says that partitions came after the request was composed, and before it was in flight.
	missed bool
}

const (
	hurryAfter = 10 * time.Millisecond
	hurryEvery = 100 * time.Millisecond
)

var errHurry = errors.New("there are partitions that should not wait")

// upLocked has the fetch in flight end soon.
func (h *hurry) upLocked() {
	if h.missed = h.end == nil; h.missed || h.timer != nil {
		return
	}
	end := h.end
	h.timer = time.AfterFunc(max(hurryAfter, hurryEvery-time.Since(h.last)), func() { end(errHurry) })
}

// roundTrip sends the request. It reports whether the fetch was ended to make way for another.
func (f *fetcher) roundTrip(ctx context.Context) (resp kmsg.Response, hurried bool, err error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	f.mu.Lock()
	h := &f.mu.hurry
	if h.end = end; h.missed {
		h.upLocked()
	}
	f.mu.Unlock()
	resp, err = f.leader.RoundTrip(ctx, &f.request)
	f.mu.Lock()
	defer f.mu.Unlock()
	h.end = nil
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
	if hurried = err != nil && context.Cause(ctx) == errHurry; hurried {
		h.last = time.Now()
	}
	return resp, hurried, err
}
