package api

import (
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// quiet lets one line a second through for each cause, so that clients which try again and again do not
// fill the disk. A cause is a line's format.
type quiet struct {
	mu struct {
		sync.Mutex
		last map[string]time.Time
	}
}

func (q *quiet) warnf(log logrus.FieldLogger, format string, args ...any) {
	now := time.Now()
	q.mu.Lock()
	due := now.Sub(q.mu.last[format]) >= time.Second
	if due {
		if q.mu.last == nil {
			q.mu.last = map[string]time.Time{}
		}
		q.mu.last[format] = now
	}
	q.mu.Unlock()
	if due {
		log.Warnf(format, args...)
	}
}
