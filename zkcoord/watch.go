package zkcoord

import (
	"strings"
	"sync"

	"github.com/go-zookeeper/zk"

	"ottla/zkcoord/cluster"
)

// Watch is a standing interest in one znode. Its function is called on the client's delivery goroutine,
// in the order in which the server reported the changes, and must not block: it enqueues an event, whose
// handler reads the node again. That read sets ZooKeeper's watch anew; changes in between are coalesced.
// After a reconnect and in a new session the function is called once, whether or not there was a change.
type Watch struct {
	watches *watches
	key     watchKey
	changed func()
}

// Stop ends the interest. A call that is under way may still finish.
func (w *Watch) Stop() {
	if w != nil {
		w.watches.remove(w)
	}
}

type watchKind int8

const (
	watchNode     watchKind = iota // created, changed, deleted
	watchChildren                  // a child created or deleted
)

type watchKey struct {
	path string // without the chroot
	kind watchKind
}

// interest is all that is known of one watched path.
type interest struct {
	watchers []*Watch
	// armed says that the server holds a watch for us, so that another read need not ask for one: the
	// library keeps a channel for each, even if they are for the same path.
	armed bool
	// fired counts changes: a read that overlaps one does not count as arming.
	fired int
}

// watches is the ordered way from the library's callback to the functions.
type watches struct {
	chroot string
	mu     struct {
		sync.Mutex
		interests map[watchKey]*interest
		queue     []*Watch
		closed    bool
	}
	ready *sync.Cond
}

func newWatches(chroot string) *watches {
	w := &watches{chroot: chroot}
	w.mu.interests = make(map[watchKey]*interest)
	w.ready = sync.NewCond(&w.mu)
	return w
}

func (w *watches) add(path string, kind watchKind, changed func()) *Watch {
	watch := &Watch{watches: w, key: watchKey{path, kind}, changed: changed}
	w.mu.Lock()
	defer w.mu.Unlock()
	in := w.mu.interests[watch.key]
	if in == nil {
		in = &interest{}
		w.mu.interests[watch.key] = in
	}
	in.watchers = append(in.watchers, watch)
	return watch
}

func (w *watches) remove(watch *Watch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	in := w.mu.interests[watch.key]
	if in == nil {
		return
	}
	for i, other := range in.watchers {
		if other == watch {
			in.watchers = append(in.watchers[:i:i], in.watchers[i+1:]...)
			break
		}
	}
	if len(in.watchers) == 0 {
		delete(w.mu.interests, watch.key)
	}
}

// want reports whether a read of the path should ask for a watch, and how often it had fired before.
func (w *watches) want(key watchKey) (want bool, fired int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	in := w.mu.interests[key]
	if in == nil || in.armed {
		return false, 0
	}
	return true, in.fired
}

// set notes that the server holds a watch, unless it has fired already.
func (w *watches) set(key watchKey, fired int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if in := w.mu.interests[key]; in != nil && in.fired == fired {
		in.armed = true
	}
}

// fire queues the functions of a path that changed. Events of a session that is over are dropped.
func (w *watches) fire(s *session, e zk.EventType, path string) {
	if w.chroot != "" {
		var inside bool
		if path, inside = strings.CutPrefix(path, w.chroot); !inside {
			return
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.ctx.Err() != nil {
		return
	}
	switch e {
	case zk.EventNodeCreated, zk.EventNodeDataChanged:
		w.fireLocked(watchKey{path, watchNode})
	case zk.EventNodeChildrenChanged:
		w.fireLocked(watchKey{path, watchChildren})
	case zk.EventNodeDeleted:
		w.fireLocked(watchKey{path, watchNode})
		w.fireLocked(watchKey{path, watchChildren})
	}
}

func (w *watches) fireLocked(key watchKey) {
	in := w.mu.interests[key]
	if in == nil {
		return
	}
	in.armed = false
	in.fired++
	w.mu.queue = append(w.mu.queue, in.watchers...)
	w.ready.Signal()
}

// fireAll queues every function: after a gap nobody knows what was missed.
func (w *watches) fireAll(s *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.ctx.Err() != nil {
		return
	}
	for key := range w.mu.interests {
		w.fireLocked(key)
	}
}

// forget notes that a new session holds no watches.
func (w *watches) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, in := range w.mu.interests {
		in.armed = false
		in.fired++
	}
}

// deliver calls the functions until close.
func (w *watches) deliver() {
	for {
		w.mu.Lock()
		for len(w.mu.queue) == 0 && !w.mu.closed {
			w.ready.Wait()
		}
		if w.mu.closed {
			w.mu.Unlock()
			return
		}
		next := w.mu.queue[0]
		w.mu.queue[0] = nil
		w.mu.queue = w.mu.queue[1:]
		in := w.mu.interests[next.key]
		stopped := in == nil || !containsWatch(in.watchers, next)
		w.mu.Unlock()
		if !stopped {
			next.changed()
		}
	}
}

func containsWatch(watchers []*Watch, watch *Watch) bool {
	for _, other := range watchers {
		if other == watch {
			return true
		}
	}
	return false
}

func (w *watches) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.closed = true
	w.ready.Broadcast()
}

// WatchController tells of elections and resignations; read with Controller.
func (c *Client) WatchController(changed func()) *Watch {
	return c.watches.add(controllerPath, watchNode, changed)
}

// WatchBrokers tells of brokers that come and go; read with Brokers.
func (c *Client) WatchBrokers(changed func()) *Watch {
	return c.watches.add(brokerIDsPath, watchChildren, changed)
}

// WatchBroker tells of a live broker that changed what it says of itself; read with Broker.
func (c *Client) WatchBroker(id cluster.BrokerID, changed func()) *Watch {
	return c.watches.add(brokerPath(id), watchNode, changed)
}

// WatchTopics tells of topics that come and go; read with Topics.
func (c *Client) WatchTopics(changed func()) *Watch {
	return c.watches.add(topicsPath, watchChildren, changed)
}

// WatchTopic tells of a topic's new partitions; read with Topic or Assignments.
func (c *Client) WatchTopic(topic string, changed func()) *Watch {
	return c.watches.add(topicPath(topic), watchNode, changed)
}

// WatchState tells that someone wrote a partition's state; read with States.
func (c *Client) WatchState(tp cluster.TopicPartition, changed func()) *Watch {
	return c.watches.add(statePath(tp), watchNode, changed)
}

// WatchDeletions tells of topics that are to be deleted; read with Deletions.
func (c *Client) WatchDeletions(changed func()) *Watch {
	return c.watches.add(deleteTopicsPath, watchChildren, changed)
}

// WatchReassignment tells of the legacy znode that tools write; read with Reassignment.
func (c *Client) WatchReassignment(changed func()) *Watch {
	return c.watches.add(reassignPath, watchNode, changed)
}

// WatchPreferredElection tells of the legacy znode that tools write; read with PreferredElection.
func (c *Client) WatchPreferredElection(changed func()) *Watch {
	return c.watches.add(preferredPath, watchNode, changed)
}

// WatchISRChanges tells of leaders that wrote their state themselves; read with ISRChanges.
func (c *Client) WatchISRChanges(changed func()) *Watch {
	return c.watches.add(isrChangesPath, watchChildren, changed)
}

// WatchLogDirEvents tells of log directories that failed; read with LogDirEvents.
func (c *Client) WatchLogDirEvents(changed func()) *Watch {
	return c.watches.add(logDirEventsPath, watchChildren, changed)
}
