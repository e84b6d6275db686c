package mixed

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// fetchKey is the API key of Fetch.
const fetchKey = 1

// fetched counts the bytes that a consumer's fetches brought from each of two brokers.
type fetched [2]atomic.Int64

// OnBrokerRead is called by the client for each answer.
func (f *fetched) OnBrokerRead(broker kgo.BrokerMetadata, key int16, bytes int, _, _ time.Duration, err error) {
	if key == fetchKey && err == nil && (broker.NodeID == 1 || broker.NodeID == 2) {
		f[broker.NodeID-1].Add(int64(bytes))
	}
}

// A consumer that names its rack reads there, whoever leads and whoever follows (KIP-392): an Ottla leader sends
// it to an Apache Kafka follower, and the other way round.
func TestConsumersReadInTheirRack(t *testing.T) {
	t.Parallel()
	c := prepare(t, map[string]string{"replica.selector.class": "org.apache.kafka.common.replica.RackAwareReplicaSelector"}, kafka, ottla)
	for _, b := range c.brokers {
		b.settings["broker.rack"] = fmt.Sprint("rack-", b.id)
	}
	c.begin()
	for _, leader := range []int32{1, 2} {
		follower := 3 - leader
		c.run(fmt.Sprintf("from %s to %s", c.broker(leader).kind, c.broker(follower).kind), func(t *testing.T) {
			topic := fmt.Sprint("orders-", leader)
			c.createTopic(topic, replicas(leader, follower))
			const records = 1000
			c.produce(c.broker(leader), topic, 1, records)
			c.awaitISR(topic, 0, 1, 2)
			for rack, from := range map[string]int32{fmt.Sprint("rack-", follower): follower, fmt.Sprint("rack-", leader): leader, "elsewhere": leader} {
				if bytes := c.readFrom(rack, topic, records); bytes[from-1] < 10*bytes[2-from] {
					t.Errorf("a consumer in %s read %v bytes from brokers 1 and 2, want most from broker %d", rack, bytes, from)
				}
			}
		})
	}
}

// readFrom reads a topic as a consumer in some rack, as records come; it returns how many bytes came from
// brokers 1 and 2.
func (c *cluster) readFrom(rack, topic string, records int) [2]int64 {
	c.t.Helper()
	var from fetched
	client, err := kgo.NewClient(kgo.SeedBrokers(c.addrs()...), kgo.Rack(rack), kgo.WithHooks(&from), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxPartitionBytes(1000))
	if err != nil {
		c.t.Fatal(err)
	}
	defer client.Close()
	var next int64
	for next < int64(records) {
		fetches := client.PollFetches(c.patient())
		if err := fetches.Err(); err != nil {
			c.t.Fatalf("read %s in %s: %v", topic, rack, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset != next {
				c.t.Errorf("offset %d follows %d", r.Offset, next-1)
			}
			next = r.Offset + 1
		})
	}
	return [2]int64{from[0].Load(), from[1].Load()}
}
