package network

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// failures writes log lines about bad connections, at most one a second for each cause, so that garbage from
// the network cannot fill the disk. The next line tells how many were left out.
type failures struct {
	log logrus.FieldLogger
	mu  struct {
		sync.Mutex
		causes map[string]*recent // a handful of fixed names
	}
}

type recent struct {
	logged  time.Time
	leftOut int
}

// allow reports whether a line for this cause is due, and what to append to it.
func (f *failures) allow(cause string) (suffix string, ok bool) {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.mu.causes[cause]
	if c == nil {
		if f.mu.causes == nil {
			f.mu.causes = map[string]*recent{}
		}
		c = &recent{}
		f.mu.causes[cause] = c
	}
	if now.Sub(c.logged) < time.Second {
		c.leftOut++
		return "", false
	}
	if c.leftOut > 0 {
		suffix = fmt.Sprintf(" (and %d more like this)", c.leftOut)
	}
	c.logged, c.leftOut = now, 0
	return suffix, true
}

// badRequest tells of a request that closed its connection.
func (f *failures) badRequest(s *Session, err error) {
	cause := "request"
	if h, ok := errors.AsType[headerError](err); ok {
		cause = h.cause
	}
	if suffix, ok := f.allow(cause); ok {
		f.log.Errorf("Closing socket for %s because of error: %v%s", s.ConnectionID, err, suffix)
	}
}

// badSize tells of a frame length that closed its connection.
func (f *failures) badSize(s *Session, err sizeError) {
	if suffix, ok := f.allow("size"); ok {
		f.log.Warnf("Unexpected error from %s (channelId=%s); closing connection: %v%s", s.RemoteHost(), s.ConnectionID, err, suffix)
	}
}

// badFile tells of a file that could not be sent.
func (f *failures) badFile(s *Session, err fileError) {
	if suffix, ok := f.allow("file"); ok {
		f.log.Errorf("Closing socket for %s because its answer could not be read: %v%s", s.ConnectionID, err, suffix)
	}
}

// broken tells why a connection ended: of interest only where a file of ours is the reason.
func (f *failures) broken(s *Session, err error) {
	if file, ok := errors.AsType[fileError](err); ok {
		f.badFile(s, file)
		return
	}
	f.log.Debugf("Connection with %s disconnected: %v", s.ConnectionID, err)
}
