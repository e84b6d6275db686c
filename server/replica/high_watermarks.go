package replica

import "time"

// The file replication-offset-checkpoint holds the high watermark of every partition of a log directory, so
// that consumers need not wait after a restart until the followers have spoken. It may be old: a high watermark
// that is too low is raised again by the same rules as ever, and one that is too high cannot be in it.

// restoreHighWatermarks gives every loaded log the high watermark that was written down for it. It comes before the
// first checkpoint, which would otherwise write zeros over what it has not read.
func (m *Manager) restoreHighWatermarks() {
	marks := m.logs.HighWatermarks()
	for _, l := range m.logs.Logs() {
		if hw, ok := marks[l.TopicPartition()]; ok {
			l.SetHighWatermark(hw) // at most to the log's end: what lay above was lost with the log's tail
		}
	}
}

// checkpointHighWatermarks writes the file every few seconds until Close, which writes it once more.
func (m *Manager) checkpointHighWatermarks() {
	m.every(func() time.Duration { return m.config().HighWatermarkCheckpoint }, func() {
		if err := m.logs.CheckpointHighWatermarks(); err != nil {
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
