package logdir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"ottla/logdir/disk"
	"ottla/zkcoord/cluster"
)

// each runs f for all items on a number of goroutines and returns when all are done.
func each[T any](workers int, items []T, f func(T)) {
	next := make(chan T)
	var wg sync.WaitGroup
	for range min(workers, len(items)) {
		wg.Go(func() {
			for item := range next {
				f(item)
			}
		})
	}
	for _, item := range items {
		next <- item
	}
	close(next)
	wg.Wait()
}

// Open locks the directories, checks whose they are, and loads every log, recovering those that were
// not closed properly, on all cores. topicConfig, which may be nil, gives a topic's settings, now and
// whenever a log is made. A directory
// that fails is taken offline if another one is left. Canceling ctx ends the loading with its error.
func Open(ctx context.Context, o Options, topicConfig func(topic string) Config) (*Manager, error) {
	o.fill()
	m := &Manager{o: o, fs: o.FS, log: o.Log, metrics: newMetrics(o.Metrics), files: newFileCache(o.FS, o.MaxOpenFiles, o.Log),
		decompressing: make(gate, runtime.GOMAXPROCS(0)), watermarks: map[cluster.TopicPartition]int64{}}
	m.mu.logs = map[cluster.TopicPartition]*Log{}
	m.mu.quarantined = map[cluster.TopicPartition]error{}
	m.mu.folders = map[cluster.TopicPartition][]quarantinedFolder{}
	m.mu.moves = map[cluster.TopicPartition]*Move{}
	m.mu.preferred = map[cluster.TopicPartition]*logDir{}
	m.mu.overrides = map[string]Config{}
	m.mu.defaults = o.Defaults
	m.SetProducerIDExpiration(o.ProducerIDExpiration)
	changed := make(chan struct{})
	m.rateChanged.Store(&changed)
	m.background = startScheduler()
	m.cleaners = newCleaners(m, o.Cleaner)
	m.topicConfig = topicConfig
	if err := m.open(ctx); err != nil {
		m.Abandon()
		return nil, err
	}
	m.background.each(o.InitialTaskDelay, o.RetentionCheckInterval, m.applyRetention)
	m.background.each(o.InitialTaskDelay, o.RecoveryPointCheckpointInterval, m.checkpointRecoveryPoints)
	m.background.each(o.InitialTaskDelay, o.LogStartCheckpointInterval, m.checkpointLogStarts)
	m.background.each(0, o.ProducerExpiryCheckInterval, m.expireProducers)
	m.background.each(0, flushCheck, m.flushOld)
	m.watchSpace() // no record comes before it is known
	m.background.each(0, spaceCheck, m.watchSpace)
	return m, nil
}

const flushCheck = time.Second

func (m *Manager) open(ctx context.Context) error {
	var failed error
	for _, path := range m.o.Dirs {
		d := &logDir{path: filepath.Clean(path), m: m}
		d.space.reserve = m.o.MinFreeBytes
		m.dirs = append(m.dirs, d)
		m.metrics.offline.WithLabelValues(d.path).Set(0)
		if err := d.open(); err != nil {
			if errors.Is(err, disk.ErrLocked) || errors.Is(err, ErrMeta) {
				return err
			}
			failed = errors.Join(failed, d.fail(cluster.TopicPartition{}, err))
		}
	}
	if len(m.liveDirs()) == 0 {
		return errors.Join(fmt.Errorf("no log directory is usable: %w", ErrStorage), failed)
	}
	return m.loadAll(ctx)
}

// open locks a directory and reads what it says of itself. The marker of a clean shutdown goes at once:
// should this start not end, the next one has to check.
func (d *logDir) open() (err error) {
	fsys := d.m.fs
	if _, err := fsys.Stat(d.path); errors.Is(err, fs.ErrNotExist) {
		if err := errors.Join(fsys.MkdirAll(d.path), fsys.SyncDir(filepath.Dir(d.path))); err != nil {
			return err
		}
	}
	if d.lock, err = fsys.Lock(d.file(lockFile)); err != nil {
		return err
	}
	if err := claimMeta(fsys, d.path, d.m.o.BrokerID, d.m.o.ClusterID); err != nil {
		return err
	}
	err = fsys.Remove(d.file(cleanShutdownFile))
	d.clean = err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if d.clean {
		if err := fsys.SyncDir(d.path); err != nil {
			return err
		}
	}
	return d.readCheckpoints()
}

// folderToLoad is one log that a directory holds.
type folderToLoad struct {
	dir    *logDir
	folder string
	tp     cluster.TopicPartition
	// moving: another directory has a copy that the log is to move into.
	moving bool
	again  bool // it is quarantined, see Reload
}

func (m *Manager) loadAll(ctx context.Context) error {
	var all, futures []folderToLoad
	for _, d := range m.liveDirs() {
		found, copies, err := d.folders()
		if err != nil {
			if d.fail(cluster.TopicPartition{}, err); len(m.liveDirs()) == 0 {
				return d.err()
			}
			continue
		}
		if len(found) > 0 {
			m.announce(d, len(found))
		}
		all, futures = append(all, found...), append(futures, copies...)
	}
	all = m.settleTwins(all)
	futures = m.movesToResume(all, futures)
	for _, f := range all {
		if _, ok := m.mu.overrides[f.tp.Topic]; ok {
			continue
		}
		if c, own := m.ask(f.tp.Topic); own {
			m.mu.overrides[f.tp.Topic] = c
		}
	}
	p := startProgress(m.log, len(all), &m.checked)
	defer p.stop()
	each(m.o.RecoveryThreads, all, func(f folderToLoad) {
		if ctx.Err() == nil {
			m.loadOne(f)
			p.step()
		}
	})
	for _, d := range m.liveDirs() {
		d.reportWaiting()
	}
	each(m.o.RecoveryThreads, futures, func(f folderToLoad) {
		if ctx.Err() == nil {
			m.resumeMove(f)
		}
	})
	return ctx.Err()
}

func (m *Manager) announce(d *logDir, n int) {
	if d.clean {
		m.log.Infof("loading %d logs of %s, which was closed cleanly", n, d.path)
		return
	}
	m.log.Infof("recovering %d logs of %s, since it was not closed cleanly", n, d.path)
}

// loadOne loads one log. What is wrong with it stays with it: the others load all the same.
func (m *Manager) loadOne(f folderToLoad) {
	m.mu.RLock()
	cfg := m.configLocked(f.tp.Topic)
	m.mu.RUnlock()
	l, err := loadLog(m, f.dir, f.folder, f.tp, cfg)
	if err != nil && isDiskError(err) && !errors.Is(err, fs.ErrNotExist) {
		err = f.dir.failing(f.tp, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, still := m.mu.quarantined[f.tp]; f.again && (!still || m.mu.closed) {
		if l != nil {
			l.closeFiles() // it was deleted meanwhile
		}
		return
	}
	if err == nil {
		m.releaseLocked(f.tp)
		m.mu.logs[f.tp] = l
		l.moving.Store(f.moving)
		m.compactLocked(l)
		return
	}
	if f.dir.err() != nil {
		return
	}
	m.quarantineLocked(f.tp, err, quarantinedFolder{f.dir, f.folder})
}

// folders finds the logs of a directory, and the copies that others are moved into. Those on their way out are
// sent on it again.
func (d *logDir) folders() (logs, futures []folderToLoad, err error) {
	entries, err := d.m.fs.ReadDir(d.path)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		name := e.Name()
		if !e.IsDir() {
			if strings.HasSuffix(name, suffixTmp) {
				if err := d.m.fs.Remove(d.file(name)); err != nil {
					return nil, nil, err
				}
			}
			continue
		}
		if isDeleted(name) {
			d.m.removeFolderLater(d, d.file(name), d.m.o.Defaults.FileDeleteDelay)
			continue
		}
		if tp, ok := parseFuture(name); ok {
			futures = append(futures, folderToLoad{dir: d, folder: d.file(name), tp: tp})
			continue
		}
		tp, err := cluster.ParseTopicPartition(name)
		if err != nil {
			d.m.log.Warnf("%s is no log of this broker; it is left alone", d.file(name))
			continue
		}
		logs = append(logs, folderToLoad{dir: d, folder: d.file(name), tp: tp})
	}
	return logs, futures, nil
}
