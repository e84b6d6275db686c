package txn

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/logdir/batch"
	"ottla/zkcoord/cluster"
)

// A record that is none costs nothing but itself, and whose it was is told.
func TestGarbageInTheStateTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var told bytes.Buffer
		w.out = &told
		good := metadata{state: CompleteCommit, producerID: 3, timeout: 1000, partitions: partitions{}, updated: 1, started: 1}
		b := batch.NewBuilder(batch.PlainOptions(batch.None))
		b.Append(1, encodeKey("good"), good.encode())
		b.Append(1, encodeKey("good"), []byte{0, 0, 9})
		b.Append(1, encodeKey("bad"), []byte{0, 77})
		b.Append(1, []byte{9}, good.encode())
		b.Append(1, nil, nil)
		b.Append(1, encodeKey("late"), good.encode())
		w.mu.state = b.Bytes()
		w.mu.end = 6
		c := w.start(1, nil)
		defer c.Close()
		synctest.Wait()
		c.ListTransactions(kmsg.NewPtrListTransactionsRequest(), func(resp *kmsg.ListTransactionsResponse) {
			if resp.ErrorCode != 0 || len(resp.TransactionStates) != 2 || resp.TransactionStates[0].TransactionalID != "good" ||
				resp.TransactionStates[1].TransactionalID != "late" {
				t.Errorf("loaded %+v", resp)
			}
		})
		for _, line := range []string{
			`record at offset 1 skipped, the state before it counts: producer id: malformed record" transactional.id=good`,
			`record at offset 2 skipped, the state before it counts: value version 77: unknown record version" transactional.id=bad`,
			`record at offset 3 skipped, as are others like it: key version: malformed record"`,
		} {
			if n := strings.Count(told.String(), line); n != 1 {
				t.Errorf("told %d times: %s\nin: %s", n, line, &told)
			}
		}
	})
}

// A load that fails is tried again. In Apache Kafka a session with ZooKeeper that ends meanwhile ends the load, and who asks
// is told for ever after that it goes on; decided transactions keep waiting for their markers.
func TestALoadIsTriedUntilItSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		orders := cluster.TopicPartition{Topic: "orders"}
		decided := metadata{state: PrepareCommit, producerID: 3, epoch: 1, timeout: 1000, partitions: partitions{orders: {}}, updated: 1, started: 1}
		b := batch.NewBuilder(batch.PlainOptions(batch.None))
		b.Append(1, encodeKey("tx"), decided.encode())
		w.mu.state, w.mu.end = b.Bytes(), 1
		w.mu.unread = 3
		c := w.start(1, nil)
		defer c.Close()
		synctest.Wait()
		if _, code := c.find("tx"); code != kerr.CoordinatorLoadInProgress.Code {
			t.Errorf("while it loads: %v", kerr.ErrorForCode(code))
		}
		time.Sleep(10 * time.Second) // 1, 2 and 4 of rest
		synctest.Wait()
		tx, code := c.find("tx")
		if code != 0 || tx == nil {
			t.Fatalf("after three failures: %v", kerr.ErrorForCode(code))
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if n := len(w.log(orders).markers); n != 1 {
			t.Errorf("%d markers were written", n)
		}
	})
}

// What was elected stays so until a newer epoch, and an older one's end changes nothing.
func TestReigns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		c := w.start(5, nil)
		defer c.Close()
		synctest.Wait()
		owns := func() bool { _, code := c.find("tx"); return code == 0 }
		epoch := func(n int32) *int32 { return &n }
		if c.Resign(0, epoch(4)); !owns() {
			t.Error("an older epoch's end ended a newer reign")
		}
		c.Elect(0, 4)
		if synctest.Wait(); !owns() {
			t.Error("an older epoch's election ended a newer reign")
		}
		if c.Resign(0, epoch(6)); owns() {
			t.Error("it reigns after it has resigned")
		}
		c.Elect(0, 5)
		if synctest.Wait(); owns() {
			t.Error("it reigns in an epoch that is over")
		}
		c.Elect(0, 7)
		if synctest.Wait(); !owns() {
			t.Error("it does not reign in a newer epoch")
		}
		if c.Resign(0, nil); owns() {
			t.Error("it reigns without a replica")
		}
	})
}
