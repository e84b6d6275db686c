package config

import "testing"

func TestMessageFormatCountsInOldClustersOnly(t *testing.T) {
	for _, tc := range []struct {
		protocol, broker, topic string
		want                    int8
	}{
		{"2.8", "", "0.9.0", 0},
		{"2.8", "", "0.10.0-IV0", 1},
		{"2.8", "", "0.10.2", 1},
		{"2.8", "", "0.11.0", 2},
		{"2.8", "0.8.2", "", 0},
		{"2.8", "0.8.2", "0.10.2", 1},
		{"2.8", "", "", 2},
		{"2.8", "", "nonsense", 2}, // written to ZooKeeper by hand
		{"3.0", "0.8.2", "0.9.0", 2},
		{"3.9", "", "0.9.0", 2},
	} {
		settings := map[string]string{"zookeeper.connect": "localhost:1", "inter.broker.protocol.version": tc.protocol}
		if tc.broker != "" {
			settings["log.message.format.version"] = tc.broker
		}
		c, err := build(settings)
		if err != nil {
			t.Fatal(err)
		}
		overrides := map[string]string{}
		if tc.topic != "" {
			overrides["message.format.version"] = tc.topic
		}
		if got := c.Topic(overrides).MessageFormat; got != tc.want {
			t.Errorf("%+v: magic %d", tc, got)
		}
	}
}
