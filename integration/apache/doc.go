// Package apache runs Apache Kafka 3.9.1 and ZooKeeper 3.8.4, the judge of what Ottla does: brokers,
// ZooKeeper servers and Kafka's own command-line tools, as processes of their own on free loopback ports, and Java
// programs of a test's own, compiled when they are needed.
//
//	zk := apache.StartZooKeeper(t)
//	broker := apache.StartBroker(t, apache.BrokerOptions{ID: 1, ZooKeeper: zk.Addr})
//	apache.Tool(t, apache.TopicCommand, "--bootstrap-server", broker.Addr, "--create", "--topic", "orders")
//
// The first use fetches the jars with Maven into a cache (os.UserCacheDir()/ottla/apache-kafka-3.9.1, or what
// OTTLA_APACHE_HOME names: a directory with libs/*.jar); test binaries that run at the same time fetch
// once. Where Java or Maven is missing such a test is skipped, unless OTTLA_REQUIRE_APACHE=1 asks for a
// failure.
//
// A server is handed out when it truly serves: a ZooKeeper that says imok, a broker that finds itself and a
// controller in its own Metadata. Every process dies with the test that started it: at its cleanup, and on
// Linux also when the test binary is killed. What servers print is shown when the test fails.
package apache
