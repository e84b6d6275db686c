// Package testcluster runs a whole broker and its ZooKeeper inside a Go test: the real thing on free ports
// of the loopback interface, ready when Start returns, gone when the test ends.
//
//	func TestOrders(t *testing.T) {
//		cluster := testcluster.Start(t, 1)
//		producer, err := sarama.NewSyncProducer(cluster.Addrs(), nil)
//		...
//	}
//
// ZooKeeper keeps its tree in memory; the broker's log lies in t.TempDir. What the broker logs goes to the
// test's log, so that it is seen when the test fails.
package testcluster
