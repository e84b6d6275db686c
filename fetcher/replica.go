package fetcher

import (
	"errors"

	"ottla/zkcoord/cluster"
)

// Replica is this broker's copy of a partition. Its deeds name the leader epoch under which they are done; under any other they are
// refused with ErrReignOver, so that what was learned from an old leader never cuts or follows what a new one has sent.
type Replica interface {
	// FetchPosition is where to fetch from, and the epoch of the record before or -1. If the position lies before the
	// log's end, the log has to be cut there first: its records are older than epochs are.
	FetchPosition() (offset int64, lastEpoch int32)
	LogStartOffset() int64
	LogEndOffset() int64
	// EpochEnd is the largest epoch of the log that is not above the given one, and where it ended; -1, -1 if the log knows of none.
	EpochEnd(epoch int32) (found int32, end int64)
	// AppendAsFollower appends whole batches, none if batches is empty, and follows the leader's high watermark and log
	// start. batches is not used any more when it returns. It wakes whoever waits for these records here.
	AppendAsFollower(leaderEpoch int32, batches []byte, leaderHW, leaderLogStart int64) error
	TruncateTo(leaderEpoch int32, offset int64) error
	TruncateFullyAndStartAt(leaderEpoch int32, offset int64) error
}

// ErrReignOver says that the leader epoch named is not the one under which the partition is followed.
var ErrReignOver = errors.New("the leader epoch is over")

// Following is a partition to copy.
type Following struct {
	cluster.TopicPartition
	// TopicID is zero for topics of clusters older than topic ids.
	TopicID cluster.TopicID
	// Leader is cluster.NoBroker while nobody leads.
	Leader      cluster.BrokerID
	LeaderEpoch int32
	Replica     Replica
}
