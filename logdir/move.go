package logdir

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"sync"

	"ottla/zkcoord/cluster"
)

// Move takes a log to another directory while it serves (KIP-113). It makes a copy in a directory of its own,
// orders-0.<32 hex>-future, which follows the log as a follower follows its leader, truncations and log start
// included, until it has everything; then the two change places. The essay on that is in move_swap.go.
//
// While a log moves it is not compacted. The copy may hold a record whose tombstone was still to be copied; a
// cleaning that drops the tombstone meanwhile would leave the record alive in the copy, for good.
//
// Copy, Prepare and Swap are for one goroutine; a cancelation may come from another and waits for their end. Lock
// order: Move.mu, then those of the source before those of the copy.
type Move struct {
	m      *Manager
	source *Log
	future *Log

	mu struct {
		sync.Mutex
		ended error // why nothing is done any more
		// compared: the copy is known to hold what the source holds, as far as it goes. One that was found at a
		// start is not.
		compared bool
		// announced: the source's directory says where it moves, see movingFile.
		announced bool
		spare     []byte // a buffer for Copy
		spent     int    // bytes that were copied since the last Rest
	}
}

// cutToNothing is the value of Log.mu.cut for a log that began anew.
const cutToNothing = -1

// errMoveEnded: the move was called off, or is over.
var errMoveEnded = fmt.Errorf("the move between directories has ended: %w", ErrClosed)

// TopicPartition names what is moved.
func (mv *Move) TopicPartition() cluster.TopicPartition { return mv.source.tp }

// Source is the log that is moved, Destination the directory to which.
func (mv *Move) Source() *Log { return mv.source }

// Destination is the directory that shall hold the log.
func (mv *Move) Destination() string { return mv.future.dir.path }

// GoesTo reports whether that is the directory of this path.
func (mv *Move) GoesTo(path string) bool { return absolute(mv.Destination()) == absolute(path) }

// Size is how many bytes of records were copied.
func (mv *Move) Size() int64 { return mv.future.Size() }

// Lag is how many offsets the copy is behind.
func (mv *Move) Lag() int64 { return mv.source.LogEndOffset() - mv.future.LogEndOffset() }

// String says what goes where.
func (mv *Move) String() string {
	return fmt.Sprintf("%v from %s to %s", mv.source.tp, mv.source.dir.path, mv.Destination())
}

// Moves lists the moves under way, in no order; after Open, those that the start before has left. Each goes on only
// if somebody calls Copy.
func (m *Manager) Moves() []*Move {
	m.mu.RLock()
	defer m.mu.RUnlock()
	out := make([]*Move, 0, len(m.mu.moves))
	for _, mv := range m.mu.moves {
		out = append(out, mv)
	}
	return out
}

// Move finds a partition's move, if there is one.
func (m *Manager) Move(tp cluster.TopicPartition) (*Move, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	mv, ok := m.mu.moves[tp]
	return mv, ok
}

func (m *Manager) futures() []*Log {
	var out []*Log
	for _, mv := range m.Moves() {
		out = append(out, mv.future)
	}
	return out
}

// StartMove begins to move a partition's log to a directory, named by its absolute path. It is nil, and no error,
// if the log is there already. While any directory is offline nothing is begun (ErrOfflineDir): it may hold another
// copy. A move to elsewhere must have been canceled before.
func (m *Manager) StartMove(tp cluster.TopicPartition, path string) (*Move, error) {
	d, err := m.liveDir(path)
	if err != nil {
		return nil, err
	}
	l, ok := m.Log(tp)
	if !ok {
		return nil, fmt.Errorf("move %v: %w", tp, ErrUnknownLog)
	}
	if l.dir == d {
		return nil, nil
	}
	if offline := m.OfflineDirs(); len(offline) > 0 {
		return nil, fmt.Errorf("move %v: %s may hold a copy already: %w", tp, offline[0], ErrOfflineDir)
	}
	l.moving.Store(true)
	l.exclude()() // ends a cleaning that is under way; none begins from here on
	mv, err := m.createMove(l, d)
	if err != nil {
		l.moving.Store(false)
		return nil, fmt.Errorf("move %v to %s: %w", tp, path, err)
	}
	// So that a start can tell whether the source was cleaned while nobody copied, see compareLocked.
	if err := m.checkpointDir(d, cleanerFile); err != nil {
		m.AbandonMove(tp)
		return nil, fmt.Errorf("move %v to %s: %w", tp, path, err)
	}
	return mv, nil
}

func (m *Manager) createMove(l *Log, d *logDir) (*Move, error) {
	// What the directory's checkpoints said of an earlier log of that name is not true of the copy.
	if err := m.forget(l.tp); err != nil {
		return nil, err
	}
	begin, err := l.firstBatch()
	if err != nil {
		return nil, l.failing(err)
	}
	future, err := createFolder(m, d, d.file(futureName(l.tp)), l.tp, l.TopicID(), begin, l.Config())
	if err != nil {
		return nil, d.failing(l.tp, err)
	}
	mv := &Move{m: m, source: l, future: future}
	mv.mu.compared = true
	l.takeCut() // nothing was copied yet
	future.cleanPoint.Store(l.cleanPoint.Load())
	m.mu.Lock()
	if other, ok := m.mu.moves[l.tp]; ok || m.mu.closed {
		m.mu.Unlock()
		future.closeFiles()
		if !ok {
			return nil, ErrClosed
		}
		return nil, errors.Join(fmt.Errorf("%v is under way", other), m.fs.RemoveAll(future.folder()))
	}
	m.mu.moves[l.tp] = mv
	delete(m.mu.preferred, l.tp)
	m.mu.Unlock()
	return mv, nil
}

// firstBatch is the offset of the batch that holds the log start.
func (l *Log) firstBatch() (int64, error) {
	list, start := l.list(), l.LogStartOffset()
	i := floorSegment(list, start)
	if i < 0 {
		return start, nil
	}
	h, _, ok, err := list[i].locate(start, list[i].size.Load())
	if err != nil || !ok {
		return start, err
	}
	return min(start, h.BaseOffset), nil
}

// takeCut is the lowest offset to which the log was cut since the last call.
func (l *Log) takeCut() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	cut := l.mu.cut
	l.mu.cut = math.MaxInt64
	return cut
}

// wasCut reports whether takeCut has something to tell.
func (l *Log) wasCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.cut != math.MaxInt64
}

// CancelMove calls off a partition's move, if there is one: the copy goes, the log stays where it is.
func (m *Manager) CancelMove(tp cluster.TopicPartition) error {
	mv, ok := m.Move(tp)
	if !ok {
		return nil
	}
	mv.mu.Lock()
	defer mv.mu.Unlock()
	if mv.mu.ended != nil {
		return nil
	}
	mv.endLocked(errMoveEnded)
	m.log.Infof("the move of %v is called off", mv)
	if err := mv.future.dir.err(); err != nil {
		return err
	}
	err := mv.future.delete(mv.future.Config().FileDeleteDelay)
	// Before another copy is begun elsewhere, this one must be gone for good.
	return errors.Join(err, mv.future.failing(m.fs.SyncDir(mv.future.dir.path)))
}

// AbandonMove stops a move and leaves the copy as it is, for a later start: after a directory has failed.
func (m *Manager) AbandonMove(tp cluster.TopicPartition) {
	mv, ok := m.Move(tp)
	if !ok {
		return
	}
	mv.mu.Lock()
	defer mv.mu.Unlock()
	if mv.mu.ended != nil {
		return
	}
	mv.endLocked(errMoveEnded)
	mv.future.mu.Lock()
	mv.future.mu.gone = errMoveEnded
	mv.future.mu.Unlock()
	mv.future.closeFiles()
}

// endLocked takes the move from the Manager's list and lets the source be cleaned again.
func (mv *Move) endLocked(why error) {
	mv.mu.ended, mv.mu.spare = why, nil
	mv.m.mu.Lock()
	if mv.m.mu.moves[mv.source.tp] == mv {
		delete(mv.m.mu.moves, mv.source.tp)
	}
	mv.m.mu.Unlock()
	mv.renounceLocked()
	mv.source.moving.Store(false)
}

// movingFile lies in the directory of a log that is about to give way to its copy, and says where that is; or that
// the log stays, though an offline directory may hold a copy that has taken its name already.
const (
	movingFile = "moving-to"
	staysHere  = "nowhere"
)

// announceLocked writes the file, durably.
func (mv *Move) announceLocked() error {
	if mv.mu.announced {
		return nil
	}
	mv.mu.announced = true
	l := mv.source
	return l.failing(writeFile(l.m.fs, l.file(movingFile), []byte(mv.Destination()+"\n"), true))
}

// renounceLocked takes the word back: the log goes on.
func (mv *Move) renounceLocked() {
	l := mv.source
	if !mv.mu.announced || l.dir.err() != nil || l.closed() {
		return
	}
	mv.mu.announced = false
	if err := l.staysHere(); err != nil {
		_ = l.failing(err) // that says it, if it is the disk
	}
}

// staysHere takes back that a log moves. While a directory is offline that has to be written down: it may come back
// with the copy.
func (l *Log) staysHere() error {
	if len(l.m.OfflineDirs()) > 0 {
		return writeFile(l.m.fs, l.file(movingFile), []byte(staysHere+"\n"), true)
	}
	err := l.m.fs.Remove(l.file(movingFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, l.m.fs.SyncDir(l.folder()))
}
