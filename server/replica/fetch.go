package replica

import (
	"time"

	"ottla/logdir"
	"ottla/zkcoord/cluster"
)

// Isolation levels of a fetch and of ListOffsets.
const (
	readUncommitted int8 = 0
	readCommitted   int8 = 1
)

// FetchParams is a fetch, as far as it is the same for all its partitions.
type FetchParams struct {
	// Replica is the follower that fetches, or cluster.NoBroker for a consumer.
	Replica      cluster.BrokerID
	ReplicaEpoch int64
	// MaxWait is how long to wait for MinBytes.
	MaxWait            time.Duration
	MinBytes, MaxBytes int32
	// Isolation counts for consumers: 0 reads to the high watermark, 1 to the last stable offset.
	Isolation int8
	// NothingOversized gives nothing rather than a batch above the limits, as for consumers below version 3.
	NothingOversized bool
	// OnlyLeader refuses to read from a follower, as for consumers below version 11. Followers read from the
	// leader always.
	OnlyLeader bool
	ClientID   string
	ClientRack string
	// Listener is the name of the listener that the sender came by.
	Listener   string
	ClientHost string
}

func (p *FetchParams) isFollower() bool { return p.Replica >= 0 }

// limit is how far the sender may see.
func (p *FetchParams) limit() logdir.Limit {
	switch {
	case p.isFollower():
		return logdir.LimitLogEnd
	case p.Isolation == readCommitted:
		return logdir.LimitLastStable
	default:
		return logdir.LimitHighWatermark
	}
}

// FetchPartition is what a fetch wants of one partition, and what it gets.
type FetchPartition struct {
	cluster.TopicPartition
	// TopicID is compared with the log's if it is not zero.
	TopicID     cluster.TopicID
	FetchOffset int64
	// LogStartOffset is where a follower's own log begins, -1 for consumers.
	LogStartOffset int64
	MaxBytes       int32
	// CurrentLeaderEpoch is the reign that the sender knows of, LastFetchedEpoch the epoch of the record
	// before FetchOffset; -1 names none.
	CurrentLeaderEpoch, LastFetchedEpoch int32

	// Data is to be released by the caller when it is sent. Where nothing could be read its offsets are -1.
	Data logdir.Data
	Err  error
	// Diverging is where the sender's log leaves ours, if it does. There are no records then.
	Diverging *Diverging
	// PreferredReplica is another replica to read from, or cluster.NoBroker.
	PreferredReplica cluster.BrokerID

	partition *Partition // nil where this broker does not host it
}

// Diverging is the largest epoch of ours that is not above the sender's last one, and where it ended: the
// sender's log is the same up to there at most.
type Diverging struct {
	Epoch     int32
	EndOffset int64
}

// Fetch reads from each partition and calls done once, with the results: at once if there are MinBytes, if
// MaxWait is nothing, or if some partition has an answer that should not wait; otherwise when one of that comes
// true or the time is over. parts belongs to the Manager until then.
func (m *Manager) Fetch(p FetchParams, parts []FetchPartition, done func([]FetchPartition)) {
	found := m.readAll(&p, parts, true)
	if p.MaxWait <= 0 || len(parts) == 0 || found.atOnce || found.bytes >= int(p.MinBytes) {
		m.fetched(&p, parts)
		done(parts)
		return
	}
	release(parts)
	m.awaitRecords(p, parts, done)
}

// findings sum up the partitions of a fetch.
type findings struct {
	bytes int
	// atOnce says that some partition has an answer that should not wait: an error, a diverging epoch, a replica
	// that is better to read from.
	atOnce bool
}

// readAll reads from each partition in turn, until the bytes are used up. A batch that is larger than all limits
// is given whole if it is the first thing found, or the sender could never get past it (KIP-74).
func (m *Manager) readAll(p *FetchParams, parts []FetchPartition, arriving bool) findings {
	var sum findings
	budget := int(max(0, p.MaxBytes))
	for i := range parts {
		fp := &parts[i]
		m.read(p, fp, min(budget, int(max(0, fp.MaxBytes))), sum.bytes == 0 && !p.NothingOversized, arriving)
		n := fp.Data.Len()
		sum.bytes += n
		budget = max(0, budget-n)
		sum.atOnce = sum.atOnce || fp.Err != nil || fp.Diverging != nil || fp.PreferredReplica != cluster.NoBroker || beyond(p, fp)
	}
	return sum
}

// beyond reports whether the sender asks for an offset above what it may see. It is answered at once with
// nothing: no record that may come soon is the one it waits for.
func beyond(p *FetchParams, fp *FetchPartition) bool {
	return fp.FetchOffset > visibleEnd(p.limit(), fp.Data.LogEndOffset, fp.Data.HighWatermark, fp.Data.LastStableOffset)
}

func visibleEnd(limit logdir.Limit, logEnd, highWatermark, lastStable int64) int64 {
	switch limit {
	case logdir.LimitLogEnd:
		return logEnd
	case logdir.LimitLastStable:
		return lastStable
	default:
		return highWatermark
	}
}

// noData goes with an error.
var noData = logdir.Data{HighWatermark: -1, LastStableOffset: -1, LogStartOffset: -1, LogEndOffset: -1}

// read fills in one partition.
func (m *Manager) read(p *FetchParams, fp *FetchPartition, maxBytes int, oversized, arriving bool) {
	fp.Data, fp.Err, fp.Diverging, fp.PreferredReplica = noData, nil, nil, cluster.NoBroker
	var err error
	if fp.partition, err = m.Partition(fp.TopicPartition); err == nil {
		err = fp.partition.fetch(p, fp, maxBytes, oversized, arriving)
	}
	if err != nil {
		fp.Data, fp.Err = noData, err
	}
}

// fetch reads for a consumer, or for a follower, whose offset tells how far it has come if the fetch is just
// arriving.
func (p *Partition) fetch(params *FetchParams, fp *FetchPartition, maxBytes int, oversized, arriving bool) error {
	r := p.mu.reign.Load()
	l, err := r.readable(fp.CurrentLeaderEpoch, params.OnlyLeader || params.isFollower())
	if err != nil {
		return err
	}
	if !sameTopic(l.TopicID(), fp.TopicID) {
		return logdir.ErrTopicID
	}
	f, err := r.fetcher(params, fp)
	if err != nil {
		return err
	}
	if fp.PreferredReplica = p.owner.preferredReplica(params, r, fp.FetchOffset); fp.PreferredReplica != cluster.NoBroker {
		fp.Data = offsetsOf(l) // it shall read there, so there is no need to read here
		return nil
	}
	if fp.LastFetchedEpoch >= 0 {
		if diverged, err := p.divergence(l, fp); diverged || err != nil {
			return err
		}
	}
	if p.holdsBack(r, f) {
		maxBytes, oversized = 0, false // its progress counts, and errors are told
	}
	data, err := l.Read(fp.FetchOffset, maxBytes, oversized, params.limit())
	if err != nil {
		return err
	}
	// Rule 3: no lock is held while reading, so the reign may have ended and the log may have been cut and
	// written to under another leader since. What was read then belongs to no reign that the sender knows.
	if now := p.mu.reign.Load(); now != r && now.leaderEpoch != r.leaderEpoch {
		data.Release()
		return ErrNotLeader
	}
	fp.Data = data
	if arriving {
		p.stats.fetched()
		if f != nil {
			p.followerFetched(f, r.leaderEpoch, fp.FetchOffset, fp.LogStartOffset, data.LogEndOffset, time.Now())
		}
	}
	return nil
}

// fetcher is the follower that fetches, or nil for a consumer.
func (r *reign) fetcher(params *FetchParams, fp *FetchPartition) (*follower, error) {
	if !params.isFollower() {
		return nil, nil
	}
	f, ok := r.follower(params.Replica)
	switch {
	case ok:
		return f, nil
	case fp.CurrentLeaderEpoch >= 0:
		// It was told of a reign in which it is a replica, and we will be: it shall come again.
		return nil, ErrUnknownLeaderEpoch
	default:
		return nil, ErrNotLeader
	}
}

// divergence looks whether the sender's log is a beginning of ours, and fills in where it is not.
func (p *Partition) divergence(l *logdir.Log, fp *FetchPartition) (diverged bool, err error) {
	epoch, end := l.EndOffsetForEpoch(fp.LastFetchedEpoch)
	if epoch < 0 || end < 0 {
		return false, logdir.ErrOffsetOutOfRange // an epoch above all of ours, or from before our log start
	}
	if fp.FetchOffset < l.LogStartOffset() {
		return false, logdir.ErrOffsetOutOfRange // truncating would not help it
	}
	if epoch == fp.LastFetchedEpoch && fp.FetchOffset <= end {
		return false, nil
	}
	fp.Diverging = &Diverging{Epoch: epoch, EndOffset: end}
	fp.Data = offsetsOf(l)
	return true, nil
}

// offsetsOf is a log's offsets with no records.
func offsetsOf(l *logdir.Log) logdir.Data {
	return logdir.Data{HighWatermark: l.HighWatermark(), LastStableOffset: l.LastStableOffset(),
		LogStartOffset: l.LogStartOffset(), LogEndOffset: l.LogEndOffset()}
}

// fetched ends a fetch: it is about to be answered.
func (m *Manager) fetched(p *FetchParams, parts []FetchPartition) {
	for i := range parts {
		fp := &parts[i]
		if fp.partition == nil {
			continue
		}
		if n := fp.Data.Len(); n > 0 {
			fp.partition.stats.read(n, p.isFollower())
			if p.isFollower() {
				m.sent(fp.TopicPartition, n)
			}
		}
		if p.isFollower() {
			if f, ok := fp.partition.mu.reign.Load().follower(p.Replica); ok {
				f.answered()
			}
		}
	}
}

// release gives back what was read and will not be sent.
func release(parts []FetchPartition) {
	for i := range parts {
		parts[i].Data.Release()
		parts[i].Data = noData
	}
}
