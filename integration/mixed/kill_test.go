package mixed

import "testing"

// groupsTopic is where the groups' offsets are kept.
const groupsTopic = "__consumer_offsets"

// Each broker in turn dies by kill -9, leader of some partitions, follower of others and perhaps the group's
// coordinator, while records flow; with two kinds of cluster, and the controller among the dead or not.
func TestNothingAcknowledgedIsLostWhenEachBrokerIsKilled(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		kinds []kind
		// controllerFor is who is made the controller before a broker is killed.
		controllerFor map[int32]int32
	}{
		"two Kafka and one Ottla, the controller survives": {[]kind{kafka, kafka, ottla}, map[int32]int32{1: 3, 2: 3, 3: 1}},
		"one Kafka and two Ottla, the controller dies":     {[]kind{kafka, ottla, ottla}, map[int32]int32{1: 1, 2: 2, 3: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, map[string]string{"min.insync.replicas": "2"}, tc.kinds...)
			const topic = "orders"
			c.createTopic(topic, replicas(1, 2, 3), replicas(2, 3, 1), replicas(3, 1, 2))
			load := c.startLoad(topic, 3)
			load.awaitMore(100)
			for _, victim := range c.brokers {
				c.moveController(tc.controllerFor[victim.id])
				load.awaitMore(100)
				t.Logf("broker %d (%s) is killed", victim.id, victim.kind)
				victim.kill()
				load.awaitMore(100)
				victim.start()
				c.awaitAllInSync(topic, groupsTopic)
			}
			load.awaitMore(100)
			load.check()
			c.compareReplicas(topic, 3)
			c.compareReplicas(groupsTopic, 3)
		})
	}
}

// Three Kafka brokers become Ottla brokers, one after another, on their own directories and under their own
// ids, while records flow and transactions are committed and aborted; and then Kafka brokers again.
func TestAClusterIsRolledFromApacheToOttlaAndBack(t *testing.T) {
	t.Parallel()
	c := start(t, map[string]string{"min.insync.replicas": "2"}, kafka, kafka, kafka)
	topics := []string{"orders", "payments", groupsTopic, transactionsTopic}
	c.createTopic("orders", replicas(1, 2, 3), replicas(2, 3, 1), replicas(3, 1, 2))
	c.createTopic("payments", replicas(3, 2, 1), replicas(1, 3, 2), replicas(2, 1, 3))
	load := c.startLoad("orders", 3)
	load.awaitMore(100)
	transactions := c.startTransactions("payments", 3)
	transactions.awaitMore(5)
	for _, to := range []kind{ottla, kafka} {
		for _, b := range c.brokers {
			b.stop()
			load.awaitMore(50)
			transactions.awaitMore(5)
			b.startAs(to)
			c.awaitAllInSync(topics...)
		}
		t.Logf("all brokers are %s", to)
		load.awaitMore(100)
		transactions.awaitMore(10)
		for _, topic := range topics {
			c.compareReplicas(topic, 3)
		}
	}
	load.check()
	transactions.check()
	for _, topic := range topics {
		c.compareReplicas(topic, 3)
	}
}

// awaitAllInSync waits until every replica of these topics of three partitions is in sync, and then gives the
// leaders back to those who are preferred, so that each broker leads some partition again.
func (c *cluster) awaitAllInSync(topics ...string) {
	c.t.Helper()
	for _, topic := range topics {
		for p := range int32(3) {
			c.awaitISR(topic, p, 1, 2, 3)
		}
	}
	for _, topic := range topics {
		c.electPreferred(topic, 3)
	}
}
