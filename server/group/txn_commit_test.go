package group

import (
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// txnCommit commits an offset of t-0 in producer 7's transaction, and returns the answer; -1 while there is none.
func txnCommit(c *Coordinator, offset int64, verdict int16, edit func(*kmsg.TxnOffsetCommitRequest)) *int16 {
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.SetVersion(4)
	req.Group, req.ProducerID, req.TransactionalID = "g", 7, "tx"
	p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	p.Offset = offset
	req.Topics = []kmsg.TxnOffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{p}}}
	if edit != nil {
		edit(req)
	}
	answer := int16(-1)
	verify := func(_ int32, done func(uint64, int16)) { done(3, verdict) }
	c.TxnOffsetCommit(req, verify, func(resp *kmsg.TxnOffsetCommitResponse) { answer = resp.Topics[0].Partitions[0].ErrorCode })
	return &answer
}

func TestOffsetsOfTransactions(t *testing.T) {
	play := func(name string, run func(t *testing.T, m *memory, c *Coordinator, shows func(offset int64, stable int16))) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				c := single(t, m, nil)
				c.Elect(0, 1)
				synctest.Wait()
				run(t, m, c, func(offset int64, stable int16) {
					t.Helper()
					if got, _, code := committed(t, c, "g", "t", 0, false); got != offset || code != 0 {
						t.Errorf("offset %d, want %d (%d)", got, offset, code)
					}
					if _, _, code := committed(t, c, "g", "t", 0, true); code != stable {
						t.Errorf("to whom wants it stable: %d, want %d", code, stable)
					}
				})
			})
		})
	}
	unstable := kerr.UnstableOffsetCommit.Code
	play("they count when it commits", func(t *testing.T, _ *memory, c *Coordinator, shows func(int64, int16)) {
		if code := *txnCommit(c, 5, 0, nil); code != 0 {
			t.Errorf("got %d", code)
		}
		shows(-1, unstable)
		c.TransactionEnded(7, 0, true)
		shows(5, 0)
	})
	play("and not when it aborts", func(t *testing.T, _ *memory, c *Coordinator, shows func(int64, int16)) {
		txnCommit(c, 5, 0, nil)
		c.TransactionEnded(8, 0, true) // somebody else's
		shows(-1, unstable)
		c.TransactionEnded(7, 0, false)
		shows(-1, 0)
	})
	play("one that is still being written when it aborts is not kept for ever", func(t *testing.T, m *memory, c *Coordinator, shows func(int64, int16)) {
		m.hold()
		answer := txnCommit(c, 5, 0, nil)
		shows(-1, unstable)
		c.TransactionEnded(7, 0, false)
		m.release()
		if *answer != 0 {
			t.Errorf("got %d", *answer)
		}
		shows(-1, 0)
	})
	play("one that could not be written leaves nothing", func(t *testing.T, m *memory, c *Coordinator, shows func(int64, int16)) {
		m.setFail(kerr.NotEnoughReplicas)
		if code := *txnCommit(c, 5, 0, nil); code != kerr.CoordinatorNotAvailable.Code {
			t.Errorf("got %d", code)
		}
		shows(-1, 0)
	})
	play("the transaction is verified", func(t *testing.T, _ *memory, c *Coordinator, shows func(int64, int16)) {
		for verdict, want := range map[int16]int16{kerr.TransactionAbortable.Code: kerr.TransactionAbortable.Code,
			kerr.NetworkException.Code: kerr.CoordinatorLoadInProgress.Code, kerr.NotLeaderForPartition.Code: kerr.NotCoordinator.Code} {
			if code := *txnCommit(c, 5, verdict, nil); code != want {
				t.Errorf("verdict %d: %d, want %d", verdict, code, want)
			}
		}
		shows(-1, 0)
	})
	play("a member that is none is refused", func(t *testing.T, _ *memory, c *Coordinator, shows func(int64, int16)) {
		if code := *txnCommit(c, 5, 0, func(r *kmsg.TxnOffsetCommitRequest) { r.Generation, r.MemberID = 5, "nobody" }); code != kerr.UnknownMemberID.Code {
			t.Errorf("got %d", code)
		}
		if code := *txnCommit(c, 5, 0, func(r *kmsg.TxnOffsetCommitRequest) { r.Group = "" }); code != kerr.InvalidGroupID.Code {
			t.Errorf("without a group: %d", code)
		}
		shows(-1, 0)
	})
	play("the next coordinator knows them, and a marker that comes while it loads counts", func(t *testing.T, _ *memory, c *Coordinator, shows func(int64, int16)) {
		txnCommit(c, 5, 0, nil)
		two := int32(2)
		c.Resign(0, &two)
		c.Elect(0, 3)
		c.TransactionEnded(7, 0, true)
		synctest.Wait()
		shows(5, 0)
	})
}
