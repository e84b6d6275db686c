package logdir

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"ottla/logdir/disk"
	"ottla/zkcoord/cluster"
)

// Options of a Manager. Names in comments are Kafka's broker settings. Periods that are not positive
// mean never.
type Options struct {
	Dirs      []string // log.dirs
	FS        disk.FS  // nil is the real one
	BrokerID  cluster.BrokerID
	ClusterID string
	// Defaults are the settings of topics that Open's topicConfig, or nil, has nothing for.
	Defaults Config
	// RecoveryThreads is how many logs are loaded at once; zero means one for each core.
	RecoveryThreads                 int
	RetentionCheckInterval          time.Duration // log.retention.check.interval.ms
	RecoveryPointCheckpointInterval time.Duration // log.flush.offset.checkpoint.interval.ms
	LogStartCheckpointInterval      time.Duration // log.flush.start.offset.checkpoint.interval.ms
	ProducerIDExpiration            time.Duration // producer.id.expiration.ms; zero is a day
	// MaxOpenFiles is how many files of segments are kept open at once; zero is 4096.
	MaxOpenFiles int
	Log          logrus.FieldLogger
	Metrics      prometheus.Registerer // may be nil
	// OnDirFailure hears, once for each, of directories that have failed. It is called on a goroutine
	// of the Manager, with no lock held.
	OnDirFailure func(dir string, err error)
}

func (o *Options) fill() {
	if o.FS == nil {
		o.FS = disk.OS()
	}
	if o.RecoveryThreads <= 0 {
		o.RecoveryThreads = runtime.NumCPU()
	}
	if o.ProducerIDExpiration <= 0 {
		o.ProducerIDExpiration = 24 * time.Hour
	}
	if o.MaxOpenFiles <= 0 {
		o.MaxOpenFiles = 4096
	}
	if o.Defaults == (Config{}) {
		o.Defaults = DefaultConfig()
	}
}

// Manager holds all logs of all log directories. It owns two goroutines until Close or Abandon.
//
// Lock order: checkpointing, Manager.mu, Log.mu.
type Manager struct {
	o             Options
	fs            disk.FS
	log           logrus.FieldLogger
	metrics       *metrics
	files         *fileCache
	background    *scheduler
	decompressing gate
	dirs          []*logDir
	watermarks    map[cluster.TopicPartition]int64
	topicConfig   func(topic string) Config // may be nil

	mu struct {
		sync.RWMutex
		logs        map[cluster.TopicPartition]*Log
		quarantined map[cluster.TopicPartition]error
		folders     map[cluster.TopicPartition]quarantinedFolder
		defaults    Config
		overrides   map[string]Config
		warned      map[string]bool // topics whose compaction was warned of
		closed      bool
	}
	checkpointing sync.Mutex // one writer of checkpoint files at a time
}

type quarantinedFolder struct {
	dir    *logDir
	folder string
}

// Log finds a partition's log.
func (m *Manager) Log(tp cluster.TopicPartition) (*Log, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	l, ok := m.mu.logs[tp]
	return l, ok
}

// Logs lists all logs, in no order.
func (m *Manager) Logs() []*Log {
	m.mu.RLock()
	defer m.mu.RUnlock()
	out := make([]*Log, 0, len(m.mu.logs))
	for _, l := range m.mu.logs {
		out = append(out, l)
	}
	return out
}

// Quarantined lists the partitions that could not be loaded, with the reason. Their files are untouched.
func (m *Manager) Quarantined() map[cluster.TopicPartition]error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	out := make(map[cluster.TopicPartition]error, len(m.mu.quarantined))
	for tp, err := range m.mu.quarantined {
		out[tp] = err
	}
	return out
}

// LogOrCreate finds a partition's log or makes it, in the live directory with the fewest partitions. id
// may be zero where nobody knows it. Without isNew, while a directory is offline, nothing is made: the
// log may be in there, and an empty one must never lead (ErrOfflineDir). A partition that could not
// be loaded is an ErrStorage; a topic id other than the one on disk is ErrTopicID.
func (m *Manager) LogOrCreate(tp cluster.TopicPartition, id cluster.TopicID, isNew bool) (*Log, error) {
	if l, ok := m.Log(tp); ok {
		return l, l.claim(id)
	}
	if err := m.forget(tp); err != nil {
		return nil, err
	}
	config, own := m.ask(tp.Topic)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.closed {
		return nil, ErrClosed
	}
	if l, ok := m.mu.logs[tp]; ok {
		return l, l.claim(id)
	}
	if own {
		m.mu.overrides[tp.Topic] = config
	}
	if err, ok := m.mu.quarantined[tp]; ok {
		return nil, fmt.Errorf("%v is kept offline: %w: %w", tp, ErrStorage, err)
	}
	live := m.liveDirs()
	if !isNew && len(live) < len(m.dirs) {
		return nil, fmt.Errorf("%v is in no live directory and may be in one that is offline: %w: %w", tp, ErrStorage, ErrOfflineDir)
	}
	if len(live) == 0 {
		return nil, fmt.Errorf("%v: no log directory is left: %w: %w", tp, ErrStorage, ErrOfflineDir)
	}
	d := m.emptiestLocked(live)
	l, err := createLog(m, d, tp, id, m.configLocked(tp.Topic))
	if err != nil {
		return nil, d.failing(tp, fmt.Errorf("create: %w", err))
	}
	m.mu.logs[tp] = l
	m.warnLocked(tp.Topic)
	return l, nil
}

// ask gets a topic's settings of today. What is remembered may be those of an earlier topic of this name.
// It is called with no lock held, since whoever is asked may have to look them up.
func (m *Manager) ask(topic string) (c Config, own bool) {
	if m.topicConfig == nil {
		return c, false
	}
	return m.topicConfig(topic), true
}

// claim checks the topic id, or takes it on if none was known.
func (l *Log) claim(id cluster.TopicID) error {
	known := l.TopicID()
	if id.IsZero() || known == id {
		return nil
	}
	if known.IsZero() {
		return l.failing(l.setTopicID(id))
	}
	return fmt.Errorf("%v: topic id %v on disk, %v asked for: %w", l.tp, known, id, ErrTopicID)
}

func (m *Manager) liveDirs() []*logDir {
	var out []*logDir
	for _, d := range m.dirs {
		if d.err() == nil {
			out = append(out, d)
		}
	}
	return out
}

func (m *Manager) emptiestLocked(live []*logDir) *logDir {
	if len(live) == 1 {
		return live[0]
	}
	count := map[*logDir]int{}
	for _, l := range m.mu.logs {
		count[l.dir]++
	}
	return slices.MinFunc(live, func(a, b *logDir) int { return count[a] - count[b] })
}

// LiveDirs lists the directories that work.
func (m *Manager) LiveDirs() []string {
	var out []string
	for _, d := range m.liveDirs() {
		out = append(out, d.path)
	}
	return out
}

// OfflineDirs lists the directories that have failed.
func (m *Manager) OfflineDirs() []string {
	var out []string
	for _, d := range m.dirs {
		if d.err() != nil {
			out = append(out, d.path)
		}
	}
	return out
}

// FailDir takes a directory offline, as after an error of its disk: for a full disk whose partitions
// others can lead.
func (m *Manager) FailDir(dir string, err error) {
	for _, d := range m.dirs {
		if d.path == dir {
			_ = d.fail(cluster.TopicPartition{}, err) // the caller gave us the error
		}
	}
}

// Space tells how large the file system of a directory is and how much is free, in bytes.
func (m *Manager) Space(dir string) (total, free int64, err error) { return m.fs.Space(dir) }

// Reconfigure puts a topic's settings in force.
func (m *Manager) Reconfigure(topic string, c Config) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.overrides[topic] = c
	if !c.Compact {
		delete(m.mu.warned, topic)
	}
	for tp, l := range m.mu.logs {
		if tp.Topic == topic {
			l.cfg.Store(&c)
			m.warnLocked(topic)
		}
	}
}

// SetDefaults puts in force the settings of topics that were never reconfigured, nor known to Open's
// topicConfig.
func (m *Manager) SetDefaults(c Config) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.defaults = c
	for tp, l := range m.mu.logs {
		if _, own := m.mu.overrides[tp.Topic]; !own {
			l.cfg.Store(&c)
		}
	}
}

func (m *Manager) configLocked(topic string) Config {
	if c, ok := m.mu.overrides[topic]; ok {
		return c
	}
	return m.mu.defaults
}

// warnLocked says once for each topic that its logs are kept, but not compacted.
func (m *Manager) warnLocked(topic string) {
	c := m.configLocked(topic)
	if !c.Compact || m.mu.warned[topic] {
		return
	}
	m.mu.warned[topic] = true
	m.log.Warnf("topic %s has cleanup.policy=compact: its records are kept, none are compacted away", topic)
}

// HighWatermarks is what replication-offset-checkpoint said when the Manager was opened. The logs that
// were loaded have theirs already, as far as they reach.
func (m *Manager) HighWatermarks() map[cluster.TopicPartition]int64 {
	out := make(map[cluster.TopicPartition]int64, len(m.watermarks))
	for tp, hw := range m.watermarks {
		out[tp] = hw
	}
	return out
}

// Delete takes a log out of service at once, by renaming its directory, and removes its files after
// file.delete.delay.ms. ErrUnknownLog if there is none.
func (m *Manager) Delete(tp cluster.TopicPartition) error {
	m.mu.Lock()
	l, ok := m.mu.logs[tp]
	delete(m.mu.logs, tp)
	m.mu.Unlock()
	if !ok {
		return fmt.Errorf("delete %v: %w", tp, ErrUnknownLog)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.gone == nil {
		l.mu.gone = fmt.Errorf("%v was deleted: %w", tp, ErrClosed)
	}
	folder := l.dir.file(deletedName(tp))
	if err := m.fs.Rename(l.folder(), folder); err != nil {
		return l.failing(err)
	}
	l.path.Store(&folder)
	for _, s := range l.list() {
		s.moved(folder)
		s.close()
	}
	m.removeFolderLater(l.dir, folder, l.cfg.Load().FileDeleteDelay)
	return m.fs.SyncDir(l.dir.path)
}

// maxFileName is the longest name that file systems take.
const maxFileName = 255

// deletedName is the name of a partition's directory on its way out.
func deletedName(tp cluster.TopicPartition) string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // it never fails
	suffix := fmt.Sprintf("-%d.%s-delete", tp.Partition, hex.EncodeToString(id[:]))
	topic := tp.Topic[:min(len(tp.Topic), maxFileName-len(suffix))]
	return topic + suffix
}

func (m *Manager) removeFolderLater(d *logDir, folder string, delay time.Duration) {
	m.background.after(delay, func() {
		if err := m.fs.RemoveAll(folder); err != nil {
			m.log.WithError(err).Warnf("could not remove %s", folder)
		}
	})
}

func (m *Manager) removeLater(delay time.Duration, names ...string) {
	m.background.after(delay, func() {
		for _, name := range names {
			if err := m.fs.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				m.log.WithError(err).Warnf("could not remove %s", name)
			}
		}
	})
}

// later runs a job in the background.
func (m *Manager) later(job func()) { m.background.do(job) }

// isDeleted reports whether a folder's name says that it is on its way out.
func isDeleted(name string) bool {
	return strings.HasSuffix(name, "-delete") && strings.Contains(name, ".")
}

// isFuture reports whether a folder is a copy that another directory's replica is being moved into.
func isFuture(name string) bool {
	return (strings.HasSuffix(name, "-future") || strings.HasSuffix(name, "-stray")) && strings.Contains(name, ".")
}

// Close makes everything durable and leaves the directories as a clean shutdown does: the next start
// checks nothing. A second Close does nothing.
func (m *Manager) Close() error {
	if !m.shut() {
		return nil
	}
	err := m.closeLogs()
	for _, d := range m.liveDirs() {
		failed := m.closeDir(d, err == nil)
		err = errors.Join(err, failed)
	}
	m.files.close()
	m.unlock()
	return err
}

// shut ends the background work and reports whether it was this call that did.
func (m *Manager) shut() bool {
	m.mu.Lock()
	closed := m.mu.closed
	m.mu.closed = true
	m.mu.Unlock()
	if !closed {
		m.background.close()
	}
	return !closed
}

func (m *Manager) closeLogs() error {
	var mu sync.Mutex
	var failed error
	each(m.o.RecoveryThreads, m.Logs(), func(l *Log) {
		if l.dir.err() != nil {
			return
		}
		if err := l.close(); err != nil {
			mu.Lock()
			failed = errors.Join(failed, err)
			mu.Unlock()
		}
	})
	return failed
}

// closeDir writes the checkpoints and, last of all, the marker of a clean shutdown.
func (m *Manager) closeDir(d *logDir, clean bool) error {
	if err := m.checkpointDir(d); err != nil {
		return err
	}
	if !clean || d.err() != nil {
		return nil
	}
	return writeFile(m.fs, d.file(cleanShutdownFile), []byte(cleanShutdownContent), true)
}

func (m *Manager) unlock() {
	for _, d := range m.dirs {
		if d.lock == nil {
			continue
		}
		if d.err() == nil {
			_ = m.fs.Remove(d.file(lockFile)) // it says nothing by being there
		}
		_ = d.lock.Close() // the lock goes with the descriptor
		d.lock = nil
	}
}

// Abandon ends the Manager as kill -9 would: descriptors and locks go, nothing is written.
func (m *Manager) Abandon() {
	if !m.shut() {
		return
	}
	for _, l := range m.Logs() {
		l.mu.Lock()
		l.mu.gone = fmt.Errorf("%v was abandoned: %w", l.tp, ErrClosed)
		l.mu.Unlock()
	}
	m.files.close()
	for _, d := range m.dirs {
		if d.lock != nil {
			_ = d.lock.Close() // the lock goes with the descriptor
			d.lock = nil
		}
	}
}

// close makes the log durable and gives its files the form of a closed log.
func (l *Log) close() error {
	if err := l.Flush(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.gone != nil {
		return nil
	}
	l.mu.gone = fmt.Errorf("%v: %w", l.tp, ErrClosed)
	if err := l.active().seal(l.cfg.Load().Preallocate); err != nil {
		return l.failing(err)
	}
	if l.mu.written.offset > 0 {
		if err := l.writeSnapshotLocked(l.mu.written.offset); err != nil {
			return l.failing(err)
		}
	}
	return nil
}

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
	m := &Manager{o: o, fs: o.FS, log: o.Log, metrics: newMetrics(o.Metrics), files: newFileCache(o.FS, o.MaxOpenFiles),
		decompressing: make(gate, runtime.GOMAXPROCS(0)), watermarks: map[cluster.TopicPartition]int64{}}
	m.mu.logs = map[cluster.TopicPartition]*Log{}
	m.mu.quarantined = map[cluster.TopicPartition]error{}
	m.mu.folders = map[cluster.TopicPartition]quarantinedFolder{}
	m.mu.overrides = map[string]Config{}
	m.mu.warned = map[string]bool{}
	m.mu.defaults = o.Defaults
	m.background = startScheduler()
	m.topicConfig = topicConfig
	if err := m.open(ctx); err != nil {
		m.Abandon()
		return nil, err
	}
	m.background.each(o.RetentionCheckInterval, m.applyRetention)
	m.background.each(o.RecoveryPointCheckpointInterval, m.checkpointRecoveryPoints)
	m.background.each(o.LogStartCheckpointInterval, m.checkpointLogStarts)
	m.background.each(producerExpiryCheck, m.expireProducers)
	m.background.each(flushCheck, m.flushOld)
	return m, nil
}

const (
	producerExpiryCheck = 10 * time.Minute
	flushCheck          = time.Second
)

func (m *Manager) open(ctx context.Context) error {
	var failed error
	for _, path := range m.o.Dirs {
		d := &logDir{path: filepath.Clean(path), m: m}
		m.dirs = append(m.dirs, d)
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
}

func (m *Manager) loadAll(ctx context.Context) error {
	var all []folderToLoad
	for _, d := range m.liveDirs() {
		found, err := d.folders()
		if err != nil {
			if d.fail(cluster.TopicPartition{}, err); len(m.liveDirs()) == 0 {
				return d.err()
			}
			continue
		}
		if len(found) > 0 {
			m.announce(d, len(found))
		}
		all = append(all, found...)
	}
	for _, f := range all {
		if _, ok := m.mu.overrides[f.tp.Topic]; ok {
			continue
		}
		if c, own := m.ask(f.tp.Topic); own {
			m.mu.overrides[f.tp.Topic] = c
		}
	}
	p := newProgress(m.log, len(all))
	each(m.o.RecoveryThreads, all, func(f folderToLoad) {
		if ctx.Err() == nil {
			m.loadOne(f)
			p.step()
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
	if other, twice := m.mu.logs[f.tp]; err == nil && twice {
		l.closeFiles()
		err = fmt.Errorf("%s and %s hold the same partition: %w", other.folder(), f.folder, ErrStorage)
	}
	if err == nil {
		m.mu.logs[f.tp] = l
		m.warnLocked(f.tp.Topic)
		return
	}
	if f.dir.err() != nil {
		return
	}
	m.log.WithError(err).Errorf("%v is kept offline", f.tp)
	m.mu.quarantined[f.tp] = err
	m.mu.folders[f.tp] = quarantinedFolder{f.dir, f.folder}
	m.metrics.quarantined.Inc()
}

// Reload tries again to load a partition that is quarantined, after its files were mended.
func (m *Manager) Reload(tp cluster.TopicPartition) error {
	m.mu.Lock()
	q, ok := m.mu.folders[tp]
	delete(m.mu.folders, tp)
	delete(m.mu.quarantined, tp)
	m.mu.Unlock()
	if !ok {
		return fmt.Errorf("reload %v: %w", tp, ErrUnknownLog)
	}
	m.metrics.quarantined.Dec()
	m.loadOne(folderToLoad{q.dir, q.folder, tp})
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.mu.quarantined[tp]
}

// folders finds the logs of a directory. Those on their way out are sent on it again.
func (d *logDir) folders() ([]folderToLoad, error) {
	entries, err := d.m.fs.ReadDir(d.path)
	if err != nil {
		return nil, err
	}
	var out []folderToLoad
	for _, e := range entries {
		name := e.Name()
		if !e.IsDir() {
			if strings.HasSuffix(name, suffixTmp) {
				if err := d.m.fs.Remove(d.file(name)); err != nil {
					return nil, err
				}
			}
			continue
		}
		if isDeleted(name) {
			d.m.removeFolderLater(d, d.file(name), d.m.o.Defaults.FileDeleteDelay)
			continue
		}
		tp, err := cluster.ParseTopicPartition(name)
		if err != nil || isFuture(name) {
			d.m.log.Warnf("%s is no log of this broker; it is left alone", d.file(name))
			continue
		}
		out = append(out, folderToLoad{d, d.file(name), tp})
	}
	return out, nil
}

// progress reports how far a long start has come, every ten seconds.
type progress struct {
	mu    sync.Mutex
	log   logrus.FieldLogger
	total int
	done  int
	since time.Time
	last  time.Time
}

func newProgress(log logrus.FieldLogger, total int) *progress {
	now := time.Now()
	return &progress{log: log, total: total, since: now, last: now}
}

func (p *progress) step() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	if now := time.Now(); now.Sub(p.last) >= 10*time.Second {
		p.last = now
		p.log.Infof("%d of %d logs loaded in %v", p.done, p.total, now.Sub(p.since).Round(time.Second))
	}
}
