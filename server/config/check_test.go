package config

import (
	"strings"
	"testing"
)

// What Apache Kafka 3.9.1 says to each value; "" is allowed, and then shown is how it shows it.
func TestCheckTopic(t *testing.T) {
	const throttled = " must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."
	for _, tc := range []struct{ name, value, shown, problem string }{
		{"compression.gzip.level", "0", "", "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1"},
		{"compression.gzip.level", "10", "", "Invalid value 10 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1"},
		{"compression.gzip.level", "-1", "-1", ""},
		{"compression.lz4.level", "18", "", "Invalid value 18 for configuration compression.lz4.level: Value must be no more than 17"},
		{"compression.zstd.level", "-999999", "", "Invalid value -999999 for configuration compression.zstd.level: Value must be at least -131072"},
		{"compression.type", "foo", "", "Invalid value foo for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer"},
		{"message.timestamp.type", "x", "", "Invalid value x for configuration message.timestamp.type: String must be one of: CreateTime, LogAppendTime"},
		{"message.format.version", "9.9", "", "Invalid value 9.9 for configuration message.format.version: Version 9.9 is not a valid version"},
		{"leader.replication.throttled.replicas", "x", "", "Invalid value [x] for configuration leader.replication.throttled.replicas: leader.replication.throttled.replicas" + throttled},
		{"leader.replication.throttled.replicas", "0:1,2", "", "Invalid value [0:1, 2] for configuration leader.replication.throttled.replicas: leader.replication.throttled.replicas" + throttled},
		{"leader.replication.throttled.replicas", "-1:2", "", "Invalid value [-1:2] for configuration leader.replication.throttled.replicas: leader.replication.throttled.replicas" + throttled},
		{"leader.replication.throttled.replicas", "0:1, 2:3", "0:1,2:3", ""},
		{"leader.replication.throttled.replicas", "1:2,", "1:2,", ""},
		{"leader.replication.throttled.replicas", " * ", "*", ""},
		{"leader.replication.throttled.replicas", "", "", ""},
		{"min.cleanable.dirty.ratio", "1.5", "", "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1"},
		{"min.cleanable.dirty.ratio", "NaN", "NaN", ""},
		{"min.cleanable.dirty.ratio", "0.50", "0.5", ""},
		{"preallocate", "yes", "", "Invalid value yes for configuration preallocate: Expected value to be either true or false"},
		{"preallocate", " TRUE ", "true", ""},
		{"cleanup.policy", "", "", ""},
		{"cleanup.policy", "delete, compact", "delete,compact", ""},
		{"cleanup.policy", "delete,", "", "Invalid value  for configuration cleanup.policy: String must be one of: compact, delete"},
		{"segment.bytes", "13", "", "Invalid value 13 for configuration segment.bytes: Value must be at least 14"},
		{"segment.bytes", "", "", "Invalid value  for configuration segment.bytes: Not a number of type INT"},
		{"segment.bytes", "99999999999", "", "Invalid value 99999999999 for configuration segment.bytes: Not a number of type INT"},
		{"retention.ms", "-2", "", "Invalid value -2 for configuration retention.ms: Value must be at least -1"},
		{"retention.ms", "+5", "5", ""},
		{"retention.ms", "1.0", "", "Invalid value 1.0 for configuration retention.ms: Not a number of type LONG"},
		{"max.compaction.lag.ms", "0", "", "Invalid value 0 for configuration max.compaction.lag.ms: Value must be at least 1"},
		{"no.such", "1", "", "Unknown topic config name: no.such"},
		{"Retention.ms", "1", "", "Unknown topic config name: Retention.ms"},
	} {
		got := ""
		if err := CheckTopic(tc.name, tc.value); err != nil {
			got = err.Error()
		}
		if got != tc.problem {
			t.Errorf("%s=%q: %q, want %q", tc.name, tc.value, got, tc.problem)
		}
		if k, ok := TopicKeyOf(tc.name); ok && got == "" {
			if v, _ := k.parse(tc.value); *format(v) != tc.shown {
				t.Errorf("%s=%q is shown as %q, want %q", tc.name, tc.value, *format(v), tc.shown)
			}
		}
	}
}

// As Apache Kafka 3.9.1 reads them.
func TestVersions(t *testing.T) {
	for _, ok := range strings.Fields("3.9 3.9.1 3.9.1.2 3.9-IV0 0.8.0 0.8.0.5 0.9.0.1 0.8.2.x 1.0 1.0.2 3.9-IV0.1 2.6.x 0.10.0.1 4.0-IV1") {
		if err := CheckTopic("message.format.version", ok); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
	for _, bad := range strings.Fields("3.9-IV1 3.9. 3 0.8.2-IV0 9.9 x") {
		if err := CheckTopic("message.format.version", bad); err == nil {
			t.Errorf("%s is a version", bad)
		}
	}
}

func TestDoublesAreShownAsJavaDoes(t *testing.T) {
	for in, want := range map[float64]string{
		0: "0.0", 0.5: "0.5", 1: "1.0", 100: "100.0", 9999999: "9999999.0", 1e7: "1.0E7", 1.25e-4: "1.25E-4", 0.001: "0.001",
		1.7976931348623157e308: "1.7976931348623157E308", -2.5: "-2.5",
	} {
		if got := formatDouble(in); got != want {
			t.Errorf("%v is shown as %s, want %s", in, got, want)
		}
	}
}

func TestWarningsOfSingleSettings(t *testing.T) {
	for name, want := range map[string]string{
		"retention.ms":                  "",
		"no.such":                       "",
		"message.downconversion.enable": "",
		"local.retention.ms":            "topic configuration local.retention.ms: it does nothing, since Ottla does not have what it tunes",
	} {
		if got := TopicWarning(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]string{
		"message.max.bytes":         "",
		"background.threads":        "configuration background.threads: it does nothing, since Ottla does not have what it tunes",
		"connections.max.reauth.ms": "configuration connections.max.reauth.ms: known, but not obeyed yet",
		"no.such":                   "configuration no.such: unknown, it does nothing",
	} {
		if got := BrokerWarning(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
