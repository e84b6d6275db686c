package fetcher

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// fetch is one round trip and what comes of it. It reports whether to go on at once.
func (f *fetcher) fetch(ctx context.Context) (again bool) {
	if time.Now().Before(f.resume) || !f.compose() {
		return false
	}
	resp, hurried, err := f.roundTrip(ctx)
	if ctx.Err() != nil {
		return false
	}
	if hurried {
		f.session.restart()
		return true
	}
	answer, ok := resp.(*fetchAnswer)
	if err == nil && !ok {
		err = errAnswer
	}
	if err != nil {
		f.session.restart()
		f.unreachable(err)
		return false
	}
	f.stats.requests.Add(1)
	if !f.session.answered(answer) {
		return f.disagreed(answer.ErrorCode)
	}
	f.reached()
	for i := range answer.partitions {
		f.receive(&answer.partitions[i])
	}
	return true
}

var errAnswer = errors.New("not the answer that was asked for")

// disagreed begins a new session, the second time in a row after a rest.
func (f *fetcher) disagreed(code int16) (again bool) {
	f.log.Debugf("fetch session %d: %v, beginning anew", f.session.id, kerr.ErrorForCode(code))
	if f.session.failures++; f.session.failures == 1 {
		return true
	}
	f.unreachable(kerr.ErrorForCode(code))
	return false
}

// compose writes the next request, and reports whether there is anything to fetch.
func (f *fetcher) compose() bool {
	c, now := f.config(), time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.hurry.missed = false
	f.mu.list = slices.DeleteFunc(f.mu.list, func(p *partition) bool { return p.gone && !p.inSession })
	f.throttleLocked(now)
	wait, wanted := f.waitLocked(now, c.MaxWait)
	if wanted == 0 {
		return false
	}
	r := &f.request
	r.Version = f.options.Versions.Fetch
	byID := f.mu.unnamed == 0 && r.Version >= byID
	if !byID {
		r.Version = min(r.Version, byIDBefore)
	}
	if byID != f.session.byID || f.session.full() {
		f.session.restart()
		f.session.byID = byID
	}
	r.asked, r.forgotten = r.asked[:0], r.forgotten[:0]
	r.replica, r.replicaEpoch = f.options.ID, f.options.BrokerEpoch()
	r.SessionID, r.SessionEpoch = f.session.id, f.session.epoch
	r.MaxWaitMillis, r.MinBytes, r.MaxBytes = int32(wait.Milliseconds()), c.MinBytes, c.ResponseMaxBytes
	if f.session.full() {
		f.rotateLocked()
	}
	f.forgetLocked(now)
	for _, p := range f.mu.list {
		if !p.ready(fetching, now) {
			continue
		}
		if now := p.position(); !p.inSession || now != p.told {
			r.asked = append(r.asked, ask{f.session.include(p, now), now, c.MaxBytes})
		}
	}
	r.answer.Version = r.Version
	return true
}

// waitLocked is how long the leader may wait for records: not beyond the next end of a rest, and not at all if it may not know of a
// partition yet, since it tells of such errors only when its wait is over. wanted counts the partitions to fetch.
func (f *fetcher) waitLocked(now time.Time, most time.Duration) (wait time.Duration, wanted int) {
	wait = most
	for _, p := range f.mu.list {
		switch {
		case p.ready(fetching, now):
			if wanted++; !p.met {
				wait = 0
			}
		case !p.gone && p.phase != aside:
			wait = min(wait, max(p.resume.Sub(now), 0))
		}
	}
	return wait, wanted
}

// forgetLocked takes out of the session what is not fetched any more. A partition that is gone may have come back in a new
// reign: the leader applies what it shall forget after what it shall fetch, so it must hear of one of the two only.
func (f *fetcher) forgetLocked(now time.Time) {
	for _, p := range f.mu.list {
		if !p.inSession || p.ready(fetching, now) {
			continue
		}
		next, ok := f.mu.partitions[p.TopicPartition]
		told := p.told
		k := f.session.exclude(p)
		if ok && next != p && !next.inSession && next.key(f.session.byID) == k && next.ready(fetching, now) {
			f.session.include(next, told)
			continue
		}
		f.request.forgotten = append(f.request.forgotten, k)
	}
}

// rotateLocked begins a full fetch with the partition behind those that had their turn: the leader fills its answer in our order.
func (f *fetcher) rotateLocked() {
	n := len(f.mu.list)
	at := f.from % n
	if at > 0 {
		f.mu.list = slices.Concat(f.mu.list[at:], f.mu.list[:at])
	}
	f.from = 0
}

// receive takes one partition of the answer.
func (f *fetcher) receive(a *answered) {
	p, ok := f.session.known[a.key]
	if !ok {
		// The leader speaks of what was not asked for; whatever it holds to be our session, it is not.
		f.session.restart()
		return
	}
	f.from++
	f.stats.bytes.Add(int64(len(a.records)))
	ok = f.use(p, func() error {
		switch {
		case a.code == kerr.OffsetOutOfRange.Code:
			f.lost = append(f.lost, p)
			return nil
		case waitsForDecision(a.code):
			return ErrReignOver
		case a.code != 0:
			return kerr.ErrorForCode(a.code)
		case a.diverging != nowhere:
			return f.diverged(p, a.diverging)
		default:
			p.leaderHW, p.met = a.highWatermark, true
			f.copied(p, len(a.records))
			return p.take(a)
		}
	})
	switch {
	case a.code != 0:
		// The leader repeats an error until it is over.
	case !ok || a.diverging != nowhere:
		// It holds to be told what we have not taken: the high watermark, which says nothing about a log that may have to be cut once
		// more. In a new session it tells again (TestReplicasAgree).
		f.session.restart()
	case p.trouble != nil:
		f.recovered(p)
	}
}

// diverged cuts the log where it parts from the leader's.
func (f *fetcher) diverged(p *partition, leader epochEnd) error {
	offset, lastEpoch := p.offset, p.lastEpoch
	f.log.Debugf("%s: at offset %d, after epoch %d, the leader says that its epoch %d ended at %d", p.TopicPartition, offset, lastEpoch, leader.epoch, leader.end)
	if _, err := p.truncate(leader); err != nil {
		return err
	}
	if p.offset == offset && p.lastEpoch == lastEpoch {
		return errNotCut
	}
	return nil
}
