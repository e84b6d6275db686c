package testcluster

import (
	"maps"
	"path/filepath"
	"strconv"
)

// settings are those of one broker: suited to a test, then what the test wants otherwise.
func (o *options) settingsOf(id, brokers int, dir, zookeeper string) map[string]string {
	three, two := strconv.Itoa(min(3, brokers)), strconv.Itoa(min(2, brokers))
	s := map[string]string{
		"broker.id":         strconv.Itoa(id),
		"listeners":         "PLAINTEXT://127.0.0.1:0",
		"log.dirs":          filepath.Join(dir, "broker-"+strconv.Itoa(id)),
		"zookeeper.connect": zookeeper,

		// As many replicas as production has, as far as there are brokers for them.
		"default.replication.factor":               three,
		"offsets.topic.replication.factor":         three,
		"transaction.state.log.replication.factor": three,
		"transaction.state.log.min.isr":            two,
		// Few partitions where few groups are.
		"offsets.topic.num.partitions":         "5",
		"transaction.state.log.num.partitions": "5",

		// A test does not want to wait for members who will not come, nor half a minute until a fault shows.
		"group.initial.rebalance.delay.ms": "0",
		"group.min.session.timeout.ms":     "100",
		"zookeeper.session.timeout.ms":     "3000",
		"zookeeper.connection.timeout.ms":  "18000",
		"replica.lag.time.max.ms":          "5000",
		"replica.fetch.backoff.ms":         "100",
		// A follower asks a leader for a new partition when the leader has answered about the others: with
		// nothing new, after so long. The first record with acks=all waits for that.
		"replica.fetch.wait.max.ms":            "50",
		"controlled.shutdown.retry.backoff.ms": "100",
		"controller.socket.timeout.ms":         "5000",
	}
	if len(o.racks) > 0 {
		s["broker.rack"] = o.racks[(id-1)%len(o.racks)]
	}
	maps.Copy(s, o.settings)
	maps.Copy(s, o.ofBroker[id])
	return s
}
