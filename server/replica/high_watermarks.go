package replica

import (
	"errors"
	"time"

	"ottla/logdir"
)

// The file replication-offset-checkpoint holds the high watermark of every log of a directory, so that consumers
// need not wait after a restart until the followers have spoken. It may be old: a high watermark that is too low
// is raised again by the same rules as ever, and one that is too high cannot be in it. The logs have theirs from
// it when they are loaded, before the first checkpoint here could write over what nobody had read.

// checkpointHighWatermarks writes the file every few seconds until Close, which writes it once more.
func (m *Manager) checkpointHighWatermarks() {
	m.every(func() time.Duration { return m.config().HighWatermarkCheckpoint }, func() {
		if err := m.logs.CheckpointHighWatermarks(); err != nil && !errors.Is(err, logdir.ErrDiskFull) {
			m.log.Errorf("cannot write the high watermarks: %v", err)
		}
	})
}

func (m *Manager) config() Config { return m.options.Config().withDefaults() }

// every does the work again and again until Close. The interval is asked each time, since it may change.
func (m *Manager) every(interval func() time.Duration, work func()) {
	timer := time.NewTimer(interval())
	defer timer.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-timer.C:
			work()
			timer.Reset(interval())
		}
	}
}
