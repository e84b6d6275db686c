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
		if w := k.doesNothing(); w != "" {
			log.Warnf("configuration %s: %s", k.Name, w)
		}
	}
}

// doesNothing says why a setting has no effect, "" if it has.
func (k Key) doesNothing() string {
	switch k.Standing {
	case NotYet:
		return "known, but not obeyed yet"
	case Moot:
		return "it does nothing, since Ottla does not have what it tunes"
	}
	return ""
}

// TopicWarning says what a topic setting that was just set does not do, "" for nothing.
func TopicWarning(name string) string {
	k, ok := TopicKeyOf(name)
	if w := k.doesNothing(); ok && w != "" {
		return "topic configuration " + name + ": " + w
	}
	return ""
}

// BrokerWarning is TopicWarning for a broker setting that was set while the broker runs.
func BrokerWarning(name string) string {
	k, ok := BrokerKey(name)
	if !ok {
		k, ok = runtimeKey(name)
	}
	switch w := k.doesNothing(); {
	case !ok:
		return "configuration " + name + ": unknown, it does nothing"
	case w != "":
		return "configuration " + name + ": " + w
	}
	return ""
}
