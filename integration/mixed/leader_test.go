package mixed

import (
	"fmt"
	"testing"
	"time"
)

// An Ottla broker leads and Apache Kafka's replica fetchers copy from it, first under a controller of
// Kafka's, then under one of ours: the ISR shrinks when a follower is frozen and grows when it is back.
func TestOttlaLeadsAndApacheFollows(t *testing.T) {
	c := start(t, map[string]string{
		"replica.lag.time.max.ms": "1500",
		// Longer than the lag, so that it is the leader who drops a frozen follower, not the controller.
		"zookeeper.session.timeout.ms": "15000",
	}, kafka, kafka, ottla)
	for _, controller := range []int32{1, 3} {
		t.Run(fmt.Sprintf("under the controller of %s", c.broker(controller).kind), func(t *testing.T) {
			c.moveController(controller)
			c.awaitController(controller)
			topic := fmt.Sprint("orders-", controller)
			c.createTopic(topic, replicas(3, 1, 2), replicas(3, 2, 1))
			c.produce(c.broker(3), topic, 2, 500)
			c.awaitISR(topic, 0, 1, 2, 3)
			c.compareReplicas(topic, 2)

			c.broker(2).pause()
			started := time.Now()
			c.produce(c.broker(3), topic, 2, 100) // acks=all waits until the frozen follower has left the ISR
			t.Logf("a frozen follower held records back for %v", time.Since(started).Round(time.Millisecond))
			c.awaitISR(topic, 0, 1, 3)
			c.broker(2).resume()
			c.awaitISR(topic, 0, 1, 2, 3)
			c.awaitISR(topic, 1, 1, 2, 3)
			c.compareReplicas(topic, 2)
		})
	}
}

// An Ottla broker that is told to stop hands its leadership to Apache Kafka while records flow.
func TestOttlaHandsLeadershipToApache(t *testing.T) {
	c := start(t, nil, kafka, kafka, ottla)
	for _, controller := range []int32{1, 3} {
		t.Run(fmt.Sprintf("under the controller of %s", c.broker(controller).kind), func(t *testing.T) {
			c.moveController(controller)
			c.awaitController(controller)
			topic := fmt.Sprint("orders-", controller)
			c.createTopic(topic, replicas(3, 1, 2), replicas(3, 2, 1))
			load := c.startLoad(topic, 2)
			load.awaitMore(100)
			c.broker(3).stop()
			c.awaitLeader(topic, 0, 1)
			c.awaitLeader(topic, 1, 2)
			load.awaitMore(100)
			load.check()
		})
		if controller == 1 {
			c.broker(3).start()
		}
	}
}
