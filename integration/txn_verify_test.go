package integration

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/integration/testcluster"
)

// A leader asks the coordinator, another broker, before it takes the first records of a transaction (KIP-890), and takes its
// markers. While the coordinator cannot be asked the producer is told to try again.
func TestLeadersAskCoordinatorsOfOtherBrokers(t *testing.T) {
	cluster := testcluster.Start(t, 2, testcluster.WithSetting("transaction.state.log.num.partitions", "1"),
		testcluster.WithSetting("transaction.state.log.replication.factor", "1"), testcluster.WithSessionTimeout(time.Second))
	cluster.CreateTopic("__transaction_state", 1, 1, map[string]string{"cleanup.policy": "compact"})
	coordinator := cluster.AwaitLeader("__transaction_state", 0)
	cluster.CreateTopic("orders", 2, 1, nil)
	leading := int32(0) // of the two partitions, that of the other broker
	if cluster.AwaitLeader("orders", 0) == coordinator {
		leading = 1
	}
	leader := cluster.AwaitLeader("orders", int(leading))
	if leader == coordinator {
		t.Fatal("two partitions have one leader")
	}
	at := &edgeCase{t: t, addr: leader.Addr()}
	of := &edgeCase{t: t, addr: coordinator.Addr()}
	told := func(deed string, got, want int16) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %v, want %v", deed, kerr.ErrorForCode(got), kerr.ErrorForCode(want))
		}
	}
	of.settled(func() int16 { return of.init("tx", 60000, -1, -1) })
	told("a partition that was not added", at.settled(func() int16 { return at.produce(leading, 0, of.txn, 11) }), kerr.TransactionAbortable.Code)
	told("a producer id that is another's", at.produce(leading, 0, producerEpoch{of.txn.id + 5, 0}, 11), kerr.InvalidProducerIDMapping.Code)
	told("an epoch that is over", at.produce(leading, 0, producerEpoch{of.txn.id, of.txn.epoch + 1}, 11), kerr.InvalidProducerEpoch.Code)
	told("add", of.addPartition(leading), 0)
	told("one that was", at.produce(leading, 0, of.txn, 11), 0)
	told("commit", of.end("tx", of.txn, 3), 0)
	told("commit again, until the markers are written", of.settled(func() int16 { return of.end("tx", of.txn, 3) }), 0)
	told("behind the marker", at.settled(func() int16 { return at.produce(leading, 1, of.txn, 11) }), kerr.TransactionAbortable.Code)

	coordinator.Kill()
	told("nobody to be asked", at.produce(leading, 1, of.txn, 11), kerr.NotEnoughReplicas.Code)
	coordinator.Restart()
	cluster.AwaitReady()
	told("add again", of.settled(func() int16 { return of.addPartition(leading) }), 0)
	told("and it goes on", at.settled(func() int16 { return at.produce(leading, 1, of.txn, 11) }), 0)
}

// addPartition adds one partition of orders.
func (e *edgeCase) addPartition(partition int32) int16 {
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = "tx", e.txn.id, e.txn.epoch
	req.Topics = []kmsg.AddPartitionsToTxnRequestTopic{{Topic: "orders", Partitions: []int32{partition}}}
	return answered[*kmsg.AddPartitionsToTxnResponse](e.t, e.addr, req, 3).Topics[0].Partitions[0].ErrorCode
}
