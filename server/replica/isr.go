package replica

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/zkcoord/cluster"
)

// isrRetry is how long an AlterPartition that found no controller rests before it is sent again.
const isrRetry = 50 * time.Millisecond

// followerFetched notes the progress that a fetch under the given leader epoch tells of. It wakes whoever waited
// for that, and asks the controller for a larger ISR if the follower has come near enough.
func (p *Partition) followerFetched(f *follower, epoch int32, offset, logStart, leaderEnd int64, now time.Time) {
	p.mu.RLock()
	r := p.mu.reign.Load()
	// Rule 3: the fetch was checked against the reign in which it was read. If that has ended, the offset may count
	// records of a log that was cut since (TestProgressOfAnOldReignDoesNotCount).
	if known, ok := r.follower(f.id); !ok || known != f || r.leaderEpoch != epoch {
		p.mu.RUnlock()
		return
	}
	endMoved, startMoved := f.progress(offset, logStart, leaderEnd, now)
	joins := p.mayJoin(r, f)
	rose := endMoved && p.raiseHighWatermark(r)
	p.mu.RUnlock()

	if joins {
		p.expandISR(f)
	}
	switch {
	case rose:
		p.owner.checkAll(p.tp)
	case startMoved:
		check(p.owner.deletions, p.tp)
	}
}

// mayJoin reports whether the controller shall be asked to take a follower into the ISR.
//
// Rule 4: the follower must have all that is committed, and all that lay in the log when this epoch began. The
// second is not contained in the first: a new leader's high watermark may lag behind what an earlier leader had
// committed, and a member elected without those records would lose them (TestJoining).
func (p *Partition) mayJoin(r *reign, f *follower) bool {
	if !r.leads || r.asked != nil || slices.Contains(r.isr, f.id) {
		return false
	}
	end := f.state().logEnd
	return end >= r.log.HighWatermark() && end >= r.epochStart && p.owner.eligible(f.id)
}

// expandISR asks for an ISR with the follower in it.
func (p *Partition) expandISR(f *follower) {
	p.mu.Lock()
	r := p.mu.reign.Load()
	if known, ok := r.follower(f.id); !ok || known != f || !p.mayJoin(r, f) {
		p.mu.Unlock()
		return
	}
	next := r.asking(append(slices.Clone(r.isr), f.id))
	p.mu.reign.Store(next)
	p.mu.Unlock()
	p.owner.log.Debugf("%s: %s has caught up, asking for ISR %s -> %s", p.tp, f.id, idList(r.isr), idList(next.asked.isr))
	p.ask(next)
}

// checkISRs throws out of the ISRs who has not caught up for replica.lag.time.max.ms. It looks twice in that time.
func (m *Manager) checkISRs() {
	m.every(func() time.Duration { return m.config().ReplicaLagTimeMax / 2 }, func() {
		for _, p := range m.Partitions() {
			p.shrinkISR(time.Now())
			// A follower that was about to join and then fell silent holds the watermark back no longer, and no
			// fetch or append may come that would notice.
			p.raiseAndCheck()
		}
	})
}

// shrinkISR asks for an ISR without those that lag. Until the answer comes they still count: the controller may
// elect one of them in the meantime, and what we had let pass without it would be lost.
func (p *Partition) shrinkISR(now time.Time) {
	if r := p.mu.reign.Load(); !r.leads || len(r.isr) < 2 {
		return
	}
	p.mu.Lock()
	r := p.mu.reign.Load()
	kept, lagging := p.inSync(r, now)
	if len(lagging) == 0 {
		p.mu.Unlock()
		return
	}
	next := r.asking(kept)
	p.mu.reign.Store(next)
	end := r.log.LogEndOffset()
	p.mu.Unlock()
	p.owner.isrNews.tell(logrus.WarnLevel, p.tp, fmt.Sprintf("%s -> %s asked for at log end %d, %s", idList(r.isr), idList(kept), end, strings.Join(lagging, ", ")),
		idList(cluster.Without(r.isr, kept))+" lags")
	p.ask(next)
}

// inSync divides the ISR into those that stay and a line of text for each that does not. With a request in
// flight all stay: there is one at a time.
func (p *Partition) inSync(r *reign, now time.Time) (kept []cluster.BrokerID, lagging []string) {
	if !r.leads || r.asked != nil {
		return nil, nil
	}
	end, maxLag := r.log.LogEndOffset(), p.owner.config().ReplicaLagTimeMax
	for _, id := range r.isr {
		f, ok := r.follower(id)
		if !ok { // the leader itself
			kept = append(kept, id)
			continue
		}
		if s := f.state(); s.isCaughtUp(end, now, maxLag) {
			kept = append(kept, id)
		} else {
			lagging = append(lagging, s.lag(id, now))
		}
	}
	return kept, lagging
}

// ask sends the AlterPartition of a reign that asks for one.
//
// Rule 4: one is in flight per partition, and it names the partition epoch that we know. So the controller can
// tell a wish that knows the present state from one that does not.
func (p *Partition) ask(r *reign) {
	want := cluster.LeaderAndISR{
		Leader: p.owner.id, LeaderEpoch: r.leaderEpoch, ISR: r.asked.isr, Recovery: cluster.LeaderRecovered,
		PartitionEpoch: r.partitionEpoch, ControllerEpoch: r.controllerEpoch,
	}
	p.owner.options.ISRChanger.AlterPartition(p.tp, r.topicID, want, func(granted cluster.LeaderAndISR, code int16) {
		p.answered(r.asked, granted, code)
	})
}

// answered takes the controller's answer to a proposal.
func (p *Partition) answered(asked *proposal, granted cluster.LeaderAndISR, code int16) {
	p.mu.Lock()
	r := p.mu.reign.Load()
	if r.asked != asked {
		// A LeaderAndIsr came first. Nobody can tell any more what this answer was about.
		p.mu.Unlock()
		return
	}
	var rose, again bool
	if code == 0 {
		rose = p.grantedLocked(r, granted)
	} else {
		again = p.refusedLocked(r, code)
	}
	p.mu.Unlock()
	if rose {
		p.owner.checkAll(p.tp)
	}
	if again {
		p.askAgain(r)
	}
}

// grantedLocked makes the state that the controller wrote ours, and reports whether the high watermark rose.
//
// Rule 4: the ISR changes in our eyes here and in LeaderAndIsr and nowhere else. StrongISR: a member of it that
// acknowledges may be elected, so it must stand in ZooKeeper before it is counted upon (TestISRAnswers).
func (p *Partition) grantedLocked(r *reign, granted cluster.LeaderAndISR) (rose bool) {
	if granted.LeaderEpoch != r.leaderEpoch || granted.PartitionEpoch < r.partitionEpoch {
		return false // the state of another reign; its LeaderAndIsr is on the way
	}
	next := r.withISR(cluster.Once(granted.ISR))
	next.partitionEpoch = granted.PartitionEpoch
	p.mu.reign.Store(next)
	p.owner.metrics.isrChanged(len(r.isr), len(next.isr))
	p.owner.isrNews.tell(logrus.InfoLevel, p.tp, fmt.Sprintf("%s -> %s, partition epoch %d", idList(r.isr), idList(next.isr), next.partitionEpoch), movement(r.isr, next.isr))
	return p.raiseHighWatermark(next)
}

// refusedLocked decides what a refusal means, and reports whether to ask again.
func (p *Partition) refusedLocked(r *reign, code int16) (again bool) {
	p.owner.metrics.isrFailures.Inc()
	cause := kerr.ErrorForCode(code)
	switch code {
	case kerr.OperationNotAttempted.Code, kerr.IneligibleReplica.Code:
		// The controller has certainly not written it: back to what stands.
		p.mu.reign.Store(r.withISR(r.isr))
	case kerr.FencedLeaderEpoch.Code, kerr.InvalidUpdateVersion.Code, kerr.InvalidRequest.Code, kerr.NewLeaderElected.Code,
		kerr.UnknownTopicOrPartition.Code, kerr.UnknownTopicID.Code:
		// We do not know the state in ZooKeeper, which may be the one we asked for: a first try whose answer was
		// lost counts there. So the maximal ISR goes on to count until LeaderAndIsr tells (TestISRAnswers).
	default:
		p.owner.log.Debugf("%s: asking again for ISR %s: %v", p.tp, idList(r.asked.isr), cause)
		return true
	}
	p.owner.isrNews.tell(logrus.InfoLevel, p.tp, idList(r.isr)+" -> "+idList(r.asked.isr), "refused: "+cause.Error())
	return false
}

// askAgain repeats a proposal after a moment, if it still stands then.
func (p *Partition) askAgain(r *reign) {
	time.AfterFunc(isrRetry, func() {
		if p.owner.ctx.Err() == nil && p.mu.reign.Load().asked == r.asked {
			p.ask(r)
		}
	})
}

// lag tells in words how far a follower is behind.
func (s *followerState) lag(id cluster.BrokerID, now time.Time) string {
	if s.caughtUp.IsZero() {
		return id.String() + " never caught up"
	}
	return id.String() + " at " + itoa(s.logEnd) + " last caught up " + now.Sub(s.caughtUp).Round(time.Millisecond).String() + " ago"
}
