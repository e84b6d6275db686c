package replica

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/logdir"
	"ottla/logdir/batch"
	"ottla/logdir/disk"
	"ottla/zkcoord/cluster"
)

func TestBatchesCarryTheLeaderEpoch(t *testing.T) {
	r := newRig(t)
	p := r.lead(4, 1)
	r.mustProduce(2)
	r.lead(7, 1)
	r.mustProduce(1)
	l, _ := p.Log()
	data, err := l.Read(0, 1<<20, true, logdir.LimitLogEnd)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Release()
	bytes, err := data.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	var epochs []int32
	for b, err := range batch.All(bytes) {
		h, err2 := batch.ReadHeader(b)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		epochs = append(epochs, h.LeaderEpoch)
	}
	if !slices.Equal(epochs, []int32{4, 7}) {
		t.Errorf("batches of epochs %v, want [4 7]", epochs)
	}
}

// A follower asks for the end of epoch 5, of which this leader never had a record: it must be told where 5 would
// have ended here.
func TestEpochsOfAnEmptyReign(t *testing.T) {
	r := newRig(t)
	r.lead(4, 1, 2)
	r.mustProduce(3)
	r.lead(6, 1, 2)
	for epoch, want := range map[int32][2]int64{4: {4, 3}, 5: {4, 3}, 6: {6, 3}, 3: {3, 0}, 9: {-1, -1}, -1: {-1, -1}} {
		found, end, err := r.m.EpochEndOffset(orders, 6, epoch)
		if err != nil || int64(found) != want[0] || end != want[1] {
			t.Errorf("end of epoch %d: epoch %d at %d, %v; want %v", epoch, found, end, err, want)
		}
	}
}

func TestFollowingBeginsAtTheLogEnd(t *testing.T) {
	r := newRig(t)
	p := r.follow(2, 0, 1, 2)
	if err := p.AppendAsFollower(0, epochRecords(5, 0, 0), 3, 0); err != nil {
		t.Fatal(err)
	}
	r.follow(3, 1, 1, 2, 3)
	last := r.fetch.added[len(r.fetch.added)-1]
	want := Following{TopicPartition: orders, TopicID: ordersID, Leader: 3, LeaderEpoch: 1, Offset: 5, LastEpoch: 0}
	if last != want {
		t.Errorf("fetching begins as %+v, want %+v", last, want)
	}
	if first := r.fetch.added[0]; first.Offset != 0 || first.LastEpoch != -1 {
		t.Errorf("an empty log begins as %+v", first)
	}
}

func TestFetchersOfAnOldReignAreFenced(t *testing.T) {
	r := newRig(t)
	p := r.follow(2, 0, 1, 2)
	if err := p.AppendAsFollower(0, epochRecords(5, 0, 0), 5, 0); err != nil {
		t.Fatal(err)
	}
	if err := p.AppendAsFollower(0, epochRecords(1, 5, 1), 5, 0); !errors.Is(err, ErrFencedLeaderEpoch) {
		t.Errorf("a batch of a later epoch: %v", err)
	}
	r.follow(3, 1, 1, 2, 3)
	for name, err := range map[string]error{
		"append":     p.AppendAsFollower(0, epochRecords(1, 5, 0), 5, 0),
		"truncate":   p.TruncateTo(0, 2),
		"start anew": p.TruncateFullyAndStartAt(0, 9),
	} {
		if !errors.Is(err, ErrFencedLeaderEpoch) {
			t.Errorf("%s under the old epoch: %v", name, err)
		}
	}
	r.lead(2, 1, 2, 3)
	if err := p.TruncateTo(2, 2); !errors.Is(err, ErrNotLeader) {
		t.Errorf("truncate as leader: %v", err)
	}
	if end := p.LogEndOffset(); end != 5 {
		t.Errorf("log end %d, want 5", end)
	}
}

func TestTruncationUnderTheRightEpoch(t *testing.T) {
	r := newRig(t)
	p := r.follow(2, 1, 1, 2)
	for i := range int64(3) {
		if err := p.AppendAsFollower(1, epochRecords(2, 2*i, 1), 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.TruncateTo(1, 4); err != nil || p.LogEndOffset() != 4 {
		t.Errorf("truncated to %d, %v", p.LogEndOffset(), err)
	}
	if err := p.TruncateFullyAndStartAt(1, 9); err != nil || p.LogEndOffset() != 9 || p.Snapshot().LogStart != 9 {
		t.Errorf("started anew: %+v, %v", p.Snapshot(), err)
	}
}

func TestStaleControllersAreFenced(t *testing.T) {
	r := newRig(t)
	r.controllerEpoch, r.brokerEpoch = 5, 100
	r.lead(0, 1)
	for name, tc := range map[string]struct {
		controllerEpoch int32
		brokerEpoch     int64
		want            int16
	}{
		"an older controller":            {controllerEpoch: 4, brokerEpoch: 100, want: kerr.StaleControllerEpoch.Code},
		"an earlier life of this broker": {controllerEpoch: 5, brokerEpoch: 99, want: kerr.StaleBrokerEpoch.Code},
		"both":                           {controllerEpoch: 4, brokerEpoch: 99, want: kerr.StaleBrokerEpoch.Code},
		"a life that we do not know yet": {controllerEpoch: 5, brokerEpoch: 101},
		"no broker epoch":                {controllerEpoch: 5, brokerEpoch: -1},
	} {
		t.Run(name, func(t *testing.T) {
			lead := r.m.LeaderAndISR(&kmsg.LeaderAndISRRequest{Version: 7, ControllerEpoch: tc.controllerEpoch, BrokerEpoch: tc.brokerEpoch}, nil)
			stop := r.m.StopReplica(&kmsg.StopReplicaRequest{Version: 4, ControllerEpoch: tc.controllerEpoch, BrokerEpoch: tc.brokerEpoch})
			update := r.m.UpdateMetadata(&kmsg.UpdateMetadataRequest{Version: 8, ControllerEpoch: tc.controllerEpoch, BrokerEpoch: tc.brokerEpoch})
			if lead.ErrorCode != tc.want || stop.ErrorCode != tc.want || update.ErrorCode != tc.want {
				t.Errorf("LeaderAndIsr %d, StopReplica %d, UpdateMetadata %d, want %d", lead.ErrorCode, stop.ErrorCode, update.ErrorCode, tc.want)
			}
		})
	}
}

func TestWhatIsAnsweredToADecision(t *testing.T) {
	for name, tc := range map[string]struct {
		state   kmsg.LeaderAndISRRequestTopicPartition
		topicID cluster.TopicID
		want    int16
	}{
		"the epoch that we have":     {state: state(1, 4, 4, ids(1), ids(1)), topicID: ordersID, want: kerr.StaleControllerEpoch.Code},
		"an older epoch":             {state: state(2, 3, 3, ids(2), ids(1, 2)), topicID: ordersID, want: kerr.StaleControllerEpoch.Code},
		"another topic of that name": {state: state(1, 5, 5, ids(1), ids(1)), topicID: cluster.TopicID{2}, want: kerr.InconsistentTopicID.Code},
		"no replica here":            {state: state(2, 5, 5, ids(2), ids(2)), topicID: ordersID, want: kerr.UnknownTopicOrPartition.Code},
		"a new epoch":                {state: state(1, 5, 5, ids(1), ids(1)), topicID: ordersID},
		"a topic without an id":      {state: state(1, 5, 5, ids(1), ids(1))},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.lead(4, 1)
			resp := r.m.LeaderAndISR(&kmsg.LeaderAndISRRequest{Version: 7, BrokerEpoch: -1, TopicStates: []kmsg.LeaderAndISRRequestTopicState{
				{Topic: "orders", TopicID: tc.topicID, PartitionStates: []kmsg.LeaderAndISRRequestTopicPartition{tc.state}}}}, nil)
			if resp.ErrorCode != 0 || len(resp.Topics) != 1 || resp.Topics[0].TopicID != tc.topicID || resp.Topics[0].Partitions[0].ErrorCode != tc.want {
				t.Errorf("answered %+v, want %d", resp, tc.want)
			}
		})
	}
}

// The leader's own AlterPartition may have raised the partition epoch above what the controller knew when it
// sent its LeaderAndIsr.
func TestADecisionOfAnOlderPartitionEpochIsPassedOver(t *testing.T) {
	r := newRig(t)
	p := r.leadWith(0, ids(1), ids(1, 2))
	r.fetchFrom(2, 0, 0)
	r.isr.grant(t)
	if code := r.decide(state(2, 1, 0, ids(1), ids(1, 2))); code != 0 {
		t.Errorf("error %d", code)
	}
	if !p.IsLeader() || len(p.Snapshot().ISR) != 2 {
		t.Errorf("an older state was obeyed: %+v", p.Snapshot())
	}
}

func TestWhoHearsOfLeadership(t *testing.T) {
	r := newRig(t)
	var leads, follows []Leadership
	decide := func(leader, epoch int32) {
		leads, follows = nil, nil
		r.m.LeaderAndISR(&kmsg.LeaderAndISRRequest{Version: 7, BrokerEpoch: -1, TopicStates: []kmsg.LeaderAndISRRequestTopicState{
			{Topic: "orders", TopicID: ordersID, PartitionStates: []kmsg.LeaderAndISRRequestTopicPartition{state(leader, epoch, epoch, ids(1, 2), ids(1, 2))}}}},
			func(l, f []Leadership) { leads, follows = l, f })
	}
	for _, step := range []struct {
		leader, epoch int32
		leads         bool
		follows       bool
	}{{1, 0, true, false}, {1, 1, false, false}, {2, 2, false, true}, {2, 3, false, true}, {1, 4, true, false}, {1, 4, false, false}} {
		decide(step.leader, step.epoch)
		if (len(leads) == 1) != step.leads || (len(follows) == 1) != step.follows {
			t.Errorf("leader %d in epoch %d: leads %v, follows %v", step.leader, step.epoch, leads, follows)
		}
	}
	if want := []cluster.TopicPartition{orders, orders, orders}; !slices.Equal(r.fetch.removed, want) {
		t.Errorf("fetchers ended for %v, want at each reign of ours", r.fetch.removed)
	}
}

func TestAnAppendIsNotAnsweredByALaterReign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		p := r.lead(0, 1, 2)
		waiting := r.produce(5, acksAll, time.Minute)
		r.follow(2, 1, 1, 2)
		if e := <-waiting; !errors.Is(e.Err, ErrNotLeader) {
			t.Errorf("answered %v", e.Err)
		}
		if _, err := p.committed(0, 0); !errors.Is(err, ErrNotLeader) {
			t.Errorf("as a follower: %v", err)
		}
		r.leadWith(2, ids(1), ids(1, 2))
		if _, err := p.committed(0, 5); !errors.Is(err, ErrNotLeader) {
			t.Errorf("an append of epoch 0 under the reign of epoch 2: %v", err)
		}
		if done, err := p.committed(2, 5); !done || err != nil {
			t.Errorf("an append of this reign: %v, %v", done, err)
		}
	})
}

func TestStopReplica(t *testing.T) {
	stop := func(r *rig, epoch int32, remove bool) int16 {
		resp := r.m.StopReplica(&kmsg.StopReplicaRequest{Version: 4, BrokerEpoch: -1, Topics: []kmsg.StopReplicaRequestTopic{
			{Topic: "orders", PartitionStates: []kmsg.StopReplicaRequestTopicPartitionState{{LeaderEpoch: epoch, Delete: remove}}}}})
		return resp.Partitions[0].ErrorCode
	}
	r := newRig(t)
	p := r.lead(4, 1)
	if code := stop(r, 3, true); code != kerr.FencedLeaderEpoch.Code {
		t.Errorf("an older epoch: error %d", code)
	}
	if code := stop(r, 4, false); code != 0 || !p.IsLeader() {
		t.Errorf("stopped without deletion: error %d, leads %v", code, p.IsLeader())
	}
	waiting := r.consume(0, 1, time.Hour, readUncommitted)
	if code := stop(r, -2, true); code != 0 {
		t.Errorf("the topic's deletion: error %d", code)
	}
	if fp := <-waiting; !errors.Is(fp.Err, ErrUnknownPartition) {
		t.Errorf("the consumer that waited: %v", fp.Err)
	}
	if _, err := r.m.Partition(orders); !errors.Is(err, ErrUnknownPartition) {
		t.Errorf("after the deletion: %v", err)
	}
	if _, ok := r.logs.Log(orders); ok {
		t.Error("the log is still there")
	}
	if _, err := p.AppendAsLeader(records(1), 1, logdir.OriginClient, 9); !errors.Is(err, ErrNotLeader) {
		t.Errorf("an append that held the partition: %v", err)
	}
	if code := stop(r, -2, true); code != 0 {
		t.Errorf("once more: error %d", code)
	}
	r.lead(0, 1)
}

func TestAFailedDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := disk.NewCrashing()
		r := openRig(t, fsys, "/a,/b")
		for partition := range int32(2) { // one in each directory
			s := state(1, 0, 0, ids(1, 2), ids(1, 2))
			s.Partition = partition
			if code := r.decide(s); code != 0 {
				t.Fatal(code)
			}
		}
		p, _ := r.m.Partition(orders)
		l, _ := p.Log()
		waiting := r.produce(1, acksAll, time.Minute)
		fsys.Fail(func(_ disk.Op, name string) error {
			if strings.HasPrefix(name, l.Dir()) {
				return &fs.PathError{Op: "write", Path: name, Err: syscall.EIO}
			}
			return nil
		})
		if e := <-r.produce(1, 1, time.Second); !errors.Is(e.Err, ErrStorage) {
			t.Errorf("the producer that found out: %v", e.Err)
		}
		if e := <-waiting; !errors.Is(e.Err, ErrStorage) {
			t.Errorf("the producer that waited: %v", e.Err)
		}
		if fp := r.fetchFrom(cluster.NoBroker, -1, 0); !errors.Is(fp.Err, ErrStorage) {
			t.Errorf("a consumer: %v", fp.Err)
		}
		if c := r.m.census(); c.offline != 1 || c.leaders != 1 {
			t.Errorf("census %+v", c)
		}
		if code := r.decide(state(1, 0, 0, ids(1, 2), ids(1, 2))); code != kerr.KafkaStorageError.Code {
			t.Errorf("the same decision again, before any epoch is compared: error %d", code)
		}
		unknown := state(1, 0, 0, ids(1), ids(1))
		unknown.Partition, unknown.IsNew = 7, false
		if code := r.decide(unknown); code != kerr.KafkaStorageError.Code {
			t.Errorf("an old partition that may lie on the failed disk: error %d", code)
		}
		if _, ok := r.logs.Log(cluster.TopicPartition{Topic: "orders", Partition: 7}); ok {
			t.Error("an empty log took the place of one that cannot be read")
		}
		unknown.Partition, unknown.IsNew = 8, true
		if code := r.decide(unknown); code != 0 {
			t.Errorf("a new partition goes to the other disk: error %d", code)
		}
	})
}

// The epochs of a log are written down before the first flush of a reign's records: where the disk fails there,
// nothing counts as flushed, and the partition is offline.
func TestAReignThatCannotBeWrittenDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := disk.NewCrashing()
		r := openRig(t, fsys, "/data")
		p := r.lead(1, 1)
		l, _ := p.Log()
		fsys.Fail(func(_ disk.Op, name string) error {
			if strings.Contains(name, "leader-epoch") {
				return &fs.PathError{Op: "write", Path: name, Err: syscall.EIO}
			}
			return nil
		})
		if e := <-r.produce(1, 1, time.Second); e.Err != nil {
			t.Errorf("a record that nobody wants flushed: %v", e.Err)
		}
		if err := l.Flush(); !errors.Is(err, logdir.ErrStorage) {
			t.Errorf("the flush: %v", err)
		}
		synctest.Wait()
		if _, err := r.m.Partition(orders); !errors.Is(err, ErrStorage) {
			t.Errorf("the partition answers %v", err)
		}
		fsys.Fail(nil)
	})
}
