package config

// Source says where a value comes from, numbered as DescribeConfigs answers it.
type Source int8

const (
	// SourceTopic is the topic's own setting.
	SourceTopic Source = 1
	// SourceDynamicBroker is set for this broker in ZooKeeper.
	SourceDynamicBroker Source = 2
	// SourceDynamicDefault is set for all brokers in ZooKeeper.
	SourceDynamicDefault Source = 3
	// SourceStatic is set in the file.
	SourceStatic Source = 4
	// SourceDefault is nobody's.
	SourceDefault Source = 5
	// SourceLogger is a logger's level.
	SourceLogger Source = 6
)

// Synonym is one of the settings that could decide a value, in the order in which they do.
type Synonym struct {
	Name   string
	Value  *string
	Source Source
}

// Entry is a setting as DescribeConfigs answers it.
type Entry struct {
	Name string
	// Value is nil for none, and for one that must not be shown.
	Value     *string
	Type      Type
	Source    Source
	ReadOnly  bool
	Sensitive bool
	// Synonyms begins with what decided, and is empty when nothing was set and there is no default.
	Synonyms []Synonym
	Doc      string
}

// BrokerEntries describes this broker, in the order of names within Kafka's settings, then ours, then
// those that nobody knows.
func (l *Live) BrokerEntries() []Entry {
	s := l.state.Load()
	var all []Entry
	for _, k := range tables().broker {
		if k.Internal && !s.config.settings.isSet(k.Name) {
			continue
		}
		all = append(all, s.entry(l.static, k, format(s.config.settings.values[k.Name]), true))
	}
	for _, name := range sortedNames(s.config.settings.unknown) {
		all = append(all, s.entry(l.static, unknownKey(name), nil, true))
	}
	return all
}

// DefaultEntries describes what is set for all brokers at once, and nothing else.
func (l *Live) DefaultEntries() []Entry {
	s := l.state.Load()
	var all []Entry
	for _, name := range sortedNames(s.brokers) {
		k, ok := BrokerKey(name)
		if !ok {
			k = unknownKey(name)
		}
		value := s.brokers[name]
		all = append(all, s.entry(l.static, k, &value, false))
	}
	return all
}

// unknownKey stands for a setting of which nothing is known; so it must not be shown either.
func unknownKey(name string) Key { return Key{Name: name, Type: Unknown} }

func (k Key) hidden() bool { return k.Sensitive() || k.Type == Unknown }

func (s *liveState) entry(static *Config, k Key, value *string, perBroker bool) Entry {
	e := Entry{Name: k.Name, Value: value, Type: k.Type, ReadOnly: k.Update == ReadOnly, Sensitive: k.hidden(), Source: SourceDefault, Doc: k.Doc}
	if e.Sensitive {
		e.Value = nil
	}
	for _, syn := range s.synonyms(static, k.Name, e.Sensitive) {
		if perBroker || syn.Source == SourceDynamicDefault {
			e.Synonyms = append(e.Synonyms, syn)
		}
	}
	if len(e.Synonyms) > 0 {
		e.Source = e.Synonyms[0].Source
	}
	return e
}

// synonyms lists who sets the setting or a synonym of it, the strongest layer first, from the setting
// itself on: what stands before it under another name is another setting's.
func (s *liveState) synonyms(static *Config, name string, hidden bool) []Synonym {
	var all []Synonym
	add := func(source Source, value func(name string) (string, bool)) {
		for _, n := range brokerSynonyms(name) {
			if v, ok := value(n); ok && (len(all) > 0 || n == name) {
				shown := &v
				if hidden {
					shown = nil
				}
				all = append(all, Synonym{n, shown, source})
			}
		}
	}
	in := func(m map[string]string) func(string) (string, bool) {
		return func(n string) (string, bool) { v, ok := m[n]; return v, ok }
	}
	add(SourceDynamicBroker, in(s.broker))
	add(SourceDynamicDefault, in(s.brokers))
	add(SourceStatic, in(static.settings.raw))
	add(SourceStatic, in(static.settings.unknown))
	add(SourceDefault, func(n string) (string, bool) {
		if k, ok := BrokerKey(n); ok && k.Default != nil {
			return *k.Default, true
		}
		return "", false
	})
	return all
}

// TopicEntries describes a topic that has these settings of its own.
func (l *Live) TopicEntries(overrides map[string]string) []Entry {
	s := l.state.Load()
	values := s.config.topicValues(overrides)
	all := make([]Entry, 0, len(tables().topic))
	for _, k := range tables().topic {
		e := Entry{Name: k.Name, Value: format(values[k.Name]), Type: k.Type, Source: SourceDefault, Sensitive: k.Sensitive(), Doc: k.Doc}
		if _, ok := overrides[k.Name]; ok {
			e.Synonyms = append(e.Synonyms, Synonym{k.Name, e.Value, SourceTopic})
		}
		if k.BrokerName != "" {
			e.Synonyms = append(e.Synonyms, s.synonyms(l.static, k.BrokerName, e.Sensitive)...)
		}
		if len(e.Synonyms) > 0 {
			e.Source = e.Synonyms[0].Source
		}
		all = append(all, e)
	}
	return all
}
