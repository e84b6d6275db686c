package replica

import (
	"errors"
	"time"

	"ottla/logdir"
	"ottla/zkcoord/cluster"
)

// AlterLogDir has a partition's log moved to another of this broker's log directories, named by its absolute path,
// while it serves (KIP-113) [ReplicaManager.alterReplicaLogDirs]. It returns when the move has begun. One under way to
// elsewhere is called off; a wish for the directory in which the log is does only that.
//
// Of a partition that is not here yet the directory is remembered for the time when it comes: ErrReplicaNotAvailable,
// or ErrUnknownPartition where the cluster has no such partition.
func (m *Manager) AlterLogDir(tp cluster.TopicPartition, dir string) error {
	// Partitions neither come nor go meanwhile.
	m.controller.Lock()
	defer m.controller.Unlock()
	if !logdir.Movable(tp) {
		return ErrInvalidTopic
	}
	if err := m.logs.CheckDir(dir); err != nil {
		return err
	}
	p, hosted := m.hosted(tp)
	if hosted && p.mu.reign.Load().offline() {
		return ErrStorage
	}
	mv, moves := m.logs.Move(tp)
	if moves && !mv.GoesTo(dir) {
		if err := m.logs.CancelMove(tp); err != nil {
			return err
		}
		moves = false
	}
	if !hosted {
		return m.preferDir(tp, dir)
	}
	if _, ok := p.Log(); !ok {
		return m.preferDir(tp, dir)
	}
	if moves || m.ctx.Err() != nil {
		return nil
	}
	mv, err := m.logs.StartMove(tp, dir)
	if err == nil && mv != nil {
		m.startMover(mv)
	}
	return err
}

func (m *Manager) preferDir(tp cluster.TopicPartition, dir string) error {
	if err := m.logs.Prefer(tp, dir); err != nil {
		return err
	}
	if _, known := m.cache.Snapshot().Partition(tp); !known {
		return ErrUnknownPartition
	}
	return ErrReplicaNotAvailable
}

// abandonMoves stops the moves from and to a directory that has failed. The log goes on, or goes offline, where it is.
func (m *Manager) abandonMoves(dir string) {
	for _, mv := range m.logs.Moves() {
		if mv.GoesTo(dir) || mv.Source().Dir() == dir {
			m.log.Warnf("the move of %v stops: %s has failed", mv, dir)
			m.metrics.moves.stopped(mv.TopicPartition())
			m.logs.AbandonMove(mv.TopicPartition())
		}
	}
}

// startMover carries a move out on a goroutine that ends with it, or with Close.
func (m *Manager) startMover(mv *logdir.Move) {
	m.metrics.moves.began(mv.TopicPartition())
	m.wg.Go(func() { m.carry(mv) })
}

// fullDiskPause is how long a move waits that a disk takes no more of.
const fullDiskPause = 5 * time.Second

func (m *Manager) carry(mv *logdir.Move) {
	m.log.Infof("moving %v", mv)
	began, complained := time.Now(), false
	for m.ctx.Err() == nil {
		done, err := m.carryOn(mv)
		switch {
		case done:
			m.log.Infof("moved %v: %d bytes in %v", mv, mv.Size(), time.Since(began).Round(time.Millisecond))
			return
		case errors.Is(err, logdir.ErrClosed):
			return // called off, or the broker closes
		case errors.Is(err, logdir.ErrStorage) && !errors.Is(err, logdir.ErrOfflineDir):
			if !complained {
				m.log.Warnf("moving %v waits for its disk: %v", mv, err)
			}
			complained = true
			m.pause(fullDiskPause)
		case err != nil:
			m.log.Errorf("moving %v stops: %v", mv, err)
			m.metrics.moves.stopped(mv.TopicPartition())
			m.logs.AbandonMove(mv.TopicPartition())
			return
		}
	}
}

func (m *Manager) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-m.ctx.Done():
	case <-timer.C:
	}
}

// carryOn copies one slice, and once the copy has nearly all, tries to put it in the place of the log.
func (m *Manager) carryOn(mv *logdir.Move) (done bool, err error) {
	near, err := m.copySlice(mv)
	if err != nil {
		return false, err
	}
	mv.Rest(m.ctx.Done())
	if !near || m.ctx.Err() != nil {
		return false, nil
	}
	if err := mv.Prepare(); err != nil {
		return false, err
	}
	if done, err = m.swapLog(mv); done {
		mv.Settle()
		m.checkAll(mv.TopicPartition())
	}
	return done, err
}

// copySlice waits for its turn.
func (m *Manager) copySlice(mv *logdir.Move) (near bool, err error) {
	select {
	case m.copying <- struct{}{}:
		defer func() { <-m.copying }()
		m.metrics.moves.slices.happened(time.Now())
		return mv.Copy()
	case <-m.ctx.Done():
		return false, nil
	}
}

// swapLog puts the copy in the place of the log. Producers, and followers that have grown it, wait meanwhile; nobody
// gets an error. No LeaderAndIsr is under way either: it may have looked up the old log and not begun its reign yet
// (TestMovesUnderLoad).
func (m *Manager) swapLog(mv *logdir.Move) (done bool, err error) {
	m.controller.Lock()
	defer m.controller.Unlock()
	p, hosted := m.hosted(mv.TopicPartition())
	if !hosted {
		l, err := mv.Swap()
		return l != nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l, err := mv.Swap()
	if l == nil {
		return false, err
	}
	if r := p.mu.reign.Load(); r.log == mv.Source() {
		next := r.clone()
		next.log = l
		p.mu.reign.Store(next)
	}
	return true, nil
}
