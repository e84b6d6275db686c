package zkserver

import (
	"maps"
	"slices"
	"time"
)

// database is the whole state that survives a restart: the nodes, the sessions, and the counters. It changes
// only through apply, at run time and at replay alike, so that what was logged and what was seen cannot differ.
type database struct {
	nodes map[string]*node
	// ephemerals has the paths each session owns; mortal those of containers and of nodes with a time to live.
	ephemerals map[int64]map[string]struct{}
	mortal     map[string]struct{}
	sessions   map[int64]time.Duration // id to time-out
	// zxid numbers the last write, also one that failed.
	zxid int64
	// lastSession is the highest session id ever given, so that none is given twice though the clock goes back.
	lastSession int64
	// secret signs the sessions' passwords.
	secret []byte
	// bytes adds up paths and data, roughly what a snapshot takes.
	bytes int64
}

// newDatabase has the nodes that every ZooKeeper starts with. They are put in place uncounted, which is why the
// root's cversion starts at -1 as it does in ZooKeeper.
func newDatabase(secret []byte) *database {
	db := emptyDatabase()
	db.secret = secret
	for _, path := range []string{"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"} {
		db.insert(path, &node{data: []byte{}, acl: openACL()})
	}
	config := db.nodes["/zookeeper/config"]
	config.acl, config.aversion = readOnlyACL(), -1
	return db
}

func emptyDatabase() *database {
	return &database{
		nodes:      map[string]*node{},
		ephemerals: map[int64]map[string]struct{}{},
		mortal:     map[string]struct{}{},
		sessions:   map[int64]time.Duration{},
	}
}

// find looks a path up; the empty one is the root.
func (db *database) find(path string) *node {
	if path == "" {
		path = "/"
	}
	return db.nodes[path]
}

// insert links a node to its parent and to whoever will end it, counting nothing.
func (db *database) insert(path string, n *node) {
	db.nodes[path] = n
	db.bytes += int64(len(path) + len(n.data))
	if path != "/" {
		parent := db.nodes[parentOf(path)]
		if parent.children == nil {
			parent.children = map[string]struct{}{}
		}
		parent.children[baseOf(path)] = struct{}{}
	}
	switch {
	case n.isEphemeral():
		if db.ephemerals[n.owner] == nil {
			db.ephemerals[n.owner] = map[string]struct{}{}
		}
		db.ephemerals[n.owner][path] = struct{}{}
	case n.owner != 0:
		db.mortal[path] = struct{}{}
	}
}

// remove takes back what insert did.
func (db *database) remove(path string) {
	n := db.nodes[path]
	delete(db.nodes, path)
	db.bytes -= int64(len(path) + len(n.data))
	delete(db.nodes[parentOf(path)].children, baseOf(path))
	delete(db.mortal, path)
	if owned := db.ephemerals[n.owner]; owned != nil {
		delete(owned, path)
		if len(owned) == 0 {
			delete(db.ephemerals, n.owner)
		}
	}
}

// ephemeralsOf returns what a session owns, in order, so that its end looks the same every time.
func (db *database) ephemeralsOf(session int64) []string {
	return slices.Sorted(maps.Keys(db.ephemerals[session]))
}

// event says what happened to a path, for the watches.
type event struct {
	kind int32
	path string
	// acl decides who may learn of it: the node's, or the parent's for a change of its children.
	acl acl
}

// applied collects what a change did beside the change itself: events, in order, and, in a multi, how to take it
// back. A nil one is a replay, where nobody watches and nothing is taken back.
type applied struct {
	events   []event
	undoable bool
	undo     []func()
}

func (a *applied) event(kind int32, path string, list acl) {
	if a != nil {
		a.events = append(a.events, event{kind, path, list})
	}
}

func (a *applied) canUndo() bool { return a != nil && a.undoable }

// fits tells whether a change can be applied. At run time the checks of transaction have made sure; at replay
// it keeps a damaged log, whose checksum happens to hold, from crashing the server.
func (db *database) fits(c change) bool {
	switch c.kind {
	case changeCreate:
		return validPath(c.path) && db.nodes[c.path] == nil && db.nodes[parentOf(c.path)] != nil
	case changeDelete:
		n := db.nodes[c.path]
		return n != nil && len(n.children) == 0 && !isOwn(c.path)
	case changeSetData, changeSetACL:
		return db.nodes[c.path] != nil
	case changeOpenSession, changeCloseSession:
		return true
	default:
		return false
	}
}

// apply makes a change. It fits.
func (db *database) apply(c change, zxid, time int64, a *applied) {
	switch c.kind {
	case changeCreate:
		db.applyCreate(c, zxid, time, a)
	case changeDelete:
		db.applyDelete(c.path, zxid, a)
	case changeSetData:
		n := db.nodes[c.path]
		before := *n
		db.bytes += int64(len(c.data) - len(n.data))
		n.data, n.version, n.mzxid, n.mtime = c.data, n.version+1, zxid, time
		a.event(eventDataChanged, c.path, n.acl)
		if a.canUndo() {
			a.undo = append(a.undo, func() {
				db.bytes += int64(len(before.data) - len(n.data))
				n.data, n.version, n.mzxid, n.mtime = before.data, before.version, before.mzxid, before.mtime
			})
		}
	case changeSetACL:
		n := db.nodes[c.path]
		n.acl, n.aversion = c.acl, n.aversion+1 // in no multi, hence never undone
	case changeOpenSession:
		db.sessions[c.session] = c.timeout
		db.lastSession = max(db.lastSession, c.session)
	case changeCloseSession:
		for _, path := range db.ephemeralsOf(c.session) {
			db.applyDelete(path, zxid, a)
		}
		delete(db.sessions, c.session)
	}
}

func (db *database) applyCreate(c change, zxid, time int64, a *applied) {
	parent := db.nodes[parentOf(c.path)]
	before := parent.pzxid
	n := &node{data: c.data, acl: c.acl, czxid: zxid, mzxid: zxid, pzxid: zxid, ctime: time, mtime: time, owner: c.session}
	db.insert(c.path, n)
	parent.creates++
	parent.pzxid = zxid
	a.event(eventCreated, c.path, n.acl)
	a.event(eventChildrenChanged, parentOf(c.path), parent.acl)
	if a.canUndo() {
		a.undo = append(a.undo, func() {
			db.remove(c.path)
			parent.creates--
			parent.pzxid = before
		})
	}
}

func (db *database) applyDelete(path string, zxid int64, a *applied) {
	n, parent := db.nodes[path], db.nodes[parentOf(path)]
	before := parent.pzxid
	db.remove(path)
	parent.pzxid = zxid
	a.event(eventDeleted, path, n.acl)
	a.event(eventChildrenChanged, parentOf(path), parent.acl)
	if a.canUndo() {
		a.undo = append(a.undo, func() {
			db.insert(path, n)
			parent.pzxid = before
		})
	}
}
