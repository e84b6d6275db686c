package fetcher

import (
	"time"

	"ottla/zkcoord/cluster"
)

// partition is one that a fetcher copies, in one reign. A new reign makes a new partition of it.
type partition struct {
	Following

	// What follows is guarded by fetcher.mu. The goroutine alone writes it, but for gone, and may read it without the lock.

	// gone says that the fetcher shall not copy it any more.
	gone bool
	// trouble is why nothing could be copied at the last attempt, or nil; since is when that began.
	trouble error
	// logged is set once the log has a line of it.
	logged bool
	since  time.Time
	shown  shown

	// What follows is the goroutine's alone.

	phase phase
	// offset is where to fetch from, lastEpoch the epoch of the record before it or -1.
	offset    int64
	lastEpoch int32
	// met says that the leader has answered the last fetch of it without an error.
	met bool
	// leaderHW is the leader's high watermark as it told last, or -1.
	leaderHW int64

	// told is what the leader's session holds of it, if it does.
	told      position
	inSession bool

	// resume is when to try again after so many attempts in vain.
	resume   time.Time
	attempts int
}

// shown is what others may see of a partition.
type shown struct {
	offset, lag int64
	aside       bool
}

// show publishes where the partition stands. The caller holds fetcher.mu.
func (p *partition) show() {
	p.shown = shown{offset: p.offset, lag: p.lag(), aside: p.phase == aside}
}

// phase is what a partition needs next.
type phase uint8

const (
	// starting partitions have no position yet; the log must be looked at, and cut if it has records older than epochs.
	starting phase = iota
	// truncating partitions wait for the leader to say where their epoch ended.
	truncating
	// fetching partitions are copied.
	fetching
	// aside are those for which only a new decision of the controller helps.
	aside
)

func (p *partition) key(byID bool) key {
	if byID {
		return key{id: p.TopicID, partition: p.Partition}
	}
	return key{topic: p.Topic, partition: p.Partition}
}

func (p *partition) position() position {
	return position{leaderEpoch: p.LeaderEpoch, offset: p.offset, lastEpoch: p.lastEpoch, logStart: p.Replica.LogStartOffset()}
}

// ready reports whether the partition may be worked on in that phase now.
func (p *partition) ready(in phase, now time.Time) bool {
	return !p.gone && p.phase == in && !now.Before(p.resume)
}

// lag is how many records of the leader's high watermark are missing, 0 while it is not known.
func (p *partition) lag() int64 { return max(0, p.leaderHW-p.offset) }

// javaHash is String.hashCode of Java, for names of topics, which are ASCII.
func javaHash(s string) int32 {
	var h int32
	for i := range len(s) {
		h = 31*h + int32(s[i])
	}
	return h
}

// fetcherOf chooses one of n fetchers of a leader as Kafka does, so that load is spread alike.
func fetcherOf(tp cluster.TopicPartition, n int) int {
	h := 31*javaHash(tp.Topic) + tp.Partition
	if h < 0 {
		h = -h
	}
	return int(max(h, 0)) % n // the least number has no positive counterpart; Kafka takes 0
}
