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
	if !c.Compact {
		delete(m.mu.warned, topic)
	}
	for tp, l := range m.mu.logs {
		if tp.Topic == topic {
			l.cfg.Store(&c)
			m.warnLocked(topic)
		}
	}
}

// SetDefaults puts in force the settings of topics that were never reconfigured, nor known to Open's
// topicConfig.
func (m *Manager) SetDefaults(c Config) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.defaults = c
	for tp, l := range m.mu.logs {
		if _, own := m.mu.overrides[tp.Topic]; !own {
			l.cfg.Store(&c)
		}
	}
}

func (m *Manager) configLocked(topic string) Config {
	if c, ok := m.mu.overrides[topic]; ok {
		return c
	}
	return m.mu.defaults
}

// warnLocked says once for each topic that its logs are kept, but not compacted.
func (m *Manager) warnLocked(topic string) {
	c := m.configLocked(topic)
	if !c.Compact || m.mu.warned[topic] {
		return
	}
	m.mu.warned[topic] = true
	m.log.Warnf("topic %s has cleanup.policy=compact: its records are kept, none are compacted away", topic)
}
