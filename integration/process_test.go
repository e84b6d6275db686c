package integration

import (
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"ottla/integration/testcluster"
)

// A broker is a value: ten of them, each with a ZooKeeper of its own, live in one process, do not know each
// other, and leave nothing behind.
func TestTenBrokersInOneProcessLeaveNoGoroutine(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Run("ten", func(t *testing.T) {
		var all sync.WaitGroup
		for range 10 {
			cluster := testcluster.Start(t, 1)
			all.Go(func() {
				client := franzAt(t, cluster.Addrs()[0], kgo.AllowAutoTopicCreation())
				defer client.Close()
				produceNumbers(t, client, "orders", 10)
				if got := readAll(t, cluster.Addrs()[0], "orders", 10); got != 10 {
					t.Errorf("%d of 10 records", got)
				}
			})
		}
		all.Wait()
	})
	goleak.VerifyNone(t, before)
}

// Killed and started again in the same process, as a test does it to see a client recover.
func TestABrokerComesBackAfterKill(t *testing.T) {
	cluster := testcluster.Start(t, 1)
	createTopic(t, saramaAdmin(t, cluster), "orders", 1, nil)
	client := franzClient(t, cluster)
	produceNumbers(t, client, "orders", 100)
	cluster.Broker(1).Kill()
	cluster.Broker(1).Restart()
	produceNumbers(t, client, "orders", 100)
	if got := readAll(t, cluster.Addrs()[0], "orders", 200); got != 200 {
		t.Errorf("%d of 200 records after a kill", got)
	}
}
