package mixed

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The coordinator of transactions, and that of the group whose offsets are in them, is of one kind and the leaders of what
// is written are of both. Then each moves to the other kind, with transactions open: what was begun here is ended there.
func TestCoordinatorsMoveBetweenKindsWithTransactionsOpen(t *testing.T) {
	t.Parallel()
	c := start(t, map[string]string{
		"transaction.state.log.replication.factor": "1", "transaction.state.log.num.partitions": "1", "transaction.state.log.min.isr": "1",
		"offsets.topic.replication.factor": "1", "offsets.topic.num.partitions": "1",
	}, kafka, ottla)
	c.createTopic("payments", replicas(1), replicas(2))
	c.createTopic("orders", replicas(1))
	c.createTopic("bills", replicas(1), replicas(2))
	load := c.startTransactions("payments", 2)
	load.awaitMore(3)
	b := c.startBilling()
	for i, at := range []struct{ transactions, groups int32 }{{2, 1}, {1, 2}, {2, 2}, {1, 1}} {
		b.open(i)
		c.move(transactionsTopic, 0, at.transactions)
		load.awaitMore(3)
		c.move(groupsTopic, 0, at.groups)
		b.end(i, i%2 == 0)
		load.awaitMore(3)
		t.Logf("transactions on %s, groups on %s", c.broker(at.transactions).kind, c.broker(at.groups).kind)
	}
	load.check()
	b.check()
}

// billing are transactions one after another, each with a bill in two partitions and the offset of the order it is for.
type billing struct {
	c      *cluster
	client *kgo.Client
	billed map[string]int // bills that were committed, by partition and order
	offset int64          // of the last order whose transaction was committed
}

func (c *cluster) startBilling() *billing {
	c.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.addrs()...), kgo.TransactionalID("billers"), kgo.TransactionTimeout(patience),
		kgo.DefaultProduceTopic("bills"), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(client.Close)
	return &billing{c: c, client: client, billed: map[string]int{}, offset: -1}
}

// open begins the transaction of an order. Its offset is pending in the group.
func (b *billing) open(order int) {
	b.c.t.Helper()
	ctx := b.c.patient()
	if err := b.client.BeginTransaction(); err != nil {
		b.c.t.Fatal(err)
	}
	var bills []*kgo.Record
	for p := range int32(2) {
		bills = append(bills, &kgo.Record{Partition: p, Value: fmt.Append(nil, order)})
	}
	if err := b.client.ProduceSync(ctx, bills...).FirstErr(); err != nil {
		b.c.t.Fatalf("order %d: %v", order, err)
	}
	id, epoch, err := b.client.ProducerID(ctx)
	if err != nil {
		b.c.t.Fatal(err)
	}
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = "billers", id, epoch, "billing"
	commit := kmsg.NewPtrTxnOffsetCommitRequest()
	commit.TransactionalID, commit.ProducerID, commit.ProducerEpoch, commit.Group = "billers", id, epoch, "billing"
	topic, partition := kmsg.NewTxnOffsetCommitRequestTopic(), kmsg.NewTxnOffsetCommitRequestTopicPartition()
	partition.Offset = int64(order)
	topic.Topic, topic.Partitions = "orders", append(topic.Partitions, partition)
	commit.Topics = append(commit.Topics, topic)
	b.c.eventually(fmt.Sprintf("the offset of order %d is pending", order), func() error {
		added, err := add.RequestWith(ctx, b.client)
		if err == nil {
			err = kerr.ErrorForCode(added.ErrorCode)
		}
		if err != nil {
			return err
		}
		committed, err := commit.RequestWith(ctx, b.client)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(committed.Topics[0].Partitions[0].ErrorCode)
	})
}

func (b *billing) end(order int, commit bool) {
	b.c.t.Helper()
	if err := b.client.EndTransaction(b.c.patient(), kgo.TransactionEndTry(commit)); err != nil {
		b.c.t.Fatalf("end the transaction of order %d, commit %t: %v", order, commit, err)
	}
	if commit {
		b.offset = int64(order)
		for p := range 2 {
			b.billed[fmt.Sprintf("%d in %d", order, p)]++
		}
	}
	b.c.eventually("the group's offset is of the last order that was billed", func() error {
		offsets, err := b.c.admin.FetchOffsets(b.c.patient(), "billing")
		if err != nil {
			return err
		}
		if o, ok := offsets.Lookup("orders", 0); !ok || o.At != b.offset || o.Err != nil {
			return fmt.Errorf("it is %d, not %d (%v)", o.At, b.offset, o.Err)
		}
		return nil
	})
}

// check reads the bills: both of each order that was committed, and none of the others.
func (b *billing) check() {
	b.c.t.Helper()
	seen := map[string]int{}
	for p, values := range (&transactions{c: b.c, topic: "bills", partitions: 2}).read() {
		for order, n := range values {
			seen[fmt.Sprintf("%d in %d", order, p)] = n
		}
	}
	if !maps.Equal(seen, b.billed) {
		b.c.t.Errorf("billed %v, and read %v", b.billed, seen)
	}
}
