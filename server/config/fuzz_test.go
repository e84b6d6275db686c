package config

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/sirupsen/logrus/hooks/test"
)

// Whatever bytes a file holds, it is read or refused, and what is read is checked or refused.
func FuzzProperties(f *testing.F) {
	f.Add([]byte("zookeeper.connect=embedded\nlog.dirs=a,b\nlisteners=PLAINTEXT://:9092,X://[::1]:1\n"))
	f.Add([]byte("a\\u00e9=\\\n  b\n!c\n:=\n"))
	f.Add([]byte("zookeeper.connect=z\nlistener.security.protocol.map=A:B:PLAINTEXT,\nmax.connections.per.ip.overrides=:1,::1:2\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseProperties(b)
		if err != nil {
			return
		}
		log, _ := test.NewNullLogger()
		c, err := Parse(m, log)
		if err != nil {
			return
		}
		if len(c.Listeners) == 0 || len(c.AdvertisedListeners) == 0 || len(c.LogDirs) == 0 || c.ZooKeeperConnect == "" {
			t.Errorf("a configuration without the least: %+v", c)
		}
		for _, e := range NewLive(c).BrokerEntries() {
			if e.Sensitive && e.Value != nil {
				t.Errorf("%s is shown", e.Name)
			}
		}
	})
}

// A value that is allowed stays the same value when it is written and read again.
func FuzzValue(f *testing.F) {
	f.Add("retention.ms", " +5 ")
	f.Add("min.cleanable.dirty.ratio", "1e-7")
	f.Add("cleanup.policy", "delete , compact")
	f.Add("leader.replication.throttled.replicas", "0:1,\t2:3")
	f.Add("message.format.version", "2.8.x")
	f.Fuzz(func(t *testing.T, name, text string) {
		k, ok := TopicKeyOf(name)
		if !ok {
			return
		}
		v, err := k.parse(text)
		if err != nil {
			if !strings.Contains(err.Error(), name) {
				t.Errorf("%q does not name %s", err, name)
			}
			return
		}
		again, err := k.parse(*format(v))
		if err != nil || *format(again) != *format(v) {
			t.Errorf("%s=%q is %v, and read again %v, %v", name, text, v, again, err)
		}
	})
}

// Each layer counts over those below it, whatever they hold: the naive model is one map after another.
func TestLayersAreOneMapAfterAnother(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	names := []string{"message.max.bytes", "min.insync.replicas", "log.segment.bytes", "background.threads", "num.partitions"}
	layer := func() map[string]string {
		m := map[string]string{}
		for _, n := range names {
			if random.IntN(2) == 0 {
				m[n] = []string{"14", "15", "16"}[random.IntN(3)]
			}
		}
		return m
	}
	for range 300 {
		file, brokers, broker := layer(), layer(), layer()
		want := minimal()
		for _, m := range []map[string]string{file, dynamicOnly(brokers), dynamicOnly(broker)} {
			for k, v := range m {
				want[k] = v
			}
		}
		file["zookeeper.connect"] = want["zookeeper.connect"]
		c, _ := mustParse(t, file)
		l := NewLive(c)
		// The order in which the layers are told does not matter.
		if random.IntN(2) == 0 {
			_, _ = l.SetDefault(brokers), l.SetBroker(broker)
		} else {
			_, _ = l.SetBroker(broker), l.SetDefault(brokers)
		}
		straight, _ := mustParse(t, want)
		for _, k := range tables().broker {
			got, _ := l.Current().Get(k.Name)
			if w, _ := straight.Get(k.Name); got != w {
				t.Fatalf("%s is %s, want %s: %v, %v, %v", k.Name, got, w, file, brokers, broker)
			}
		}
		if !reflect.DeepEqual(l.Current().Topic(nil), straight.Topic(nil)) {
			t.Fatalf("topics differ: %v, %v, %v", file, brokers, broker)
		}
	}
}

// dynamicOnly is what of a layer may be set while the broker runs.
func dynamicOnly(m map[string]string) map[string]string {
	counts, _ := filterDynamic(m, true)
	return counts
}
