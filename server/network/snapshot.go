package network

import (
	"cmp"
	"slices"
	"time"
)

// Snapshot is the picture of a Server at one moment, for the web page and for tests.
type Snapshot struct {
	Listeners   []ListenerSnapshot   `json:"listeners"`
	Connections []ConnectionSnapshot `json:"connections"` // the ones that moved last, at most a hundred
	Open        int                  `json:"open"`        // how many connections there are
	QueuedBytes int64                `json:"queuedBytes"` // of frames in work; counted only if they are bounded
}

// ListenerSnapshot is one listener.
type ListenerSnapshot struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Open    int    `json:"open"`
}

// ConnectionSnapshot is one connection.
type ConnectionSnapshot struct {
	ID          string `json:"id"`
	Listener    string `json:"listener"`
	SilentMS    int64  `json:"silentMs"` // since a byte moved
	InWork      bool   `json:"inWork"`   // a request is in work
	Outstanding int    `json:"outstanding"`
}

// Snapshot returns the picture of now.
func (s *Server) Snapshot() Snapshot {
	now := time.Now().UnixNano()
	picture := Snapshot{QueuedBytes: s.budget.used.Load()}
	perListener := map[string]int{}
	s.mu.Lock()
	for c := range s.mu.conns {
		perListener[c.session.Listener]++
		picture.Connections = append(picture.Connections, c.snapshot(now))
	}
	s.mu.Unlock()
	picture.Open = len(picture.Connections)
	slices.SortFunc(picture.Connections, func(a, b ConnectionSnapshot) int {
		return cmp.Or(cmp.Compare(a.SilentMS, b.SilentMS), cmp.Compare(a.ID, b.ID))
	})
	picture.Connections = picture.Connections[:min(len(picture.Connections), 100)]
	for _, l := range s.listeners {
		picture.Listeners = append(picture.Listeners, ListenerSnapshot{l.name, l.Addr().String(), perListener[l.name]})
	}
	return picture
}

func (c *conn) snapshot(now int64) ConnectionSnapshot {
	c.mu.Lock()
	outstanding := len(c.mu.queue)
	c.mu.Unlock()
	return ConnectionSnapshot{
		ID: c.session.ConnectionID, Listener: c.session.Listener, InWork: c.working.Load(), Outstanding: outstanding,
		SilentMS: max(0, now-c.moved.Load()) / int64(time.Millisecond),
	}
}
