package config

import (
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"time"
)

func mustLive(t *testing.T, more ...string) *Live {
	t.Helper()
	c, _ := mustParse(t, minimal(more...))
	return NewLive(c)
}

func find(t *testing.T, all []Entry, name string) Entry {
	t.Helper()
	for _, e := range all {
		if e.Name == name {
			return e
		}
	}
	t.Fatalf("%s is not described", name)
	return Entry{}
}

// line is an entry on one line: name value read-only source sensitive type synonyms.
func line(e Entry) string {
	null := func(s *string) string {
		if s == nil {
			return "~"
		}
		return *s
	}
	var synonyms []string
	for _, s := range e.Synonyms {
		synonyms = append(synonyms, fmt.Sprintf("%s=%s@%d", s.Name, null(s.Value), s.Source))
	}
	return fmt.Sprintf("%s\t%s\t%t\t%d\t%t\t%s\t%s", e.Name, null(e.Value), e.ReadOnly, e.Source, e.Sensitive, e.Type, strings.Join(synonyms, " "))
}

func TestBrokerEntriesAreKafkas(t *testing.T) {
	b, err := os.ReadFile("testdata/broker-entries.tsv")
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(b), "\n")
	_, list, _ := strings.Cut(head, "holds: ")
	properties := map[string]string{}
	for _, pair := range strings.Fields(list) {
		k, v, _ := strings.Cut(pair, "=")
		properties[k] = v
	}
	c, _ := mustParse(t, properties)
	got := map[string]string{}
	for _, e := range NewLive(c).BrokerEntries() {
		got[e.Name] = line(e)
		if kafkas, ok := ownDefaults[e.Name]; ok {
			got[e.Name] = strings.ReplaceAll(got[e.Name], *e.Value, kafkas)
		}
	}
	n := 0
	for _, want := range strings.Split(strings.TrimRight(string(b), "\n"), "\n") {
		if strings.HasPrefix(want, "#") {
			continue
		}
		n++
		name, _, _ := strings.Cut(want, "\t")
		if got[name] != want {
			t.Errorf("%s\nKafka: %s", got[name], want)
		}
	}
	if len(got) != n+5 {
		t.Errorf("%d entries, want Kafka's %d and our 5", len(got), n)
	}
}

func TestLayersOfDynamicSettings(t *testing.T) {
	l := mustLive(t, "broker.id", "1", "log.retention.hours", "24")
	if err := l.SetDefault(map[string]string{"background.threads": "12", "log.retention.ms": "1000"}); err != nil {
		t.Fatal(err)
	}
	if err := l.SetBroker(map[string]string{"background.threads": "13"}); err != nil {
		t.Fatal(err)
	}
	want := "background.threads\t13\tfalse\t2\tfalse\tINT\tbackground.threads=13@2 background.threads=12@3 background.threads=10@5"
	if got := line(find(t, l.BrokerEntries(), "background.threads")); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	want = "background.threads\t12\tfalse\t3\tfalse\tINT\tbackground.threads=12@3"
	if all := l.DefaultEntries(); len(all) != 2 || line(all[0]) != want {
		t.Errorf("%v, want %s", all, want)
	}
	// A dynamic log.retention.ms goes before the hours of the file, and topics follow at once.
	if got := l.Current().Topic(nil).RetentionAge; got != time.Second {
		t.Errorf("retention %v, want a second", got)
	}
	want = "retention.ms\t1000\tfalse\t3\tfalse\tLONG\tlog.retention.ms=1000@3 log.retention.hours=24@4 log.retention.hours=168@5"
	if got := line(find(t, l.TopicEntries(nil), "retention.ms")); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if err := l.SetDefault(nil); err != nil || l.Current().Topic(nil).RetentionAge != 24*time.Hour {
		t.Errorf("taken back: %v, retention %v", err, l.Current().Topic(nil).RetentionAge)
	}
	if l.Current().BrokerID != 1 {
		t.Errorf("the broker's number is now %d", l.Current().BrokerID)
	}
}

func TestAMadeBrokerIDOutlivesDynamicSettings(t *testing.T) {
	c, _ := mustParse(t, minimal())
	l := NewLive(c.WithBrokerID(1001))
	if err := l.SetDefault(map[string]string{"min.insync.replicas": "2"}); err != nil || l.Current().BrokerID != 1001 {
		t.Errorf("%v, broker %d", err, l.Current().BrokerID)
	}
}

func TestWhatCannotCountIsLeftOut(t *testing.T) {
	l := mustLive(t)
	err := l.SetDefault(map[string]string{
		"num.partitions": "7", "listeners": "PLAINTEXT://:1", "min.insync.replicas": "none", "message.max.bytes": "9", "no.such": "1",
	})
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("error %v, want three", err)
	}
	if c := l.Current(); c.NumPartitions != 1 || c.Topic(nil).MaxMessageBytes != 9 || c.Topic(nil).MinInsyncReplicas != 1 {
		t.Errorf("partitions %d, topic %+v", c.NumPartitions, c.Topic(nil))
	}
	if brokers, _ := l.Dynamic(); len(brokers) != 2 {
		t.Errorf("%v counts", brokers)
	}
	if e := find(t, l.BrokerEntries(), "no.such"); e.Value != nil || !e.Sensitive || e.Source != SourceDynamicDefault {
		t.Errorf("an unknown setting is described as %s", line(e))
	}
	// What does not go together with the file changes nothing.
	if err := l.SetBroker(map[string]string{"log.retention.ms": "0", "message.max.bytes": "8"}); err == nil || l.Current().Topic(nil).MaxMessageBytes != 9 {
		t.Errorf("%v, max.message.bytes %d", err, l.Current().Topic(nil).MaxMessageBytes)
	}
}

func TestCheckDynamic(t *testing.T) {
	l := mustLive(t)
	for name, tc := range map[string]struct {
		configs   map[string]string
		perBroker bool
		want      string
	}{
		"may change":                           {map[string]string{"min.insync.replicas": "2"}, false, ""},
		"unknown":                              {map[string]string{"no.such.conf": "1"}, true, ""},
		"read-only":                            {map[string]string{"broker.id": "5"}, true, "Cannot update these configs dynamically: Set(broker.id)"},
		"read-only, for all":                   {map[string]string{"log.dirs": "/x"}, false, "Cannot update these configs dynamically: Set(log.dirs)"},
		"read-only goes before the value":      {map[string]string{"log.dirs": "/x", "min.insync.replicas": "x"}, false, "Cannot update these configs dynamically: Set(log.dirs)"},
		"one broker's, for all":                {map[string]string{"listeners": "PLAINTEXT://:1"}, false, "Cannot update these configs at default cluster level, broker id must be specified: Set(listeners)"},
		"no number":                            {map[string]string{"background.threads": "abc"}, true, "Invalid value abc for configuration background.threads: Not a number of type INT"},
		"too small":                            {map[string]string{"min.insync.replicas": "0"}, true, "Invalid value 0 for configuration min.insync.replicas: Value must be at least 1"},
		"together with the file":               {map[string]string{"log.retention.ms": "0"}, true, "log.retention.ms=0: log.retention.ms must be unlimited (-1) or, greater than or equal to 1"},
		"allowed by Kafka but not yet by us":   {map[string]string{"advertised.listeners": "PLAINTEXT://h:1"}, true, "advertised.listeners cannot be changed while the broker runs yet; change it in the file and restart the broker"},
		"how long producers are remembered":    {map[string]string{"producer.id.expiration.ms": "5"}, false, ""},
		"for the next start":                   {map[string]string{"num.recovery.threads.per.data.dir": "5"}, true, ""},
		"a password":                           {map[string]string{"ssl.keystore.password": "x"}, true, "ssl.keystore.password cannot be changed while the broker runs yet; change it in the file and restart the broker"},
		"one broker's that changes nothing":    {map[string]string{"listeners": "PLAINTEXT://:9092"}, true, ""},
		"the same key for one and for another": {map[string]string{"log.roll.ms": "5", "log.roll.jitter.ms": "3"}, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := l.CheckDynamic(tc.configs, tc.perBroker); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

func TestTopicEntries(t *testing.T) {
	l := mustLive(t, "log.retention.ms", "-1", "log.roll.hours", "876000")
	overrides := map[string]string{"retention.ms": "123456", "cleanup.policy": "compact, delete"}
	for name, want := range map[string]string{
		"retention.ms":     "retention.ms\t123456\tfalse\t1\tfalse\tLONG\tretention.ms=123456@1 log.retention.ms=-1@4 log.retention.hours=168@5",
		"cleanup.policy":   "cleanup.policy\tcompact,delete\tfalse\t1\tfalse\tLIST\tcleanup.policy=compact,delete@1 log.cleanup.policy=delete@5",
		"compression.type": "compression.type\tproducer\tfalse\t5\tfalse\tSTRING\tcompression.type=producer@5",
		"segment.bytes":    "segment.bytes\t1073741824\tfalse\t5\tfalse\tINT\tlog.segment.bytes=1073741824@5",
		// Decided by the hours, which are no synonym of themselves: Kafka calls it a default.
		"segment.ms":            "segment.ms\t3153600000000\tfalse\t5\tfalse\tLONG\t",
		"remote.storage.enable": "remote.storage.enable\tfalse\tfalse\t5\tfalse\tBOOLEAN\t",
	} {
		if got := line(find(t, l.TopicEntries(overrides), name)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if n := len(l.TopicEntries(nil)); n != 36 {
		t.Errorf("%d topic settings, want 36", n)
	}
}

func TestLayersAreNotShared(t *testing.T) {
	l := mustLive(t)
	m := map[string]string{"min.insync.replicas": "2"}
	if err := l.SetDefault(m); err != nil {
		t.Fatal(err)
	}
	before := l.Current()
	maps.DeleteFunc(m, func(string, string) bool { return true })
	if err := l.SetBroker(nil); err != nil || l.Current().Topic(nil).MinInsyncReplicas != 2 {
		t.Errorf("%v, the caller's map is still in use", err)
	}
	if before.Topic(nil).MinInsyncReplicas != 2 {
		t.Error("an earlier configuration changed")
	}
}

func TestWhatStoodInZooKeeperMayStay(t *testing.T) {
	l := mustLive(t)
	left := map[string]string{"advertised.listeners": "PLAINTEXT://old:1"}
	if err := l.SetBroker(left); err != nil {
		t.Fatal(err)
	}
	left["min.insync.replicas"] = "2"
	if err := l.CheckDynamic(left, true); err != nil {
		t.Errorf("another setting cannot be changed any more: %v", err)
	}
}
