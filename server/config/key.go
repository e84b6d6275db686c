package config

import "sync"

// Type is a setting's type, numbered as DescribeConfigs answers it.
type Type int8

// The types of settings.
const (
	Unknown Type = iota
	Boolean
	String
	Int
	Short
	Long
	Double
	List
	Class
	Password
)

// String is the type's name as Kafka writes it in errors.
func (t Type) String() string {
	return [...]string{"UNKNOWN", "BOOLEAN", "STRING", "INT", "SHORT", "LONG", "DOUBLE", "LIST", "CLASS", "PASSWORD"}[t]
}

// UpdateMode says where a setting may be changed while the broker runs.
type UpdateMode int8

const (
	// ReadOnly counts from the file only.
	ReadOnly UpdateMode = iota
	// PerBroker may change for one broker, not for all at once.
	PerBroker
	// ClusterWide may change for one broker or for all.
	ClusterWide
)

// Standing says how far Ottla obeys a setting.
type Standing int8

const (
	// Obeyed settings do what they say.
	Obeyed Standing = iota
	// NotYet settings do nothing so far; each that is set is warned of.
	NotYet
	// Moot settings tune what Ottla does not have, such as thread pools, the JVM and KRaft.
	Moot
	// Refused settings end the start when they differ from their default: to go on without obeying
	// them would open access, drop data or change who controls the cluster.
	Refused
)

// Key is a row of the table: one setting.
type Key struct {
	Name string
	Type Type
	// Default is the value of a setting that is not set; nil where it then has none.
	Default  *string
	Update   UpdateMode
	Standing Standing
	// Internal settings are no part of what Kafka documents, and DescribeConfigs does not list them.
	Internal bool
	// Doc is what the setting means, in one sentence.
	Doc string

	check check // nil allows everything that has the type
}

// Sensitive reports whether the value must not be shown.
func (k Key) Sensitive() bool { return k.Type == Password }

// TopicKey is a topic's setting, and the broker setting that counts for topics without it.
type TopicKey struct {
	Key
	// BrokerName is the broker setting, or "" without one.
	BrokerName string
}

// BrokerKey finds a broker setting. Names are case-sensitive.
func BrokerKey(name string) (Key, bool) {
	k, ok := tables().brokerByName[name]
	return k, ok
}

// TopicKeyOf finds a topic setting. Names are case-sensitive.
func TopicKeyOf(name string) (TopicKey, bool) {
	k, ok := tables().topicByName[name]
	return k, ok
}

type keyTables struct {
	// In the order of their names, then Ottla's own.
	broker       []Key
	topic        []TopicKey
	brokerByName map[string]Key
	topicByName  map[string]TopicKey
}

// tables is made once, when it is first asked for, and never changes.
var tables = sync.OnceValue(func() keyTables {
	t := keyTables{broker: makeBrokerKeys(), topic: makeTopicKeys()}
	t.brokerByName = make(map[string]Key, len(t.broker))
	for _, k := range t.broker {
		t.brokerByName[k.Name] = k
	}
	t.topicByName = make(map[string]TopicKey, len(t.topic))
	for _, k := range t.topic {
		t.topicByName[k.Name] = k
	}
	return t
})

func key(name string, t Type, def *string, c check, u UpdateMode, s Standing, doc string) Key {
	return Key{Name: name, Type: t, Default: def, Update: u, Standing: s, Doc: doc, check: c}
}

func internal(k Key) Key {
	k.Internal = true
	return k
}

func topicKey(name string, t Type, def *string, c check, s Standing, broker, doc string) TopicKey {
	return TopicKey{Key: key(name, t, def, c, ClusterWide, s, doc), BrokerName: broker}
}

func is(s string) *string { return &s }

// brokerSynonyms lists the broker settings that can decide one's value, the first that is set wins. It
// is what DescribeConfigs shows as synonyms.
func brokerSynonyms(name string) []string {
	switch name {
	case "log.roll.ms", "log.roll.hours":
		return []string{"log.roll.ms", "log.roll.hours"}
	case "log.roll.jitter.ms", "log.roll.jitter.hours":
		return []string{"log.roll.jitter.ms", "log.roll.jitter.hours"}
	case "log.flush.interval.ms":
		return []string{"log.flush.interval.ms", "log.flush.scheduler.interval.ms"}
	case "log.retention.ms", "log.retention.minutes", "log.retention.hours":
		return []string{"log.retention.ms", "log.retention.minutes", "log.retention.hours"}
	}
	return []string{name}
}
