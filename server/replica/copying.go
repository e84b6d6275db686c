package replica

import (
	"errors"
	"fmt"

	"ottla/logdir"
	"ottla/logdir/batch"
)

// What a fetcher does to the partition it feeds. Each deed names the leader epoch under which the fetcher was
// started, and is refused under any other.
//
// Rule 2: truncation is fenced as well. A fetcher that learned from an old leader where to cut would cut what a
// newer leader has sent since (KIP-320, TestFetchersOfAnOldReignAreFenced).

// FetchPosition is where the next fetch begins, and the epoch of the record before, -1 if there is none.
func (p *Partition) FetchPosition() (offset int64, lastEpoch int32) {
	if l, ok := p.Log(); ok {
		return fetchPosition(l)
	}
	return unknownOffset, noEpoch
}

// fetchPosition is the log's end: the leader, told of the last record's epoch, answers with the point from which
// the logs differ.
//
// Rule 2: only a log with records from before there were epochs begins at the high watermark instead, which may
// lie below records that are committed elsewhere (KIP-101, TestFollowingBeginsAtTheLogEnd). The log may know of
// a later epoch that began at its end: a reign of ours in which nobody wrote. It is not the last record's, and a
// leader that never heard of it would have us cut what is not there, for ever (TestNothingAcknowledgedIsLost).
func fetchPosition(l *logdir.Log) (offset int64, lastEpoch int32) {
	end := l.LogEndOffset()
	lastEpoch = noEpoch
	for _, e := range l.Epochs() {
		if e.StartOffset < end {
			lastEpoch = e.Epoch
		}
	}
	if lastEpoch == noEpoch && end > l.LogStartOffset() {
		return l.HighWatermark(), noEpoch
	}
	return end, lastEpoch
}

// AppendAsFollower appends whole batches as the leader sent them, offsets and epochs kept, and follows its high
// watermark and log start. The batches are only used until the call returns. It may not run at the same time as
// a truncation of the same partition.
func (p *Partition) AppendAsFollower(leaderEpoch int32, batches []byte, leaderHW, leaderLogStart int64) error {
	grew, err := p.appendAsFollower(leaderEpoch, batches, leaderHW, leaderLogStart)
	if grew {
		check(p.owner.fetches, p.tp) // consumers that read from the nearest replica
	}
	if errors.Is(err, logdir.ErrDiskFull) {
		p.diskFull()
	}
	return err
}

func (p *Partition) appendAsFollower(leaderEpoch int32, batches []byte, leaderHW, leaderLogStart int64) (grew bool, err error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	r, err := p.followingUnder(leaderEpoch)
	if err != nil {
		return false, err
	}
	if len(batches) > 0 {
		if err := checkEpochs(batches, leaderEpoch); err != nil {
			return false, fmt.Errorf("%s: %w", p.tp, err)
		}
		if _, err := r.log.AppendAsFollower(batches); err != nil {
			return false, err
		}
		p.full.over()
	}
	grew = r.log.SetHighWatermark(min(leaderHW, r.log.LogEndOffset()))
	if start := min(leaderLogStart, r.log.HighWatermark()); start > r.log.LogStartOffset() {
		err = r.log.AdvanceLogStart(start)
	}
	return grew, err
}

// checkEpochs refuses records of a later reign than the one under which they were asked for: the leader has lost
// its own in the meantime, and what it sends may follow upon records that we do not have.
func checkEpochs(batches []byte, leaderEpoch int32) error {
	for b, err := range batch.All(batches) {
		if err != nil {
			return err
		}
		h, err := batch.ReadHeader(b)
		if err != nil {
			return err
		}
		if h.LeaderEpoch > leaderEpoch {
			return fmt.Errorf("batch at %d is of epoch %d: %w", h.BaseOffset, h.LeaderEpoch, ErrFencedLeaderEpoch)
		}
	}
	return nil
}

// TruncateTo cuts the log so that it ends at the offset.
func (p *Partition) TruncateTo(leaderEpoch int32, offset int64) error {
	return p.truncate(leaderEpoch, func(l *logdir.Log) error {
		if hw := l.HighWatermark(); offset < hw {
			p.owner.log.Warnf("%s: truncating to %d, below the high watermark %d: the election was unclean, or the leader lost records",
				p.tp, offset, hw)
		} else if end := l.LogEndOffset(); offset < end {
			p.owner.log.Infof("%s: truncating from %d to %d", p.tp, end, offset)
		}
		return l.TruncateTo(offset)
	})
}

// TruncateFullyAndStartAt empties the log, which goes on at the offset: the leader has nothing older any more.
func (p *Partition) TruncateFullyAndStartAt(leaderEpoch int32, offset int64) error {
	return p.truncate(leaderEpoch, func(l *logdir.Log) error {
		p.owner.log.Warnf("%s: starting anew at %d, the log was %d to %d", p.tp, offset, l.LogStartOffset(), l.LogEndOffset())
		return l.TruncateFullyAndStartAt(offset)
	})
}

// truncate cuts, and wakes the consumers who wait here for what follows upon records that are gone.
func (p *Partition) truncate(leaderEpoch int32, cut func(*logdir.Log) error) error {
	err := p.truncateAlone(leaderEpoch, cut)
	check(p.owner.fetches, p.tp)
	return err
}

// truncateAlone cuts with the lock held alone: a new reign must not begin in the middle.
func (p *Partition) truncateAlone(leaderEpoch int32, cut func(*logdir.Log) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, err := p.followingUnder(leaderEpoch)
	if err != nil {
		return err
	}
	return cut(r.log)
}

// followingUnder is the reign, if this broker follows in that leader epoch. The caller holds Partition.mu.
func (p *Partition) followingUnder(leaderEpoch int32) (*reign, error) {
	r := p.mu.reign.Load()
	switch {
	case r.failed:
		return nil, ErrStorage
	case r.leads || r.log == nil:
		return nil, ErrNotLeader
	default:
		return r, r.checkEpoch(leaderEpoch)
	}
}
