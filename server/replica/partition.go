package replica

import (
	"fmt"
	"sync"
	"sync/atomic"

	"ottla/logdir"
	"ottla/zkcoord/cluster"
)

// Partition is one replica, ours, of a topic's partition.
type Partition struct {
	tp     cluster.TopicPartition
	owner  *Manager
	stats  *topicStats
	minISR atomic.Int32 // min.insync.replicas
	full   fullSince

	mu struct {
		sync.RWMutex
		// reign is replaced under the lock. Holding it shared keeps it from being replaced; reading it needs no
		// lock.
		reign atomic.Pointer[reign]
	}
}

func (m *Manager) newPartition(tp cluster.TopicPartition) *Partition {
	p := &Partition{tp: tp, owner: m, stats: m.metrics.topic(tp.Topic)}
	p.minISR.Store(int32(max(1, m.options.TopicConfig(tp.Topic).MinInsyncReplicas)))
	p.mu.reign.Store(newReign())
	return p
}

// TopicPartition is the partition's name.
func (p *Partition) TopicPartition() cluster.TopicPartition { return p.tp }

// ConvertedForFetch counts records that were sent in an older format than they are stored in.
func (p *Partition) ConvertedForFetch(records int) { p.stats.fetchConversions.Add(int64(records)) }

// Leader is who leads, cluster.NoBroker if nobody does, and since which epoch.
func (p *Partition) Leader() (id cluster.BrokerID, epoch int32) {
	r := p.mu.reign.Load()
	return r.leader, r.leaderEpoch
}

// IsLeader reports whether this broker leads.
func (p *Partition) IsLeader() bool { return p.mu.reign.Load().leads }

// Log is the partition's log, if its disk works.
func (p *Partition) Log() (*logdir.Log, bool) {
	l := p.mu.reign.Load().log
	return l, l != nil
}

// LogEndOffset is the offset of the next record, or -1 without a log.
func (p *Partition) LogEndOffset() int64 {
	if l, ok := p.Log(); ok {
		return l.LogEndOffset()
	}
	return unknownOffset
}

// AppendAsLeader appends what a client or a coordinator sent, and reports how far the high watermark must rise
// for the records to be safe, under the reign since which, and whether it rose in the append. It may write into
// records.
func (p *Partition) AppendAsLeader(records []byte, acks int16, origin logdir.Origin, version int16) (a appended, err error) {
	return p.appendAsLeader(&AppendEntry{TopicPartition: p.tp, Records: records}, acks, origin, version)
}

func (p *Partition) appendAsLeader(e *AppendEntry, acks int16, origin logdir.Origin, version int16) (a appended, err error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	r := p.mu.reign.Load()
	a.AppendResult = refused
	if r.failed {
		return a, ErrStorage
	}
	if !r.leads || e.LeadingSince != nil && *e.LeadingSince != r.since {
		return a, ErrNotLeader
	}
	// Rule 1: an acknowledgement that too few replicas could stand for is refused before it is asked of anybody
	// (TestTooFewInSync).
	if acks == acksAll && !r.enoughInSync(int(p.minISR.Load())) {
		a.LogStartOffset = r.log.LogStartOffset()
		return a, ErrNotEnoughReplicas
	}
	// Rule 2: the batch carries the epoch of the leader that took it in, so that a follower can find the point
	// from which two logs differ (TestBatchesCarryTheLeaderEpoch). The lock keeps the reign from ending before
	// the log has it.
	a.AppendResult, err = r.log.AppendVerified(e.Records, r.leaderEpoch, origin, version, e.Guard)
	if err != nil {
		return a, err
	}
	a.since, a.rose = r.since, p.raiseHighWatermark(r)
	return a, nil
}

// StartVerification returns the guard with which a producer's next transactional batch is to be appended. Unless it is
// logdir.InTxn, the transaction's coordinator is to be asked before.
func (p *Partition) StartVerification(producerID int64, epoch int16, sequence int32) (logdir.Guard, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	r := p.mu.reign.Load()
	switch {
	case r.failed:
		return logdir.NoGuard, ErrStorage
	case !r.leads:
		return logdir.NoGuard, ErrNotLeader
	}
	return r.log.StartVerification(producerID, epoch, sequence), nil
}

// appended is what an append has done.
type appended struct {
	logdir.AppendResult
	since int32
	rose  bool
}

// committed reports whether every record below the offset is safe, or why it will not be. since is the epoch
// under which they were appended.
func (p *Partition) committed(since int32, offset int64) (done bool, err error) {
	r := p.mu.reign.Load()
	switch {
	case r.failed:
		return true, ErrStorage
	case !r.leads || r.since != since:
		// Between two of our reigns we have followed, and our log may have been cut below the offset and grown
		// again: other records, whose fate tells nothing of these (TestAnAppendIsNotAnsweredByALaterReign).
		return true, ErrNotLeader
	case r.log.HighWatermark() < offset:
		return false, nil
	case len(r.maximalISR) < min(int(p.minISR.Load()), len(r.replicas)):
		return true, ErrNotEnoughReplicasAfterAppend
	default:
		return true, nil
	}
}

// goOfflineIf ends the reign with a storage error if the log is one of those, and reports whether it did.
func (p *Partition) goOfflineIf(lost func(*logdir.Log) bool) bool {
	if l, ok := p.Log(); !ok || !lost(l) {
		return false
	}
	p.goOffline()
	return true
}

func (p *Partition) goOffline() {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := newReign()
	next.failed = true
	p.mu.reign.Store(next)
}

// forget ends the last reign: the partition is being deleted here.
func (p *Partition) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.reign.Store(newReign())
}

// setMinISR puts another min.insync.replicas in force.
func (p *Partition) setMinISR(n int) {
	if int(p.minISR.Swap(int32(max(1, n)))) == max(1, n) {
		return
	}
	// A smaller minimum may free a high watermark that stood still.
	p.raiseAndCheck()
}

// String is the name.
func (p *Partition) String() string { return fmt.Sprint(p.tp) }
