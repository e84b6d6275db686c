package mixed

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const protocolSetting = "inter.broker.protocol.version"

// A cluster that still speaks the protocol of 2.4: leaders of either kind write their ISRs to ZooKeeper, followers of either
// kind ask where epochs ended before they fetch, topics have no ids. Then comes the second roll of an upgrade: one broker
// after another goes over to 3.9, under load, and the controller with it.
func TestAnOldProtocolIsSpokenAndLeft(t *testing.T) {
	t.Parallel()
	c := start(t, map[string]string{"min.insync.replicas": "2", protocolSetting: "2.4"}, kafka, ottla, ottla)
	topics := []string{"orders", "payments", groupsTopic, transactionsTopic}
	c.createTopic("orders", replicas(1, 2, 3), replicas(2, 3, 1), replicas(3, 1, 2))
	c.createTopic("payments", replicas(3, 2, 1), replicas(1, 3, 2), replicas(2, 1, 3))
	load := c.startLoad("orders", 3)
	load.awaitMore(100)
	transactions := c.startTransactions("payments", 3)
	transactions.awaitMore(5)

	for _, id := range []int32{1, 2, 3} {
		c.znodes.says(fmt.Sprint("/brokers/ids/", id), `"version":4`, "features")
	}
	c.znodes.says("/brokers/topics/orders", `"version":3`, "topic_id")
	c.znodes.says("/feature", `"status":0`, "")

	// Kafka's broker dies, under a controller of Ottla's: leaders of Ottla's write it into their ISRs when it is back, it asks them
	// where its epochs ended, and when it leads again they ask it. Then the controller is Kafka's.
	c.moveController(2)
	c.broker(1).kill()
	load.awaitMore(50)
	c.broker(1).start()
	c.awaitAllInSync(topics...)
	c.moveController(1)
	load.awaitMore(50)

	for _, b := range c.brokers {
		b.stop()
		load.awaitMore(50)
		b.settings[protocolSetting] = "3.9"
		b.start()
		c.awaitAllInSync(topics...)
	}
	load.awaitMore(100)
	transactions.awaitMore(5)
	for _, id := range []int32{1, 2, 3} {
		c.znodes.says(fmt.Sprint("/brokers/ids/", id), `"features":{}`, "")
	}
	c.znodes.says("/feature", `{"features":{},"version":2,"status":1}`, "")
	for _, topic := range topics {
		c.znodes.says("/brokers/topics/"+topic, "topic_id", "")
	}
	load.check()
	transactions.check()
	for _, topic := range topics {
		c.compareReplicas(topic, 3)
	}
}

// says waits until a znode has some text in it and, if that is not empty, not another one.
func (z *znodes) says(path, some, not string) {
	z.c.t.Helper()
	z.c.eventually(fmt.Sprintf("%s says %s", path, some), func() error {
		data, err := z.get(path)
		if err != nil {
			return err
		}
		if text := string(data); !strings.Contains(text, some) || not != "" && slices.Contains(strings.FieldsFunc(text, func(r rune) bool { return r == '"' }), not) {
			return fmt.Errorf("it says %s", text)
		}
		return nil
	})
}
