package fetcher

import (
	"errors"
	"fmt"

	"ottla/logdir/batch"
)

var (
	// errTooSmall: a leader gives at least one whole batch, whatever the limits.
	errTooSmall = errors.New("the answer holds records, but no whole batch")
	// errNoProgress: what came was appended, and the log ends where it did before.
	errNoProgress = errors.New("the log did not grow")
	// errNotCut: the leader says where the logs part, and ours has nothing behind that.
	errNotCut = errors.New("the leader says that the logs part where ours has nothing to cut")
)

// records are the whole batches of an answer; the last one may have been cut short and is left out.
type records struct {
	batches []byte
	// base and last are the first offset and the last one of the first batch.
	base, last int64
	// epoch is that of the last batch.
	epoch int32
}

func wholeBatches(b []byte) (r records, err error) {
	n := 0
	for n < len(b) {
		h, err := batch.ReadHeader(b[n:])
		if err == batch.ErrShort || err == nil && h.SizeInBytes() > len(b)-n {
			break
		}
		if err != nil {
			if n > 0 {
				break // first what is good; the next answer begins with this one
			}
			return r, err
		}
		if n == 0 {
			r.base, r.last = h.BaseOffset, h.LastOffset()
		}
		r.epoch = h.LeaderEpoch
		n += h.SizeInBytes()
	}
	if r.batches = b[:n]; n == 0 {
		return r, fmt.Errorf("%w in %d bytes", errTooSmall, len(b))
	}
	return r, nil
}

// take appends what the leader has answered to the fetch from p.offset.
func (p *partition) take(a *answered) error {
	if len(a.records) == 0 {
		return p.Replica.AppendAsFollower(p.LeaderEpoch, nil, a.highWatermark, a.logStart)
	}
	r, err := wholeBatches(a.records)
	if err != nil {
		return fmt.Errorf("records at %d: %w", p.offset, err)
	}
	if err := p.alignStart(&r, a.logStart); err != nil {
		return err
	}
	if err := p.Replica.AppendAsFollower(p.LeaderEpoch, r.batches, a.highWatermark, a.logStart); err != nil {
		return err
	}
	// Not the end of what was appended but the end that the log shows: where each append is synced, it stays behind until then, and
	// the next fetch tells the leader what it may count upon.
	end := p.Replica.LogEndOffset()
	if end <= p.offset {
		return fmt.Errorf("records at %d: %w", p.offset, errNoProgress)
	}
	p.offset, p.lastEpoch = end, r.epoch
	return nil
}

// alignStart lets the log begin with the batch that the leader's log start lies in, if it has nothing that the leader has: it is empty,
// or all of it lies before that start. DeleteRecords cuts by record, and batches are sent whole; the log start then hides the
// records before.
func (p *partition) alignStart(r *records, leaderStart int64) error {
	if r.base >= p.offset || r.last < p.offset {
		return nil
	}
	if empty := p.Replica.LogStartOffset() == p.offset; !empty && leaderStart < p.offset {
		return nil // refused by the log
	}
	return p.Replica.TruncateFullyAndStartAt(p.LeaderEpoch, r.base)
}
