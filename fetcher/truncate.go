package fetcher

// Where a follower's log has to end.

// cutAt decides where the log is to be cut, given the largest epoch of the leader that is not above ours, and where it ended there. It
// reports whether that settles it: if not, the leader has to be asked again, for an older epoch.
//
// Rule 2 of replication: by epochs, never by our high watermark while the log knows them. The watermark comes with the next
// fetch only, so what lies above it may be committed, and cutting that from a replica that is then elected loses it
// (KIP-101; TestStories, kip-101-high-watermark-comes-late).
func cutAt(r Replica, leader epochEnd) (offset int64, settled bool) {
	end := r.LogEndOffset()
	if leader.end < 0 {
		// The leader knows of none. Where our log has epochs the position is its end, and stays: nothing tells what would have to go.
		offset, _ := r.FetchPosition()
		return offset, true
	}
	if leader.epoch < 0 {
		return min(leader.end, end), true // it is too old to say which epoch it speaks of
	}
	found, ours := r.EpochEnd(leader.epoch)
	if found < 0 {
		return min(leader.end, end), true
	}
	if found != leader.epoch {
		// We have never had the epoch that the leader found, so its end says nothing about our log. All that we have from above the
		// epoch that we do share must go (KIP-279; TestStories, kip-279-fast-leader-changes).
		return min(ours, end), false
	}
	return min(ours, leader.end, end), true
}

// truncate cuts the log and looks where it ends now. It reports whether the leader must be asked again.
func (p *partition) truncate(leader epochEnd) (settled bool, err error) {
	offset, settled := cutAt(p.Replica, leader)
	if err := p.Replica.TruncateTo(p.LeaderEpoch, offset); err != nil {
		return false, err
	}
	return settled, p.locate()
}

// locate finds where to fetch from. Records from before there were epochs can only be cut by the high watermark.
func (p *partition) locate() error {
	offset, lastEpoch := p.Replica.FetchPosition()
	if offset < p.Replica.LogEndOffset() {
		if err := p.Replica.TruncateTo(p.LeaderEpoch, offset); err != nil {
			return err
		}
		offset, lastEpoch = p.Replica.FetchPosition()
	}
	p.offset, p.lastEpoch = offset, lastEpoch
	return nil
}

// reset brings the log in line with a leader that has nothing at our offset.
//
// A leader whose log ends before ours was elected without our records: they go. One whose log starts behind our end has deleted
// what we lack: our log begins anew there, with neither epochs nor producers, since the ones it knew belong to records that no
// replica can be asked for any more. Anything else passes by itself: records were deleted or written between our fetch and this.
func (p *partition) reset(leaderStart, leaderEnd int64) error {
	end := p.Replica.LogEndOffset()
	var err error
	switch {
	case leaderEnd < end:
		err = p.Replica.TruncateTo(p.LeaderEpoch, leaderEnd)
	case leaderStart > end:
		err = p.Replica.TruncateFullyAndStartAt(p.LeaderEpoch, leaderStart)
	}
	if err != nil {
		return err
	}
	return p.locate()
}
