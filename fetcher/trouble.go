package fetcher

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/logdir"
)

// noteLocked judges what a deed on a partition has come to.
func (f *fetcher) noteLocked(p *partition, err error) {
	now := time.Now()
	p.met = false
	switch {
	case errors.Is(err, ErrReignOver):
		f.log.Debugf("%s: epoch %d is over, waiting for the controller's decision", p.TopicPartition, p.LeaderEpoch)
		p.setAside(err, now)
	case errors.Is(err, logdir.ErrStorage) && !errors.Is(err, logdir.ErrDiskFull) || errors.Is(err, logdir.ErrClosed):
		f.log.Errorf("%s: set aside at offset %d until the controller decides anew: %v", p.TopicPartition, p.offset, err)
		p.setAside(err, now)
	default:
		f.failedLocked(p, err, now)
	}
	if p.phase != aside {
		p.phase = starting // part of it may have been done: the position is looked up again
	}
}

// recovered notes that a partition is copied.
func (f *fetcher) recovered(p *partition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.trouble != nil {
		level := f.log.Infof
		if !p.logged {
			level = f.log.Debugf // of what nobody has heard, nobody needs to hear the end: after an election it is thousands
		}
		level("%s: copied again from offset %d, after %v", p.TopicPartition, p.offset, time.Since(p.since).Round(time.Millisecond))
	}
	p.recovered()
}

// failedLocked lets a partition rest, and logs what is new about it.
func (f *fetcher) failedLocked(p *partition, err error, now time.Time) {
	if p.trouble == nil || p.trouble.Error() != err.Error() {
		level := f.log.Warnf
		if transient(err) && p.attempts < 8 {
			level = f.log.Debugf // the leader will hear of its election in a moment
		} else {
			p.logged = true
		}
		level("%s: not copied from offset %d: %v", p.TopicPartition, p.offset, err)
	}
	p.failed(err, now, f.config().Backoff)
}

// transient errors belong to every change of leaders.
func transient(err error) bool {
	return errors.Is(err, kerr.UnknownLeaderEpoch) || errors.Is(err, kerr.NotLeaderForPartition) ||
		errors.Is(err, kerr.UnknownTopicID) || errors.Is(err, kerr.UnknownTopicOrPartition)
}

// unreachable lets the whole leader rest.
func (f *fetcher) unreachable(err error) {
	now := time.Now()
	f.resume = now.Add(rest(f.attempts, f.config().Backoff))
	f.attempts++
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.down == nil {
		f.mu.since = now
		f.log.Warnf("cannot fetch %d partitions from broker %s: %v", len(f.mu.partitions), f.id.leader, err)
	}
	f.mu.down = err
}

func (f *fetcher) reached() {
	f.resume, f.attempts, f.session.failures = time.Time{}, 0, 0
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.down != nil {
		f.log.Infof("fetching from broker %s again, after %v", f.id.leader, time.Since(f.mu.since).Round(time.Millisecond))
	}
	f.mu.down = nil
}

// firstRest is how long a partition or a leader in trouble rests at first. Most troubles are a leader that has not heard of its
// election yet, and pass at once; with each further attempt the rest doubles, up to replica.fetch.backoff.ms.
const firstRest = 20 * time.Millisecond

func rest(attempts int, most time.Duration) time.Duration {
	return min(most, firstRest<<min(attempts, 20))
}

// failed notes an attempt in vain.
func (p *partition) failed(err error, now time.Time, most time.Duration) {
	if p.trouble == nil {
		p.since = now
	}
	p.trouble, p.resume = err, now.Add(rest(p.attempts, most))
	p.attempts++
}

// recovered notes a success.
func (p *partition) recovered() {
	p.trouble, p.logged, p.since, p.resume, p.attempts = nil, false, time.Time{}, time.Time{}, 0
}

// setAside gives the partition up until the controller decides anew.
func (p *partition) setAside(err error, now time.Time) {
	if p.trouble == nil {
		p.since = now
	}
	p.trouble, p.phase = err, aside
}

// waitsForDecision reports whether an error code from the leader means that a LeaderAndIsr must be on its way to us.
func waitsForDecision(code int16) bool { return code == kerr.FencedLeaderEpoch.Code }
