package config

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// rows reads a table that was read by reflection from Apache Kafka 3.9.1.
func rows(t *testing.T, file string) [][]string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]string
	for _, line := range strings.Split(strings.TrimRight(string(b), "\n"), "\n") {
		if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "name\t") {
			all = append(all, strings.Split(line, "\t"))
		}
	}
	return all
}

func shown(def *string) string {
	switch {
	case def == nil:
		return "null"
	case *def == "":
		return "(empty)"
	}
	return *def
}

// ownDefaults are the defaults that differ from Kafka's, with Kafka's. The reason stands at the setting.
var ownDefaults = map[string]string{"socket.send.buffer.bytes": "102400"}

func TestTheBrokerTableIsKafkas(t *testing.T) {
	modes := map[string]UpdateMode{"read-only": ReadOnly, "per-broker": PerBroker, "cluster-wide": ClusterWide}
	kafka := rows(t, "broker-configs.tsv")
	for _, r := range kafka {
		k, ok := BrokerKey(r[0])
		if !ok {
			t.Errorf("%s is missing", r[0])
			continue
		}
		def := shown(k.Default)
		if kafkas, differs := ownDefaults[k.Name]; differs {
			if def == kafkas {
				t.Errorf("%s has Kafka's default", k.Name)
			}
			def = kafkas
		}
		if k.Type.String() != r[1] || def != r[2] || k.Update != modes[r[5]] || k.Internal != (r[6] == "true") {
			t.Errorf("%s: %v %s %v %v, Kafka has %v", k.Name, k.Type, shown(k.Default), k.Update, k.Internal, r)
		}
		if got := strings.Join(brokerSynonyms(k.Name), ","); got != r[7] {
			t.Errorf("%s has the synonyms %s, Kafka %s", k.Name, got, r[7])
		}
	}
	if ours := len(tables().broker) - len(kafka); ours != 5 {
		t.Errorf("%d settings are not Kafka's, want 5", ours)
	}
}

func TestTheTopicTableIsKafkas(t *testing.T) {
	kafka := rows(t, "topic-configs.tsv")
	for _, r := range kafka {
		k, ok := TopicKeyOf(r[0])
		if !ok {
			t.Errorf("%s is missing", r[0])
			continue
		}
		if broker, _, _ := strings.Cut(r[6], ","); k.Type.String() != r[1] || shown(k.Default) != r[2] || k.BrokerName != broker {
			t.Errorf("%s: %v %s %s, Kafka has %v", k.Name, k.Type, shown(k.Default), k.BrokerName, r)
		}
	}
	if len(tables().topic) != len(kafka) {
		t.Errorf("%d topic settings, Kafka has %d", len(tables().topic), len(kafka))
	}
}

func TestEveryRowIsSound(t *testing.T) {
	all := slices.Clone(tables().broker)
	for _, k := range tables().topic {
		all = append(all, k.Key)
	}
	folded := map[string]string{}
	for _, k := range tables().broker {
		// viper folds names, so two that differ in case only would be one.
		if twin, ok := folded[strings.ToLower(k.Name)]; ok {
			t.Errorf("%s and %s differ in case only", k.Name, twin)
		}
		folded[strings.ToLower(k.Name)] = k.Name
	}
	for _, k := range all {
		if k.Doc == "" || !strings.HasSuffix(k.Doc, ".") {
			t.Errorf("%s has no sentence that says what it means", k.Name)
		}
		if k.Default != nil {
			if v, err := k.parse(*k.Default); err != nil || *format(v) != *k.Default {
				t.Errorf("%s: its default %s is read as %v, %v", k.Name, *k.Default, v, err)
			}
		}
	}
}

// What a row calls obeyed has a field, directly or by a function that the list names; a tag names a row
// of the field's type.
func TestObeyedSettingsHaveFields(t *testing.T) {
	byFunction := []string{
		"advertised.listeners", "listeners", "listener.security.protocol.map", "inter.broker.listener.name", "security.inter.broker.protocol",
		"log.dir", "log.dirs", "node.id", "max.connections.per.ip.overrides", "zookeeper.connection.timeout.ms", "embedded.zookeeper.data.dir",
		"inter.broker.protocol.version", "control.plane.listener.name", "num.replica.alter.log.dirs.threads",
	}
	fields := map[string]bool{}
	for _, s := range []any{Config{}, Topic{}} {
		ty := reflect.TypeOf(s)
		for i := range ty.NumField() {
			if name := ty.Field(i).Tag.Get("key"); name != "" {
				fields[name] = true
			}
		}
	}
	for _, k := range tables().broker {
		isDefaultOfTopic := slices.ContainsFunc(tables().topic, func(t TopicKey) bool { return slices.Contains(brokerSynonyms(t.BrokerName), k.Name) })
		if k.Standing == Obeyed && !fields[k.Name] && !isDefaultOfTopic && !slices.Contains(byFunction, k.Name) {
			t.Errorf("%s is called obeyed, but fills nothing", k.Name)
		}
	}
	for name := range fields {
		_, broker := BrokerKey(name)
		_, topic := TopicKeyOf(name)
		if !broker && !topic {
			t.Errorf("a field is tagged %s, which is no setting", name)
		}
	}
}
