package logdir

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"

	"ottla/zkcoord/cluster"
)

// Log is one partition's records on disk.
//
// One lock, mu, is held by whatever changes the log: appends, rolls, truncation, deletion. Readers hold
// none: they see the published end, the high watermark and an atomic snapshot of the segments. Who cuts,
// deletes or replaces segments keeps cleanings out (exclude). Lock order: cleaning, the Manager's, mu, then
// flushing.mu or marks.
type Log struct {
	tp  cluster.TopicPartition
	m   *Manager
	dir *logDir

	path atomic.Pointer[string]
	id   atomic.Pointer[cluster.TopicID]
	cfg  atomic.Pointer[Config]

	// segments ascend by base offset; there is always one. The slice is replaced, never changed.
	segments atomic.Pointer[[]*segment]
	start    atomic.Int64
	// end is the log end that others may know of. With flush.messages=1 it stays behind what is written
	// until that is synced, so nobody acknowledges, replicates or counts what a power failure takes.
	end atomic.Pointer[mark]
	// hw is the high watermark; unstable the first offset whose transaction is undecided, or nil.
	hw       atomic.Pointer[mark]
	unstable atomic.Pointer[mark]
	epochs   leaderEpochs
	// recoveryPoint: what lies below is synced.
	recoveryPoint atomic.Int64
	// savedPoint is the recovery point in the checkpoint file, or above it.
	savedPoint atomic.Int64

	mu struct {
		sync.Mutex
		written    *mark // where the next batch goes; end follows it
		producers  producers
		unflushed  int64 // records since the last flush
		appendTime int64 // the newest LogAppendTime given out
		metaDirty  bool  // the directory, or partition.metadata in it, was made and not synced
		gone       error // set when the log was closed, deleted or failed
		flushedAt  int64 // ms
		// truncations counts them, so that a sync that was under way meanwhile is not believed.
		truncations int
		// cut is the lowest offset the log was cut to since a Move asked last, cutToNothing if it began anew;
		// beyond every offset if it was not cut.
		cut int64
	}
	// cleanPoint is the offset below which the log was cleaned, -1 if nobody knows.
	cleanPoint  atomic.Int64
	uncleanable atomic.Pointer[Uncleanable]
	cleaning    *exclusion   // held while the log is cleaned, and by who keeps cleanings out
	cleanAfter  atomic.Int64 // ms: no cleaning is begun earlier
	moving      atomic.Bool  // a Move copies the log, and no cleaning is begun; see move.go

	// undecided counts transactions that wait for the high watermark, so that raising it usually need
	// not take mu.
	undecided atomic.Int32
	// oldestTxn and producerCount are for metrics; see late_txns.go.
	oldestTxn     atomic.Int64
	producerCount atomic.Int32

	marks struct {
		sync.Mutex // guards the replacing of hw
		recent     [8]atomic.Pointer[mark]
		next       int // in recent; guarded by mu
	}
	flushing flushing
}

// mark is an offset and where it is: the segment's base offset and the position in its file, -1 if
// nobody has looked yet. It is never changed.
type mark struct {
	offset   int64
	base     int64
	position int64
}

// TopicPartition names the partition.
func (l *Log) TopicPartition() cluster.TopicPartition { return l.tp }

// TopicID is the topic's id, zero if none was ever told.
func (l *Log) TopicID() cluster.TopicID {
	if id := l.id.Load(); id != nil {
		return *id
	}
	return cluster.TopicID{}
}

// Dir is the log directory, one of log.dirs, that holds the log.
func (l *Log) Dir() string { return l.dir.path }

// Folder is the log's own directory in there.
func (l *Log) Folder() string { return l.folder() }

// Config is the topic's settings in force.
func (l *Log) Config() Config { return *l.cfg.Load() }

// LogEndOffset is the offset that the next record gets.
func (l *Log) LogEndOffset() int64 { return l.end.Load().offset }

// LogStartOffset is the first offset that may be read.
func (l *Log) LogStartOffset() int64 { return l.start.Load() }

// HighWatermark is the offset below which records are committed.
func (l *Log) HighWatermark() int64 { return l.hw.Load().offset }

// LastStableOffset is the offset below which all transactions are decided and committed.
func (l *Log) LastStableOffset() int64 { return l.lastStable(l.hw.Load()).offset }

// lastStable needs the high watermark loaded before the first unstable offset: an append sets the
// latter before a high watermark can pass it, so this order never shows records of an open transaction.
func (l *Log) lastStable(hw *mark) *mark {
	if u := l.unstable.Load(); u != nil && u.offset < hw.offset {
		return u
	}
	return hw
}

// RecoveryPoint is the offset below which everything is synced.
func (l *Log) RecoveryPoint() int64 { return l.recoveryPoint.Load() }

// Size is how many bytes the segments' records take.
func (l *Log) Size() int64 {
	var n int64
	for _, s := range l.list() {
		n += s.size.Load()
	}
	return n
}

func (l *Log) list() []*segment { return *l.segments.Load() }

func (l *Log) active() *segment {
	s := l.list()
	return s[len(s)-1]
}

func (l *Log) folder() string { return *l.path.Load() }

func (l *Log) file(name string) string { return filepath.Join(l.folder(), name) }

// SetHighWatermark raises the high watermark to hw, but not above the log end, and reports whether it
// rose. It never goes back: only truncation lowers it.
func (l *Log) SetHighWatermark(hw int64) (rose bool) {
	if !l.raise(hw) {
		return false
	}
	if l.undecided.Load() > 0 {
		l.mu.Lock()
		l.mu.producers.committed(l.HighWatermark())
		l.refreshUnstableLocked()
		l.mu.Unlock()
	}
	return true
}

func (l *Log) raise(hw int64) bool {
	l.marks.Lock()
	defer l.marks.Unlock()
	end := l.end.Load()
	hw = min(hw, end.offset)
	if hw <= l.hw.Load().offset {
		return false
	}
	if hw == end.offset {
		l.hw.Store(end)
	} else if m := l.recentMark(hw); m != nil {
		l.hw.Store(m)
	} else {
		l.hw.Store(&mark{offset: hw, position: -1})
	}
	return true
}

// recentMark finds an offset among the latest log ends: that is where followers and consumers near the
// end stand.
func (l *Log) recentMark(offset int64) *mark {
	for i := range l.marks.recent {
		if m := l.marks.recent[i].Load(); m != nil && m.offset == offset {
			return m
		}
	}
	return nil
}

// publishLocked makes m the log end for all to see. Needs mu.
func (l *Log) publishLocked(m *mark) {
	l.marks.recent[l.marks.next].Store(m)
	l.marks.next = (l.marks.next + 1) % len(l.marks.recent)
	l.end.Store(m)
}

// refreshUnstableLocked must come before the append that opened a transaction is published.
func (l *Log) refreshUnstableLocked() {
	p := &l.mu.producers
	l.countProducersLocked()
	l.undecided.Store(int32(len(p.unreplicated)))
	offset, ok := p.firstUnstable()
	if !ok {
		l.unstable.Store(nil)
		return
	}
	if u := l.unstable.Load(); u == nil || u.offset != offset {
		l.unstable.Store(&mark{offset: offset, position: -1})
	}
}

// usableLocked is the reason why the log takes no change any more, or nil.
func (l *Log) usableLocked() error {
	if l.mu.gone != nil {
		return l.mu.gone
	}
	return l.dir.err()
}

// LatestEpoch is the leader epoch of the newest reign that the log knows.
func (l *Log) LatestEpoch() (epoch int32, ok bool) {
	e, ok := l.epochs.latest()
	return e.epoch, ok
}

// EndOffsetForEpoch answers OffsetsForLeaderEpoch: the largest known epoch that is not above the one
// asked for and the offset at which it ended; -1, -1 if the log knows nothing of it.
func (l *Log) EndOffsetForEpoch(epoch int32) (foundEpoch int32, endOffset int64) {
	return l.epochs.end(epoch, l.LogEndOffset())
}

// EpochEntry is one reign: its epoch and the offset at which it began.
type EpochEntry struct {
	Epoch       int32
	StartOffset int64
}

// Epochs lists the reigns that the log knows, oldest first.
func (l *Log) Epochs() []EpochEntry {
	list := l.epochs.list()
	out := make([]EpochEntry, len(list))
	for i, e := range list {
		out[i] = EpochEntry{e.epoch, e.start}
	}
	return out
}

// AssignEpochStart notes that the leader epoch begins at the offset start. The leader calls it when it
// takes over, before it appends.
func (l *Log) AssignEpochStart(epoch int32, start int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usableLocked(); err != nil {
		return err
	}
	if l.cfg.Load().MessageFormat < 2 {
		// Messages of magic 0 and 1 tell no epoch, so followers would not learn what this log then claims to know.
		if len(l.epochs.list()) > 0 {
			l.epochs.set(nil)
		}
		return l.failing(l.writeEpochsLocked())
	}
	l.assignEpochLocked(epoch, start)
	return nil
}

// assignEpochLocked leaves the file to the next flush or the close, so that a broker may take over thousands of
// partitions without waiting for its disk: a file that replaces another costs ext4 half a millisecond of processor
// time and a write, synced or not. A crash forgets nothing that matters: records above the recovery point are read
// again, and their epochs with them; the epoch of a reign without records is known to nobody who could ask for it.
// TestEpochsOutliveACrashUnwritten breaks without that.
func (l *Log) assignEpochLocked(epoch int32, start int64) {
	if epoch >= 0 {
		l.epochs.assign(epoch, start)
	}
}

func (l *Log) writeEpochsLocked() error {
	if !l.epochs.unwritten {
		return nil
	}
	if err := writeFile(l.m.fs, l.file(leaderEpochFile), encodeEpochs(l.epochs.list()), false); err != nil {
		return err
	}
	l.epochs.unwritten = false
	l.epochs.writes++
	return nil
}

// ActiveProducers lists the producers that the log remembers, by id.
func (l *Log) ActiveProducers() []ProducerState {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.mu.producers.sorted()
	out := make([]ProducerState, len(all))
	for i, p := range all {
		out[i] = p.state()
	}
	return out
}

// failing passes an error of the disk to the directory, which goes offline, and makes it an ErrStorage.
// A full disk is no such failure: it leaves the log as it was, and space may come back.
func (l *Log) failing(err error) error { return l.dir.failing(l.tp, err) }

// String is the partition's name.
func (l *Log) String() string { return fmt.Sprint(l.tp) }
