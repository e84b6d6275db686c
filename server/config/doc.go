// Package config turns server.properties into typed settings.
//
// Its one idea is a table. keys.go holds a row for every setting a broker of Apache Kafka 3.9 knows:
// name, type, default, what it allows, whether it may change while the broker runs, what it means, and
// how far Ottla obeys it. topic_keys.go is the same for topics. Nothing else knows a default or a limit.
//
//	server.properties, --override    Load: names are matched against the table, values parsed by it
//	/config/brokers/<default>        Live.SetDefault: over the file
//	/config/brokers/N                Live.SetBroker: over both
//	        |
//	     settings --- Config, typed, immutable: what the parts of the broker are built from
//	        |
//	     /config/topics/T over it --- Topic, typed: what one topic's logs obey
//
// A name that Kafka does not know is warned of once. So is one that is set but not obeyed, for silence
// would promise what does not happen. Settings whose neglect would open access, drop data or change who
// controls the cluster end the start instead. All that is wrong is told at once, before anything is touched.
//
// The texts of a wrong value are Kafka's to the letter, since clients see them too.
package config
