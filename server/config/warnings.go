package config

import "github.com/sirupsen/logrus"

// warn tells, once each, which settings do nothing: a promise that is not kept must not be silent.
func (c *Config) warn(log logrus.FieldLogger) {
	s := c.settings
	for _, name := range sortedNames(s.unknown) {
		if listener, rest, ok := listenerKey(name); ok {
			log.Warnf("configuration %s: not obeyed yet, %s has one value for all listeners (here it was set for %s)", name, rest, listener)
			continue
		}
		log.Warnf("configuration %s: unknown, it does nothing", name)
	}
	for _, k := range tables().broker {
		if _, set := s.raw[k.Name]; !set {
			continue
		}
		switch k.Standing {
		case NotYet:
			log.Warnf("configuration %s: known, but not obeyed yet", k.Name)
		case Moot:
			log.Warnf("configuration %s: it does nothing, since Ottla does not have what it tunes", k.Name)
		}
	}
	c.warnOfValues(log)
}

// warnOfValues is for settings that are obeyed, but not with every value.
func (c *Config) warnOfValues(log logrus.FieldLogger) {
	if c.Topic(nil).Compact && c.settings.isSet("log.cleanup.policy") {
		log.Warn("configuration log.cleanup.policy: compact is not obeyed yet, nothing is compacted")
	}
}

// TopicWarning says what a topic setting that was just set does not do, "" for nothing.
func TopicWarning(name, value string) string {
	k, ok := TopicKeyOf(name)
	if !ok {
		return ""
	}
	switch k.Standing {
	case NotYet:
		return "topic configuration " + name + ": known, but not obeyed yet"
	case Moot:
		return "topic configuration " + name + ": it does nothing, since Ottla does not have what it tunes"
	}
	if v, err := k.parse(value); err == nil && name == "cleanup.policy" && cleansBy(v, "compact") {
		return "topic configuration cleanup.policy: compact is not obeyed yet, nothing is compacted"
	}
	return ""
}
