package logdir

import (
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// progress reports how far a long start has come, every ten seconds.
type progress struct {
	mu    sync.Mutex
	log   logrus.FieldLogger
	total int
	done  int
	since time.Time
	last  time.Time
}

func newProgress(log logrus.FieldLogger, total int) *progress {
	now := time.Now()
	return &progress{log: log, total: total, since: now, last: now}
}

func (p *progress) step() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	if now := time.Now(); now.Sub(p.last) >= 10*time.Second {
		p.last = now
		p.log.Infof("%d of %d logs loaded in %v", p.done, p.total, now.Sub(p.since).Round(time.Second))
	}
}
