package logdir

import (
	"errors"
	"math"
	"sync"
	"time"

	"ottla/logdir/batch"
)

// CleanerOptions say how logs are compacted. Names in comments are Kafka's broker settings.
type CleanerOptions struct {
	// Threads is how many logs are cleaned at a time (log.cleaner.threads); zero is none, ever, which is
	// also what log.cleaner.enable=false means.
	Threads int
	// DedupeBufferSize is the memory for the keys of all threads together, in bytes
	// (log.cleaner.dedupe.buffer.size). Less is taken where there are fewer keys.
	DedupeBufferSize int64
	// LoadFactor is how full that memory may get (log.cleaner.io.buffer.load.factor).
	LoadFactor float64
	// BufferSize is that of the buffers for reading and writing of all threads, in bytes
	// (log.cleaner.io.buffer.size).
	BufferSize int
	// BytesPerSecond bounds reading and writing together (log.cleaner.io.max.bytes.per.second).
	BytesPerSecond float64
	// Backoff is how long a thread rests when nothing wants to be cleaned (log.cleaner.backoff.ms).
	Backoff time.Duration
}

// DefaultCleanerOptions are Kafka's.
func DefaultCleanerOptions() CleanerOptions {
	return CleanerOptions{Threads: 1, DedupeBufferSize: 128 << 20, LoadFactor: 0.9, BufferSize: 512 << 10,
		BytesPerSecond: math.MaxFloat64, Backoff: 15 * time.Second}
}

// fill replaces what makes no sense.
func (o *CleanerOptions) fill() {
	d := DefaultCleanerOptions()
	if o.DedupeBufferSize <= 0 {
		o.DedupeBufferSize = d.DedupeBufferSize
	}
	if !(o.LoadFactor > 0 && o.LoadFactor <= 1) {
		o.LoadFactor = d.LoadFactor
	}
	if o.BufferSize <= 0 {
		o.BufferSize = d.BufferSize
	}
	if o.Backoff <= 0 {
		o.Backoff = d.Backoff
	}
}

// cleaners are the goroutines that compact. They begin when the first log with cleanup.policy=compact is
// seen.
type cleaners struct {
	m        *Manager
	throttle throttle

	mu struct {
		sync.Mutex
		o      CleanerOptions
		needed bool // there are logs to compact
		closed bool
		stop   chan struct{} // of those that run; nil while none do
	}
	wg sync.WaitGroup
}

func newCleaners(m *Manager, o CleanerOptions) *cleaners {
	o.fill()
	c := &cleaners{m: m}
	c.mu.o = o
	c.throttle.set(o.BytesPerSecond)
	return c
}

// need has the goroutines begin, unless they have.
func (c *cleaners) need() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.needed = true
	c.startLocked()
}

func (c *cleaners) startLocked() {
	if !c.mu.needed || c.mu.closed || c.mu.stop != nil || c.mu.o.Threads <= 0 {
		return
	}
	c.mu.stop = make(chan struct{})
	for range c.mu.o.Threads {
		s := c.sweeper(c.mu.o, c.mu.stop)
		c.wg.Go(s.run)
	}
}

// stopLocked ends the goroutines and waits for them, without the lock.
func (c *cleaners) stopLocked() {
	if c.mu.stop == nil {
		return
	}
	close(c.mu.stop)
	c.mu.stop = nil
	c.mu.Unlock()
	c.wg.Wait()
	c.mu.Lock()
}

func (c *cleaners) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.closed = true
	c.stopLocked()
}

// SetCleaner puts other options in force. A cleaning under way is given up and begun anew.
func (m *Manager) SetCleaner(o CleanerOptions) {
	o.fill()
	c := m.cleaners
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.o == o {
		return
	}
	c.stopLocked()
	c.mu.o = o
	c.throttle.set(o.BytesPerSecond)
	c.startLocked()
}

// sweeper is one goroutine that cleans, with its memory.
type sweeper struct {
	c          *cleaners
	o          CleanerOptions
	stop       <-chan struct{}
	keys       *offsetMap
	filter     *batch.Filter
	readBuffer []byte
	pending    []byte
}

func (c *cleaners) sweeper(o CleanerOptions, stop <-chan struct{}) *sweeper {
	s := &sweeper{c: c, o: o, stop: stop}
	s.forget()
	return s
}

// forget frees the memory that a cleaning takes: a broker at rest should not hold it.
func (s *sweeper) forget() {
	s.keys, s.filter, s.readBuffer, s.pending = newOffsetMap(), new(batch.Filter), nil, nil
}

// minBuffer: below that, each read costs more than what it brings.
const minBuffer = 64 << 10

func (s *sweeper) bufferSize() int { return max(s.o.BufferSize/2/max(s.o.Threads, 1), minBuffer) }

func (s *sweeper) spend(n int, giveUp <-chan struct{}) { s.c.throttle.spend(n, s.stop, giveUp) }

func (s *sweeper) stopped() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

func (s *sweeper) run() {
	for !s.stopped() {
		if c, ok := s.c.grab(nowMillis()); ok {
			s.clean(c, nowMillis())
			c.log.cleaning.unlock()
			continue
		}
		s.forget()
		timer := time.NewTimer(s.o.Backoff)
		select {
		case <-s.stop:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// grab takes the log that wants a cleaning most, with l.cleaning locked.
func (c *cleaners) grab(now int64) (best cleanable, ok bool) {
	c.m.metrics.cleanerRan(now)
	most, overdue := 0.0, int64(0)
	for _, l := range c.m.Logs() {
		if !l.cfg.Load().Compact || l.uncleanable.Load() != nil || now < l.cleanAfter.Load() || l.dir.err() != nil {
			continue
		}
		found, err := l.cleanable(now)
		if err != nil {
			c.m.cleaningFailed(l, err)
			continue
		}
		most, overdue = max(most, found.ratio()), max(overdue, found.overdue)
		if !found.due() || ok && found.ratio() <= best.ratio() || !l.cleaning.tryLock() {
			continue
		}
		if ok {
			best.log.cleaning.unlock()
		}
		best, ok = found, true
	}
	c.m.metrics.dirtiest(most, overdue)
	c.m.countUncleanable()
	if !ok {
		return best, false
	}
	// What was found was found without the lock.
	best, err := best.log.cleanable(now)
	if err != nil || !best.due() {
		best.log.cleaning.unlock()
		return best, false
	}
	return best, true
}

// clean cleans a log, whose cleaning lock it needs, at a time in ms. What goes wrong stays with that log.
func (s *sweeper) clean(c cleanable, now int64) {
	m, l := s.c.m, c.log
	began := time.Now()
	k := &cleaning{cleanable: c, by: s, cfg: l.cfg.Load(), now: now, pending: s.pending[:0]}
	k.keepRecord = k.keep
	end, err := k.run()
	s.pending = k.pending[:0]
	if err != nil {
		m.cleaningFailed(l, err)
		return
	}
	l.cleanPoint.Store(end)
	m.logError(m.checkpointDir(l.dir, cleanerFile))
	took := time.Since(began)
	k.report(end, took)
	m.metrics.cleaned(k, took)
}

// failedCleaningPause is how long a log rests that could not be cleaned for want of space.
const failedCleaningPause = time.Minute

// cleaningFailed judges why a cleaning ended early. A disk that fails takes its directory along, a full one
// makes the log wait, and anything else makes it uncleanable: one line, and the cleaners go on elsewhere.
func (m *Manager) cleaningFailed(l *Log, err error) {
	switch {
	case errors.Is(err, errCleaningAborted) || errors.Is(err, ErrClosed) || l.dir.err() != nil:
	case isDiskError(err):
		if err := l.failing(err); l.dir.err() == nil {
			l.cleanAfter.Store(nowMillis() + failedCleaningPause.Milliseconds())
			m.log.WithError(err).Warnf("%v could not be cleaned", l.tp)
		}
	default:
		if l.uncleanable.CompareAndSwap(nil, &Uncleanable{Reason: err, Since: time.Now()}) {
			m.log.WithError(err).Errorf("%v is not compacted any more", l.tp)
		}
	}
}
