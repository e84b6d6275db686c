package config

import "math"

// NoThrottle is a rate of replication that bounds nothing.
const NoThrottle int64 = math.MaxInt64

// runtimeKeys are settings of brokers that count only while a broker runs: they are in no server.properties, and so neither in
// the table nor described [DynamicConfig.Broker].
func runtimeKeys() []Key {
	const most = "9223372036854775807"
	return []Key{
		key("leader.replication.throttled.rate", Long, is(most), atLeast(0), ClusterWide, Obeyed,
			"Bytes a second that this broker sends, at most, to throttled replicas that are not in sync."),
		key("follower.replication.throttled.rate", Long, is(most), atLeast(0), ClusterWide, Obeyed,
			"Bytes a second that this broker copies, at most, into throttled replicas that are not in sync."),
		key("replica.alter.log.dirs.io.max.bytes.per.second", Long, is(most), atLeast(0), ClusterWide, Obeyed,
			"Bytes a second that this broker copies, at most, from one log directory into another."),
	}
}

func runtimeKey(name string) (Key, bool) {
	for _, k := range runtimeKeys() {
		if k.Name == name {
			return k, true
		}
	}
	return Key{}, false
}

// runtimeRate is such a setting's value: this broker's own, or that of all brokers.
func runtimeRate(name string, brokers, broker map[string]string) int64 {
	k, _ := runtimeKey(name)
	for _, layer := range []map[string]string{broker, brokers} {
		text, set := layer[name]
		if v, err := k.parse(text); set && err == nil {
			return v.(int64)
		}
	}
	return NoThrottle
}
