package zkserver

import "strings"

// watchKind is a table of watches.
type watchKind int

const (
	watchData       watchKind = iota // exists and getData; once
	watchChildren                    // getChildren; once
	watchPersistent                  // like both of the above, and stays
	watchRecursive                   // everything below as well, but no children events; stays
	watchKinds
)

type watchKey struct {
	kind watchKind
	path string
}

// watches knows which connection waits for which path. Watches belong to connections, not to sessions: a client
// that comes back sets them again.
type watches struct {
	tables [watchKinds]map[string]map[*conn]struct{}
	count  int
}

func newWatches() *watches {
	w := &watches{}
	for kind := range w.tables {
		w.tables[kind] = map[string]map[*conn]struct{}{}
	}
	return w
}

func (w *watches) add(c *conn, kind watchKind, path string) {
	key := watchKey{kind, path}
	if _, has := c.watches[key]; has {
		return
	}
	c.watches[key] = struct{}{}
	if w.tables[kind][path] == nil {
		w.tables[kind][path] = map[*conn]struct{}{}
	}
	w.tables[kind][path][c] = struct{}{}
	w.count++
}

func (w *watches) has(c *conn, kind watchKind, path string) bool {
	_, has := c.watches[watchKey{kind, path}]
	return has
}

func (w *watches) remove(c *conn, kind watchKind, path string) {
	if !w.has(c, kind, path) {
		return
	}
	delete(c.watches, watchKey{kind, path})
	delete(w.tables[kind][path], c)
	if len(w.tables[kind][path]) == 0 {
		delete(w.tables[kind], path)
	}
	w.count--
}

// forget removes all that a connection waits for.
func (w *watches) forget(c *conn) {
	for key := range c.watches {
		w.remove(c, key.kind, key.path)
	}
}

// fire tells every connection that waits for the event, each once, and takes one-shot watches away.
func (w *watches) fire(e event) {
	var told map[*conn]struct{} // most events interest nobody
	collect := func(kind watchKind, path string) {
		for c := range w.tables[kind][path] {
			if told == nil {
				told = map[*conn]struct{}{}
			}
			told[c] = struct{}{}
			if kind == watchData || kind == watchChildren {
				w.remove(c, kind, path)
			}
		}
	}
	if e.kind == eventChildrenChanged {
		collect(watchChildren, e.path)
	} else {
		collect(watchData, e.path)
		if e.kind == eventDeleted {
			collect(watchChildren, e.path)
		}
		if len(w.tables[watchRecursive]) > 0 {
			for path := e.path; ; path = parentOf(path) {
				collect(watchRecursive, path)
				if path == "/" {
					break
				}
			}
		}
	}
	collect(watchPersistent, e.path)
	for c := range told {
		// The watch is used up even if its owner may not hear of it: as in ZooKeeper.
		if e.acl.allows(c.identities, permRead) {
			c.notify(e.kind, e.path)
		}
	}
}

// below tells whether path is root or under it.
func below(path, root string) bool {
	return path == root || root == "/" || strings.HasPrefix(path, root) && path[len(root)] == '/'
}
