package server

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/zkcoord"
	"ottla/zkcoord/cluster"

	logtest "github.com/sirupsen/logrus/hooks/test"
)

// states is ZooKeeper, as far as leaders write to it.
type states struct {
	mu       sync.Mutex
	fail     error
	versions map[cluster.TopicPartition]int32
	reports  [][]cluster.TopicPartition
}

func (s *states) WriteStateAsLeader(_ context.Context, tp cluster.TopicPartition, want cluster.LeaderAndISR) (int32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.fail != nil:
		return 0, s.fail
	case s.versions[tp] != want.PartitionEpoch:
		return 0, zkcoord.ErrBadVersion
	}
	s.versions[tp]++
	return s.versions[tp], nil
}

func (s *states) NotifyISRChanges(_ context.Context, tps []cluster.TopicPartition) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail == nil {
		s.reports = append(s.reports, tps)
	}
	return s.fail
}

func (s *states) reported() [][]cluster.TopicPartition {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.reports)
}

// breaks makes every call fail, or none.
func (s *states) breaks(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// In a cluster older than 2.7 the leader writes; the controller hears of it when it has been quiet for five seconds.
func TestLeadersOfOldClustersWriteTheirISRs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		zk := &states{versions: map[cluster.TopicPartition]int32{}}
		log, _ := logtest.NewNullLogger()
		w := startISRWrites(zk, time.Second, log)
		defer w.Close()
		ask := func(partition, epoch int32) (cluster.LeaderAndISR, int16) {
			type answer struct {
				granted cluster.LeaderAndISR
				code    int16
			}
			answers := make(chan answer, 1)
			w.AlterPartition(cluster.TopicPartition{Topic: "orders", Partition: partition}, cluster.TopicID{},
				cluster.LeaderAndISR{Leader: 1, LeaderEpoch: 7, ISR: []cluster.BrokerID{1, 2}, PartitionEpoch: epoch},
				func(granted cluster.LeaderAndISR, code int16) { answers <- answer{granted, code} })
			a := <-answers
			return a.granted, a.code
		}
		want := cluster.LeaderAndISR{Leader: 1, LeaderEpoch: 7, ISR: []cluster.BrokerID{1, 2}, PartitionEpoch: 1}
		if granted, code := ask(0, 0); code != 0 || !reflect.DeepEqual(granted, want) {
			t.Errorf("%+v, code %d", granted, code)
		}
		if _, code := ask(0, 0); code != kerr.InvalidUpdateVersion.Code {
			t.Errorf("with the partition epoch of before: code %d", code)
		}
		zk.breaks(errors.New("no connection"))
		if _, code := ask(1, 0); code != kerr.UnknownServerError.Code {
			t.Errorf("without ZooKeeper: code %d", code)
		}
		zk.breaks(nil)
		time.Sleep(4 * time.Second)
		if _, code := ask(1, 0); code != 0 {
			t.Errorf("with ZooKeeper again: code %d", code)
		}
		time.Sleep(4 * time.Second)
		if n := len(zk.reported()); n != 0 {
			t.Errorf("%d reports though it has not been quiet", n)
		}
		time.Sleep(4 * time.Second)
		if want := [][]cluster.TopicPartition{{{Topic: "orders"}, {Topic: "orders", Partition: 1}}}; !reflect.DeepEqual(zk.reported(), want) {
			t.Errorf("reported %v", zk.reported())
		}
		// A change every four seconds is no quiet, so the minute decides.
		for epoch := int32(1); epoch < 30; epoch++ {
			if _, code := ask(0, epoch); code != 0 {
				t.Fatalf("code %d", code)
			}
			time.Sleep(4 * time.Second)
		}
		if n := len(zk.reported()); n != 2 && n != 3 {
			t.Errorf("%d reports after two minutes, want 2 or 3", n)
		}
	})
}
