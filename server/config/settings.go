package config

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/viper"
)

// settings are the values as they were set, and as the table reads them.
type settings struct {
	raw     map[string]string // known and set, by the file or by what lies over it
	unknown map[string]string // set, and in no table
	values  map[string]Value  // every known setting, set or by default; nil has no value
}

// keyDelimiter is what viper takes for the step into a nested setting. No name can hold it, so that
// the dots in Kafka's names are just letters.
const keyDelimiter = "\x00"

// newSettings lays the layers over each other, the later over the earlier, and parses the outcome. It
// tells all values that are wrong, joined.
//
// Names are matched before viper sees them: viper folds their case, and Kafka does not.
func newSettings(layers ...map[string]string) (*settings, error) {
	s := &settings{raw: map[string]string{}, unknown: map[string]string{}, values: map[string]Value{}}
	v := viper.NewWithOptions(viper.KeyDelimiter(keyDelimiter))
	for _, layer := range layers {
		known := make(map[string]any, len(layer))
		for name, value := range layer {
			if _, ok := BrokerKey(name); ok {
				known[name] = value
			} else {
				s.unknown[name] = value
			}
		}
		// Setting, not merging: viper's merge of two layers looks into their values.
		for name, value := range known {
			v.Set(name, value)
		}
	}
	var wrong []error
	for _, k := range tables().broker {
		if v.IsSet(k.Name) {
			s.raw[k.Name] = v.GetString(k.Name)
		}
	}
	s.twinNames()
	for _, k := range tables().broker {
		text, set := s.raw[k.Name]
		if !set {
			if k.Default == nil {
				s.values[k.Name] = nil
				continue
			}
			text = *k.Default
		}
		value, err := k.parse(text)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		s.values[k.Name] = value
	}
	return s, errors.Join(wrong...)
}

// twinNames makes broker.id and node.id one setting with two names, as Kafka does.
func (s *settings) twinNames() {
	broker, hasBroker := s.raw["broker.id"]
	node, hasNode := s.raw["node.id"]
	switch {
	case hasBroker && !hasNode:
		s.raw["node.id"] = broker
	case hasNode && !hasBroker:
		s.raw["broker.id"] = node
	}
}

// isSet reports whether anybody set the value, rather than its default counting.
func (s *settings) isSet(name string) bool {
	_, ok := s.raw[name]
	return ok
}

func (s *settings) text(name string) string {
	v, _ := s.values[name].(string)
	return v
}

func (s *settings) list(name string) []string {
	v, _ := s.values[name].([]string)
	return v
}

// number is a whole number of any size; ok is false where the setting has no value.
func (s *settings) number(name string) (n int64, ok bool) {
	switch v := s.values[name].(type) {
	case int16:
		return int64(v), true
	case int32:
		return int64(v), true
	case int64:
		return v, true
	}
	return 0, false
}

func sortedNames(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// listenerKey takes the prefix of one listener off a name, such as that of
// listener.name.external.ssl.keystore.location: what remains is set for that listener only.
func listenerKey(name string) (listener, rest string, ok bool) {
	after, ok := strings.CutPrefix(name, "listener.name.")
	if !ok {
		return "", "", false
	}
	listener, rest, ok = strings.Cut(after, ".")
	return listener, rest, ok && listener != "" && rest != ""
}
