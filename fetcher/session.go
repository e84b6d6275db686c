package fetcher

import (
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
)

// session is what a fetcher and its leader have agreed on (KIP-227). The epoch counts requests; 0 begins a new session and ends
// the one that is named.
type session struct {
	id, epoch int32
	byID      bool
	// known are the partitions in the leader's eyes.
	known map[key]*partition
	// failures counts answers without any agreement, one after another.
	failures int
}

func newSession() session { return session{known: make(map[key]*partition)} }

// full reports whether the next request names everything.
func (s *session) full() bool { return s.epoch == 0 }

// restart makes the next request begin anew.
func (s *session) restart() {
	for _, p := range s.known {
		p.inSession = false
	}
	clear(s.known)
	s.epoch = 0
}

// forget is restart when the leader knows of no session either.
func (s *session) forget() {
	s.restart()
	s.id = 0
}

// include notes that the request tells of a partition.
func (s *session) include(p *partition, told position) key {
	k := p.key(s.byID)
	s.known[k] = p
	p.told, p.inSession = told, true
	return k
}

// exclude notes that the request tells the leader to forget a partition.
func (s *session) exclude(p *partition) key {
	k := p.key(s.byID)
	delete(s.known, k)
	p.inSession = false
	return k
}

// answered follows the leader's answer, and reports whether there is something to take from it.
func (s *session) answered(a *fetchAnswer) bool {
	switch a.ErrorCode {
	case 0:
	case kerr.FetchSessionIDNotFound.Code:
		s.forget()
		return false
	default:
		s.restart()
		return false
	}
	switch {
	case s.full():
		// Without a session, for which a leader may have no room, every fetch is a full one.
		if s.id = a.SessionID; s.id != 0 {
			s.epoch = 1
		}
	case a.SessionID != s.id:
		s.forget()
	case s.epoch == math.MaxInt32:
		s.epoch = 1
	default:
		s.epoch++
	}
	return true
}
