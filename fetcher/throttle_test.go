package fetcher

import (
	"testing"
	"testing/synctest"
	"time"

	"ottla/server/quota"
	"ottla/zkcoord/cluster"
)

// A throttled partition that is far behind is copied at the rate allowed, and does not hold up its neighbour.
func TestAThrottledPartitionIsCopiedSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window, seconds = 11, 20
		q := quota.NewReplication(1, window, time.Second)
		b := newBench(t, nil)
		b.options.Throttle = q
		q.SetTopic("orders", []string{"1:1", "0:7"})
		free, slow := &stub{}, &stub{}
		b.AddPartitions([]Following{followingOf(0, 2, free), followingOf(1, 2, slow)})
		time.Sleep(time.Second)
		synctest.Wait()
		if free.LogEndOffset() < 50 || slow.LogEndOffset() < 50 {
			t.Errorf("without a rate: %d and %d records in a second", free.LogEndOffset(), slow.LogEndOffset())
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		fast, before := free.LogEndOffset(), slow.LogEndOffset()
		size := float64(len(oneRecord()))
		q.SetBound(int64(10 * size)) // ten records a second
		time.Sleep(seconds * time.Second)
		synctest.Wait()
		if got := slow.LogEndOffset() - before; got < 8*seconds || got > 12*seconds {
			t.Errorf("%d records in %d s, want about ten a second", got, seconds)
		}
		if got := free.LogEndOffset() - fast; got < 50*seconds {
			t.Errorf("its neighbour: %d records in %d s", got, seconds)
		}
		q.SetBound(quota.Unlimited)
		before = slow.LogEndOffset()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := slow.LogEndOffset() - before; got < 50 {
			t.Errorf("the rate is off: %d records in two seconds", got)
		}
		b.Close()
	})
}

// A partition that has all that is committed is not held back: it would leave the ISR.
func TestAPartitionInSyncIsNotThrottled(t *testing.T) {
	f := &fetcher{options: &Options{Throttle: never{}}}
	behind := &partition{phase: fetching, offset: 5, leaderHW: 6}
	level := &partition{phase: fetching, offset: 5, leaderHW: 5}
	unknown := &partition{phase: fetching, offset: 5, leaderHW: -1}
	f.mu.list = []*partition{behind, level, unknown}
	now := time.Now()
	f.throttleLocked(now)
	if behind.ready(fetching, now) || !level.ready(fetching, now) || unknown.ready(fetching, now) {
		t.Errorf("behind %v, level %v, unknown %v", behind.resume, level.resume, unknown.resume)
	}
}

// never lets nothing through.
type never struct{}

func (never) Throttled(cluster.TopicPartition) bool { return true }
func (never) Delay() time.Duration                  { return time.Second }
func (never) Record(int)                            {}
