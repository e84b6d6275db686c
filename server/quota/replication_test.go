package quota

import (
	"testing"
	"testing/synctest"
	"time"

	"ottla/zkcoord/cluster"
)

func TestThrottledReplicas(t *testing.T) {
	q := NewReplication(2, 11, time.Second)
	on := func(topic string, partition int32) bool {
		return q.Throttled(cluster.TopicPartition{Topic: topic, Partition: partition})
	}
	q.SetTopic("orders", []string{"0:2", "1:3", "7:2", "garbage", "x:2"})
	q.SetTopic("all", []string{"*"})
	if on("orders", 0) || on("all", 3) {
		t.Error("throttled without a rate")
	}
	q.SetBound(1000)
	for partition, want := range map[int32]bool{0: true, 1: false, 7: true, 2: false} {
		if on("orders", partition) != want {
			t.Errorf("orders-%d: throttled %v", partition, !want)
		}
	}
	if !on("all", 3) || on("other", 0) {
		t.Error("* is all of one topic")
	}
	q.SetTopic("orders", nil)
	q.SetTopic("all", []string{"0:1"}) // of another broker
	if on("orders", 0) || on("all", 0) || q.any.Load() {
		t.Error("still throttled")
	}
}

// A copier that does as it is told moves what the bound allows, and no less than nearly that.
func TestABoundIsKeptOnAverage(t *testing.T) {
	for name, tc := range map[string]struct{ bound, piece, total int64 }{
		"small pieces":                 {1000, 100, 60_000},
		"pieces larger than the bound": {1000, 5000, 60_000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := NewReplication(1, 11, time.Second)
				q.SetBound(tc.bound)
				q.SetTopic("orders", []string{"*"})
				start := time.Now()
				for moved := int64(0); moved < tc.total; moved += tc.piece {
					for q.Delay() > 0 {
						time.Sleep(q.Delay())
					}
					q.Record(int(tc.piece))
				}
				ideal := time.Duration((tc.total-tc.piece)/tc.bound) * time.Second
				if took := time.Since(start); took < ideal*8/10 || took > ideal*11/10 {
					t.Errorf("%d bytes took %v, want about %v", tc.total, took, ideal)
				}
			})
		})
	}
}

func TestTheRateForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewReplication(1, 3, time.Second)
		q.SetBound(10)
		q.SetTopic("orders", []string{"*"})
		q.Record(3000)
		if got := q.Rate(); got != 3000 {
			t.Errorf("%v bytes a second within the first, want 3000", got)
		}
		time.Sleep(2 * time.Second)
		if got := q.Rate(); got != 1500 || q.Delay() != mostDelay {
			t.Errorf("%v bytes a second after two, delay %v", got, q.Delay())
		}
		time.Sleep(time.Second)
		if got := q.Rate(); got != 0 || q.Delay() != 0 {
			t.Errorf("%v bytes a second when all samples are old, delay %v", got, q.Delay())
		}
		q.SetBound(0)
		q.Record(1)
		if q.Delay() == 0 {
			t.Error("a bound of nothing lets everything through")
		}
	})
}
