package main

import (
	"sync"
)

// passage is what happens to bytes on a link.
type passage int

const (
	open    passage = iota
	dropped         // they vanish, and the connection cannot go on afterwards
	late            // they arrive when the link heals
)

// links are all links of a cluster, and which of them are cut. The proxies ask before they pass anything on.
type links struct {
	mu struct {
		sync.Mutex
		cut      map[link]passage
		changed  chan struct{} // closed and replaced when a link is cut or healed
		conns    map[*conn]struct{}
		owners   map[int]node // by process id
		sessions map[node]session
		closed   bool
	}
}

func newLinks() *links {
	l := &links{}
	l.mu.cut = make(map[link]passage)
	l.mu.changed = make(chan struct{})
	l.mu.conns = make(map[*conn]struct{})
	l.mu.owners = make(map[int]node)
	l.mu.sessions = make(map[node]session)
	return l
}

// cut cuts links until heal.
func (l *links) cut(how passage, all ...link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, way := range all {
		l.mu.cut[way] = how
	}
	l.changedLocked()
}

// heal opens all links, and resets the connections that lost bytes.
func (l *links) heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.mu.cut)
	for c := range l.mu.conns {
		if c.lossy {
			c.abort()
		}
	}
	l.changedLocked()
}

func (l *links) changedLocked() {
	close(l.mu.changed)
	l.mu.changed = make(chan struct{})
}

// passageOf says what happens on a link now, and when to ask again.
func (l *links) passageOf(way link) (passage, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.cut[way], l.mu.changed
}

// own notes which node a process is.
func (l *links) own(pid int, n node) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for old, owner := range l.mu.owners {
		if owner == n {
			delete(l.mu.owners, old)
		}
	}
	l.mu.owners[pid] = n
}

func (l *links) owners() map[int]node {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[int]node, len(l.mu.owners))
	for pid, n := range l.mu.owners {
		all[pid] = n
	}
	return all
}

// enter takes a connection up, unless all is over.
func (l *links) enter(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.closed {
		return false
	}
	l.mu.conns[c] = struct{}{}
	return true
}

func (l *links) leave(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.mu.conns, c)
}

// lose notes that bytes of a connection have vanished.
func (l *links) lose(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.lossy = true
}

func (l *links) noteSession(of node, s session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.sessions[of] = s
}

// sessionOf is the ZooKeeper session that a broker was last given.
func (l *links) sessionOf(n node) (session, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.mu.sessions[n]
	return s, ok
}

// close ends every connection.
func (l *links) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.closed = true
	clear(l.mu.cut)
	for c := range l.mu.conns {
		c.abort()
	}
	l.changedLocked()
}
