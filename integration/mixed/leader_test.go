package mixed

import (
	"fmt"
	"testing"
	"time"
)

// An Ottla broker leads and Apache Kafka's replica fetchers copy from it, first under a controller of
// Kafka's, then under one of ours: the ISR shrinks when a follower is frozen and grows when it is back.
func TestOttlaLeadsAndApacheFollows(t *testing.T) {
	t.Parallel()
	c := start(t, map[string]string{
		"replica.lag.time.max.ms": "1500",
		// Longer than the lag, so that it is the leader who drops a frozen follower, not the controller.
		"zookeeper.session.timeout.ms": "15000",
	}, kafka, kafka, ottla)
	for _, controller := range []int32{1, 3} {
		c.run(fmt.Sprintf("under the controller of %s", c.broker(controller).kind), func(t *testing.T) {
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

// An Ottla broker that is told to stop hands its leadership to Apache Kafka while records flow, and comes back.
// One that is killed and started again within its session finds its registration there and replaces it: the
// controller sees a broker with another epoch, and whether it was the controller itself makes no difference. One
// that is frozen for longer than its session wakes up deposed, with records that nobody has acknowledged.
func TestOttlaLeavesAndComesBack(t *testing.T) {
	t.Parallel()
	c := start(t, map[string]string{"min.insync.replicas": "2"}, kafka, kafka, ottla)
	us := c.broker(3)
	for _, controller := range []int32{1, 3} {
		c.run(fmt.Sprintf("under the controller of %s", c.broker(controller).kind), func(t *testing.T) {
			topic := fmt.Sprint("orders-", controller)
			c.createTopic(topic, replicas(3, 1, 2), replicas(3, 2, 1), replicas(1, 3, 2))
			load := c.startLoad(topic, 3)
			for _, absence := range []struct {
				how   string
				leave func()
			}{
				{"stopped", func() {
					us.stop()
					c.awaitLeader(topic, 0, 1)
					c.awaitLeader(topic, 1, 2)
					load.awaitMore(100)
					us.start()
				}},
				{"killed, and back within its session", func() {
					us.kill()
					c.startAll(us)
				}},
				{"frozen for longer than its session", func() {
					us.pause()
					us.awaitUnregistered()
					c.awaitLeader(topic, 0, 1)
					load.awaitMore(100)
					us.resume()
				}},
			} {
				c.moveController(controller)
				c.awaitController(controller)
				load.awaitMore(100)
				absence.leave()
				c.awaitAllInSync(topic, groupsTopic)
				t.Logf("%s: and back", absence.how)
			}
			load.check()
			c.compareReplicas(topic, 3)
			c.compareReplicas(groupsTopic, 3)
		})
	}
}
