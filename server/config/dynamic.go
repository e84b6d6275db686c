package config

import (
	"fmt"
	"strings"
)

// NotDynamicError says that settings cannot change while the broker runs, or not for all brokers at
// once. Its text is Kafka's.
type NotDynamicError struct {
	Names []string
	// PerBroker tells that they may be set for one broker.
	PerBroker bool
}

func (e *NotDynamicError) Error() string {
	set := "Set(" + strings.Join(e.Names, ", ") + ")"
	if e.PerBroker {
		return "Cannot update these configs at default cluster level, broker id must be specified: " + set
	}
	return "Cannot update these configs dynamically: " + set
}

// CheckDynamic tells whether these may become the dynamic settings of this broker (perBroker) or of all:
// each by the table, and together with the file and the other layer.
func (l *Live) CheckDynamic(m map[string]string, perBroker bool) error {
	var readOnly, onlyPerBroker []string
	for _, name := range sortedNames(m) {
		k, known := BrokerKey(name)
		switch {
		case known && k.Update == ReadOnly:
			readOnly = append(readOnly, name)
		case known && k.Update == PerBroker && !perBroker:
			onlyPerBroker = append(onlyPerBroker, name)
		}
	}
	if len(readOnly) > 0 {
		return &NotDynamicError{Names: readOnly}
	}
	for _, name := range sortedNames(m) {
		if err := CheckBroker(name, m[name]); err != nil {
			return err
		}
	}
	if len(onlyPerBroker) > 0 {
		return &NotDynamicError{Names: onlyPerBroker, PerBroker: true}
	}
	s := l.state.Load()
	before, brokers, broker := s.brokers, m, s.broker
	if perBroker {
		before, brokers, broker = s.broker, s.brokers, m
	}
	if _, err := l.layered(brokers, broker); err != nil {
		return err
	}
	return l.notInForce(m, before)
}

// notInForce refuses what Ottla could take but would not act on before a restart: an operator who is
// told NONE believes that it is in force. What stood there before, as Kafka may have left it, may stay.
func (l *Live) notInForce(m, before map[string]string) error {
	for _, name := range sortedNames(m) {
		k, known := BrokerKey(name)
		if old, stood := before[name]; !known || stood && old == m[name] {
			continue
		}
		v, _ := k.parse(m[name]) // checked
		if readAtStart(k) && text(v) != text(l.static.settings.values[name]) {
			return fmt.Errorf("%s cannot be changed while the broker runs yet; change it in the file and restart the broker", name)
		}
		if k.Sensitive() {
			return fmt.Errorf("%s cannot be kept in ZooKeeper yet; set it in the file", name)
		}
	}
	return nil
}

// readAtStart tells which settings Kafka changes while it runs and Ottla does not: those of listeners.
// num.recovery.threads.per.data.dir is none of them: what it counts are the loadings of a start, and the next one obeys it.
func readAtStart(k Key) bool { return k.Update == PerBroker }
