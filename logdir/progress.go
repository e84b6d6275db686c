package logdir

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// progressPeriod is how often a start that takes long says how far it has come.
const progressPeriod = 10 * time.Second

// progress reports how far a start has come, be it with many logs or with a large one. It owns one goroutine until stop.
type progress struct {
	log     logrus.FieldLogger
	total   int
	done    atomic.Int64
	checked *atomic.Int64 // bytes of records that were read through
	ended   chan struct{}
	wg      sync.WaitGroup
}

func startProgress(log logrus.FieldLogger, total int, checked *atomic.Int64) *progress {
	p := &progress{log: log, total: total, checked: checked, ended: make(chan struct{})}
	p.wg.Go(p.run)
	return p
}

func (p *progress) run() {
	since, ticker := time.Now(), time.NewTicker(progressPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-p.ended:
			return
		case <-ticker.C:
			p.log.Infof("%d of %d logs loaded in %v, %d MiB of records checked", p.done.Load(), p.total, time.Since(since).Round(time.Second), p.checked.Load()>>20)
		}
	}
}

// step notes that a log is loaded.
func (p *progress) step() { p.done.Add(1) }

func (p *progress) stop() {
	close(p.ended)
	p.wg.Wait()
}
