package logdir

// ask gets a topic's settings of today. What is remembered may be those of an earlier topic of this name.
// It is called with no lock held, since whoever is asked may have to look them up.
func (m *Manager) ask(topic string) (c Config, own bool) {
	if m.topicConfig == nil {
		return c, false
	}
	return m.topicConfig(topic), true
}

// Reconfigure puts a topic's settings in force.
func (m *Manager) Reconfigure(topic string, c Config) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.overrides[topic] = c
	for tp, l := range m.mu.logs {
		if tp.Topic == topic {
			l.cfg.Store(&c)
			m.compactLocked(l)
		}
	}
	for tp, mv := range m.mu.moves {
		if tp.Topic == topic {
			mv.future.cfg.Store(&c)
		}
	}
}

func (m *Manager) configLocked(topic string) Config {
	if c, ok := m.mu.overrides[topic]; ok {
		return c
	}
	return m.mu.defaults
}

// compactLocked has the cleaners run once there is a log for them.
func (m *Manager) compactLocked(l *Log) {
	if l.cfg.Load().Compact {
		m.cleaners.need()
	}
}
