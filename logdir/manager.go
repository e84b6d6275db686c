package logdir

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/sirupsen/logrus"

	"ottla/logdir/disk"
	"ottla/zkcoord/cluster"
)

// Manager holds all logs of all log directories. It owns two goroutines until Close or Abandon, and once a
// log is to be compacted the cleaners.
//
// Lock order: Move.mu, Log.cleaning, checkpointing, Manager.mu, Log.mu.
type Manager struct {
	o             Options
	fs            disk.FS
	log           logrus.FieldLogger
	metrics       *metrics
	files         *fileCache
	background    *scheduler
	cleaners      *cleaners
	checked       atomic.Int64   // bytes of records that starts have read through
	retired       atomic.Int64   // counts the groups of segments that cleanings have replaced
	notices       sync.WaitGroup // calls of OnDirFailure
	decompressing gate
	expiration    atomic.Int64                  // of producers, a time.Duration
	moving        throttle                      // of the moves between directories
	rateChanged   atomic.Pointer[chan struct{}] // closed when that is set anew
	dirs          []*logDir
	watermarks    map[cluster.TopicPartition]int64
	topicConfig   func(topic string) Config // may be nil

	mu struct {
		sync.RWMutex
		logs        map[cluster.TopicPartition]*Log
		quarantined map[cluster.TopicPartition]error
		folders     map[cluster.TopicPartition][]quarantinedFolder
		moves       map[cluster.TopicPartition]*Move
		preferred   map[cluster.TopicPartition]*logDir // where to make logs that are not there yet
		defaults    Config
		overrides   map[string]Config
		closed      bool
	}
	checkpointing sync.Mutex // one writer of checkpoint files at a time
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

// LogOrCreate finds a partition's log or makes it, in the live directory with the fewest partitions, or
// the one that Prefer has named. id
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
	if err, ok := m.mu.quarantined[tp]; ok && errors.Is(err, ErrDiskFull) {
		return nil, fmt.Errorf("kept offline until there is space: %w: %w", ErrStorage, ErrDiskFull)
	} else if ok {
		return nil, fmt.Errorf("%v is kept offline: %w: %w", tp, ErrStorage, err)
	}
	live := m.liveDirs()
	if !isNew && len(live) < len(m.dirs) {
		return nil, fmt.Errorf("%v is in no live directory and may be in one that is offline: %w: %w", tp, ErrStorage, ErrOfflineDir)
	}
	if len(live) == 0 {
		return nil, fmt.Errorf("%v: no log directory is left: %w: %w", tp, ErrStorage, ErrOfflineDir)
	}
	d := m.placeLocked(tp, live)
	l, err := createLog(m, d, tp, id, m.configLocked(tp.Topic))
	if err != nil {
		return nil, d.failing(tp, fmt.Errorf("create: %w", err))
	}
	m.mu.logs[tp] = l
	delete(m.mu.preferred, tp)
	m.compactLocked(l)
	return l, nil
}

// claim checks the topic id, or takes it on if none was known. A log in a directory that is offline is nobody's.
func (l *Log) claim(id cluster.TopicID) error {
	if err := l.dir.err(); err != nil {
		return err
	}
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

// HighWatermarks is what replication-offset-checkpoint said when the Manager was opened. The logs that
// were loaded have theirs already, as far as they reach.
func (m *Manager) HighWatermarks() map[cluster.TopicPartition]int64 {
	out := make(map[cluster.TopicPartition]int64, len(m.watermarks))
	for tp, hw := range m.watermarks {
		out[tp] = hw
	}
	return out
}

// later runs a job in the background.
func (m *Manager) later(job func()) { m.background.do(job) }
