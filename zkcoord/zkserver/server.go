package zkserver

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// Options says how a server runs. The zero value is a server in memory on a free port of the loopback interface.
type Options struct {
	// Address is where to listen, host:port; "127.0.0.1:0" if empty.
	Address string
	// Listener, if set, is used instead of Address; the server closes it.
	Listener net.Listener
	// DataDir keeps the log and the snapshots. Empty: everything is in memory and gone after Close.
	DataDir string
	// TickTime is ZooKeeper's tickTime, 2 s if zero. It only gives MinSession and MaxSession their defaults:
	// sessions end exactly when their time is over, not at the next tick.
	TickTime time.Duration
	// MinSession and MaxSession bound the session time-out that a client may ask for; 2 and 20 ticks if zero.
	MinSession, MaxSession time.Duration
	// SnapshotEvery is the number of writes after which a snapshot is taken and older logs go; 100,000 if zero.
	SnapshotEvery int
	// ReapInterval is how often empty containers and nodes whose time to live is over are removed; a minute if zero.
	ReapInterval time.Duration
	// ExtendedTypes allows nodes with a time to live, as zookeeper.extendedTypesEnabled does.
	ExtendedTypes bool
	// SuperDigest, "user:hash" as the digest scheme stores it, names who may do everything; nobody if empty.
	SuperDigest string
	// Log receives what an operator should know; nothing is logged if nil.
	Log logrus.FieldLogger

	files fileSystem // tests break it; the directory DataDir if nil
}

func (o Options) withDefaults() Options {
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	if o.TickTime == 0 {
		o.TickTime = 2 * time.Second
	}
	if o.MinSession == 0 {
		o.MinSession = 2 * o.TickTime
	}
	if o.MaxSession == 0 {
		o.MaxSession = max(20*o.TickTime, o.MinSession)
	}
	if o.SnapshotEvery == 0 {
		o.SnapshotEvery = 100_000
	}
	if o.ReapInterval == 0 {
		o.ReapInterval = time.Minute
	}
	if o.Log == nil {
		log := logrus.New()
		log.SetOutput(io.Discard)
		o.Log = log
	}
	return o
}

// Server is a ZooKeeper of one node. It owns its goroutines until Close.
//
// Lock order: Server.mu, conn.mu, store.mu. The gate's lock is never held together with another.
type Server struct {
	options  Options
	log      logrus.FieldLogger
	listener net.Listener
	store    *store // nil in memory mode
	gate     gate
	delay    atomic.Int64 // ns that each write to a client is held back
	wake     chan struct{}
	done     chan struct{}
	wg       sync.WaitGroup
	garbage  limiter
	started  time.Time
	closing  sync.Once

	mu struct {
		sync.Mutex
		// One lock for everything: a request is applied, its events are queued and its reply is queued under it, so
		// that replies and events need no further ordering. Nothing waits for disk or network while holding it.
		db       *database
		watches  *watches
		sessions sessions
		conns    map[*conn]struct{}
		nextID   int64 // session ids, counted up
		down     bool
		refused  map[int64]struct{} // sessions cut off by a test
		losing   map[int64]int      // session to writes whose replies will be lost
		closed   bool
		err      error
		stats    stats
	}
}

// Start opens the data directory, if there is one, and serves. A directory that another server holds, or whose
// content was damaged before its last group, is an error.
func Start(o Options) (*Server, error) {
	s, err := newServer(o.withDefaults())
	if err != nil {
		return nil, err
	}
	if s.listener = s.options.Listener; s.listener == nil {
		if s.listener, err = net.Listen("tcp", s.options.Address); err != nil {
			if s.store != nil {
				err = errors.Join(err, s.store.close(false))
			}
			return nil, fmt.Errorf("listen on %s: %w", s.options.Address, err)
		}
	}
	s.log.Infof("embedded ZooKeeper on %s: %s, %d nodes, %d sessions", s.Addr(), s.place(), len(s.mu.db.nodes), len(s.mu.db.sessions))
	if s.store != nil {
		s.store.start(s.fail)
	}
	s.wg.Go(s.runClock)
	s.wg.Go(s.accept)
	return s, nil
}

// newServer is a server that does not run yet.
func newServer(o Options) (*Server, error) {
	s := &Server{options: o, log: o.Log, wake: make(chan struct{}, 1), done: make(chan struct{}), started: time.Now()}
	if err := s.load(); err != nil {
		return nil, err
	}
	s.mu.watches = newWatches()
	s.mu.conns = map[*conn]struct{}{}
	s.mu.refused = map[int64]struct{}{}
	s.mu.losing = map[int64]int{}
	// Every session that was alive when the server went down gets its full time again: nobody could have been heard.
	now := time.Now()
	s.mu.sessions = newSessions()
	for id, timeout := range s.mu.db.sessions {
		s.mu.sessions.add(&session{id: id, timeout: timeout, heard: now})
	}
	s.mu.nextID = max(firstSessionID(now), s.mu.db.lastSession+1)
	s.mu.db.zxid = firstZxid(s.mu.db.zxid, now)
	return s, nil
}

// place says where the data is kept.
func (s *Server) place() string {
	if s.store == nil {
		return "in memory"
	}
	return "in " + s.options.DataDir
}

// load fills the database from the data directory or afresh.
func (s *Server) load() error {
	secret := make([]byte, 16)
	rand.Read(secret)
	if s.options.DataDir == "" && s.options.files == nil {
		s.mu.db = newDatabase(secret)
		return nil
	}
	store, db, err := openStore(s.options, func() *database { return newDatabase(secret) })
	if err != nil {
		return fmt.Errorf("open %s: %w", s.options.DataDir, err)
	}
	s.store, s.mu.db = store, db
	return nil
}

// firstZxid is where a life of the server begins. It lies above every zxid that a client of an earlier life can
// have seen, even if that life left no data: a client that knows a higher zxid than the server's is turned away
// for ever. Failed writes use up zxids without a trace on disk, hence the distance to the last one known.
// ms since 1970 leave 20 bits, a million writes per ms, and 2^63 is reached in the year 2248.
func firstZxid(last int64, now time.Time) int64 { return max(last+1<<20, now.UnixMilli()<<20) }

// Addr returns the address the server listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Done is closed when the server has stopped, by Close or because its disk failed; then Err tells.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err returns why the server stopped by itself: a disk that failed to take the log. Nil otherwise.
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.err
}

// Close ends all connections, brings what was accepted to disk and stops. Sessions live on in the data
// directory and have their full time when it is opened again. A second Close does nothing.
func (s *Server) Close() error { return s.stop(true) }

// Kill stops as kill -9 would: what waits for the disk is neither written nor acknowledged.
func (s *Server) Kill() error { return s.stop(false) }

// fail stops the server because its disk did: what could not be synced must not be acknowledged, and an fsync
// that failed once proves nothing when it succeeds later.
func (s *Server) fail(err error) {
	s.log.WithError(err).Error("the embedded ZooKeeper stops: its log cannot be written")
	s.shut(err)
}

// shut begins the end and reports whether this call did.
func (s *Server) shut(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return false
	}
	s.mu.closed, s.mu.err = true, err
	close(s.done)
	s.listener.Close()
	for c := range s.mu.conns {
		c.drop()
	}
	return true
}

func (s *Server) stop(flush bool) (err error) {
	s.closing.Do(func() {
		s.shut(nil)
		if s.store != nil && !flush {
			s.store.end(nil)
		}
		s.wg.Wait()
		if s.store != nil {
			err = s.store.close(flush)
		}
	})
	return err
}

func (s *Server) accept() {
	for {
		nc, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			if dropped, ok := s.garbage.allow(); ok {
				s.log.WithError(err).Warnf("accept a connection (%d errors like it not shown)", dropped)
			}
			select {
			case <-s.done:
				return
			case <-time.After(10 * time.Millisecond): // out of descriptors: some may be free by then
				continue
			}
		}
		c := newConn(s, nc)
		s.mu.Lock()
		refuse := s.mu.closed || s.mu.down
		if !refuse {
			s.mu.conns[c] = struct{}{}
			s.wg.Go(c.serve)
		}
		s.mu.Unlock()
		if refuse {
			nc.Close()
		}
	}
}

// commitLocked makes a transaction known: to the log and to those who watch. The caller has
// applied it.
func (s *Server) commitLocked(tx *transaction) {
	if s.store != nil {
		s.store.append(tx.record, s.mu.db)
	}
	for _, e := range tx.events {
		s.mu.watches.fire(e)
	}
}

// beginLocked takes the next zxid. Failed writes keep it, as in ZooKeeper.
func (s *Server) beginLocked(c *conn) *transaction {
	s.mu.db.zxid++
	tx := &transaction{
		db: s.mu.db, extended: s.options.ExtendedTypes,
		record: record{zxid: s.mu.db.zxid, time: time.Now().UnixMilli()},
	}
	if c != nil {
		tx.who = c.identities
		if c.session != nil {
			tx.session = c.session.id
		}
	}
	return tx
}
