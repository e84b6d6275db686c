package logdir

import (
	"fmt"
)

// advanceStartLocked raises the log start and forgets the reigns before it.
func (l *Log) advanceStartLocked(offset int64) error {
	if offset <= l.start.Load() {
		return nil
	}
	l.start.Store(offset)
	l.epochs.truncateStart(offset)
	// Deleting is how a full disk gets space again, so it does not wait for the file, which goes on to hold reigns
	// that a start forgets again, until the next flush (TestRetentionMakesSpaceOnAFullDisk).
	if err := l.writeEpochsLocked(); err != nil && !isFull(err) {
		return err
	}
	return nil
}

// AdvanceLogStart makes offset the first that may be read, as DeleteRecords asks: segments below it are
// deleted with the next check of retention. Above the high watermark, or below zero, it is
// ErrOffsetOutOfRange; a topic that is compacted and never deleted has ErrPolicyViolation; below the log
// start nothing changes.
func (l *Log) AdvanceLogStart(offset int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usableLocked(); err != nil {
		return err
	}
	if cfg := l.cfg.Load(); cfg.Compact && !cfg.Delete {
		return fmt.Errorf("%v: %w", l.tp, ErrPolicyViolation)
	}
	if hw := l.HighWatermark(); offset < 0 || offset > hw {
		return fmt.Errorf("%v: new log start %d, the high watermark is %d: %w", l.tp, offset, hw, ErrOffsetOutOfRange)
	}
	return l.failing(l.advanceStartLocked(offset))
}

// FollowLogStart raises the log start to the leader's, which may be ahead of what this follower knows to
// be committed; never beyond the log end.
func (l *Log) FollowLogStart(offset int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usableLocked(); err != nil {
		return err
	}
	return l.failing(l.advanceStartLocked(min(offset, l.mu.written.offset)))
}
