package replica

import (
	"slices"
	"time"

	"ottla/logdir"
	"ottla/zkcoord/cluster"
)

// Timestamps of ListOffsets that are none. Which version of the request knows which is for server/api to say.
const (
	latestTimestamp        int64 = -1
	earliestTimestamp      int64 = -2
	maxTimestamp           int64 = -3
	earliestLocalTimestamp int64 = -4
	latestTieredTimestamp  int64 = -5
)

// debuggingConsumer is the replica id of a tool that reads from any replica, up to the log's end.
const debuggingConsumer cluster.BrokerID = -2

// listing is one question of ListOffsets.
type listing struct {
	reign *reign
	log   *logdir.Log
	// visible is the end of what the sender may be told of.
	visible int64
	// early says that this leader does not know yet how much is committed.
	early bool
}

// ListOffset answers for one partition of ListOffsets, version 1 and above: the first offset whose timestamp is
// at least the given one, or what a special timestamp asks for. Where there is no such record all three are -1.
// replica is cluster.NoBroker for a consumer, which sees committed records only; a currentLeaderEpoch of -1
// names none.
func (m *Manager) ListOffset(tp cluster.TopicPartition, currentLeaderEpoch int32, timestamp int64, isolation int8, replica cluster.BrokerID) (
	offset, foundTimestamp int64, epoch int32, err error) {
	l, err := m.listing(tp, currentLeaderEpoch, isolation, replica)
	if err != nil {
		return -1, -1, -1, err
	}
	switch {
	case timestamp == latestTimestamp:
		return l.latest()
	case timestamp == earliestTimestamp, timestamp == earliestLocalTimestamp:
		return l.earliest()
	case timestamp == latestTieredTimestamp:
		return -1, -1, -1, nil // nothing is tiered
	case timestamp == maxTimestamp:
		return l.committed(l.log.MaxTimestamp())
	case timestamp < 0:
		return -1, -1, -1, ErrUnsupportedTimestamp
	default:
		return l.committed(l.log.OffsetForTimestamp(timestamp))
	}
}

func (m *Manager) listing(tp cluster.TopicPartition, currentLeaderEpoch int32, isolation int8, replica cluster.BrokerID) (listing, error) {
	p, err := m.Partition(tp)
	if err != nil {
		return listing{}, err
	}
	r := p.mu.reign.Load()
	log, err := r.readable(currentLeaderEpoch, replica != debuggingConsumer)
	if err != nil {
		return listing{}, err
	}
	// Rule 1: a new leader's high watermark comes from the time when it followed, and may lie below what
	// consumers have been told already. Until it has passed the start of the epoch, "the end" would go back in
	// time, and a consumer that commits it would read records twice (KIP-207,
	// TestOffsetsAreNotAvailableBeforeTheEpochStart).
	l := listing{reign: r, log: log, early: r.leads && log.HighWatermark() < r.epochStart}
	switch {
	case replica != cluster.NoBroker:
		l.visible = log.LogEndOffset()
	case isolation == readCommitted:
		l.visible = log.LastStableOffset()
	default:
		l.visible = log.HighWatermark()
	}
	return l, nil
}

func (l listing) latest() (offset, timestamp int64, epoch int32, err error) {
	if l.early {
		return -1, -1, -1, ErrOffsetNotAvailable
	}
	return l.visible, -1, l.reign.leaderEpoch, nil
}

// earliest is the log start with the epoch of its record, or of the next one if the log is empty; -1 in logs
// from before there were epochs.
func (l listing) earliest() (offset, timestamp int64, epoch int32, err error) {
	start := l.log.LogStartOffset()
	epoch = noEpoch
	for _, e := range l.log.Epochs() {
		if e.StartOffset > start {
			break
		}
		epoch = e.Epoch
	}
	return start, -1, epoch, nil
}

// committed passes on what the log found, if the sender may see it.
func (l listing) committed(offset, timestamp int64, epoch int32, found bool, err error) (int64, int64, int32, error) {
	switch {
	case err != nil:
		return -1, -1, -1, err
	case found && offset < l.visible:
		return offset, timestamp, epoch, nil
	case l.early:
		return -1, -1, -1, ErrOffsetNotAvailable
	default:
		return -1, -1, -1, nil
	}
}

// ListOffsetsV0 answers as version 0 does: at most limit offsets, the newest first, from those that were last
// written to at or before the timestamp. Kafka names the begin of each segment; here a log counts as one
// segment, from its start to its end, which is all that the clients of version 0 made of it.
func (m *Manager) ListOffsetsV0(tp cluster.TopicPartition, timestamp int64, limit int, replica cluster.BrokerID) ([]int64, error) {
	l, err := m.listing(tp, -1, readUncommitted, replica)
	if err != nil {
		return nil, err
	}
	var offsets []int64
	start := l.log.LogStartOffset()
	switch {
	case timestamp == latestTimestamp || timestamp >= time.Now().UnixMilli():
		offsets = slices.Compact([]int64{l.visible, start})
	case timestamp == earliestTimestamp:
		offsets = []int64{start}
	}
	return offsets[:min(max(0, limit), len(offsets))], nil
}
