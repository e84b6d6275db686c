package replica

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"ottla/logdir"
	"ottla/zkcoord/cluster"
)

func (r *rig) deleteBelow(tp cluster.TopicPartition, offset int64, timeout time.Duration) <-chan RecordDeletion {
	answer := make(chan RecordDeletion, 1)
	r.m.DeleteRecords(timeout, []RecordDeletion{{TopicPartition: tp, Offset: offset}}, func(d []RecordDeletion) { answer <- d[0] })
	return answer
}

func TestDeleteRecords(t *testing.T) {
	r := newRig(t)
	r.lead(0, 1)
	r.mustProduce(8)
	for _, step := range []struct {
		name   string
		tp     cluster.TopicPartition
		offset int64
		want   int64
		err    error
	}{
		{"an offset", orders, 3, 3, nil},
		{"an offset below the log start", orders, 2, 3, nil},
		{"an offset above the high watermark", orders, 99, -1, logdir.ErrOffsetOutOfRange},
		{"a negative offset", orders, -2, -1, logdir.ErrOffsetOutOfRange},
		{"an unknown topic", cluster.TopicPartition{Topic: "x"}, 0, -1, ErrUnknownPartition},
		{"a coordinator's topic", cluster.TopicPartition{Topic: "__consumer_offsets"}, 0, -1, ErrInvalidTopic},
		{"everything that is committed", orders, -1, 8, nil},
	} {
		if d := <-r.deleteBelow(step.tp, step.offset, time.Second); d.LowWatermark != step.want || !errors.Is(d.Err, step.err) {
			t.Errorf("%s: low watermark %d, %v; want %d, %v", step.name, d.LowWatermark, d.Err, step.want, step.err)
		}
	}
	r.follow(2, 1, 1, 2)
	if d := <-r.deleteBelow(orders, 0, time.Second); !errors.Is(d.Err, ErrNotLeader) {
		t.Errorf("at a follower: %v", d.Err)
	}
}

func TestDeleteRecordsWaitsForLiveReplicas(t *testing.T) {
	for name, tc := range map[string]struct {
		then func(*rig)
		want int64
		err  error
		time time.Duration
	}{
		"until each has moved its log start": {want: 3, then: func(r *rig) { r.followerAt(2, 5, 3); r.followerAt(3, 5, 3) }},
		"but not for the dead":               {want: 3, then: func(r *rig) { r.alive(1, 2); r.followerAt(2, 5, 3) }},
		"for the time at most":               {want: -1, err: ErrTimeout, time: 10 * time.Second},
		"not beyond our reign":               {want: -1, err: ErrNotLeader, then: func(r *rig) { r.follow(2, 1, 1, 2, 3) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.lead(0, 1, 2, 3)
				r.mustProduce(5)
				r.followerAt(2, 5, 0)
				r.followerAt(3, 5, 0)
				start := time.Now()
				answer := r.deleteBelow(orders, 3, 10*time.Second)
				if tc.then != nil {
					tc.then(r)
				}
				if d := <-answer; d.LowWatermark != tc.want || !errors.Is(d.Err, tc.err) || time.Since(start) != tc.time {
					t.Errorf("low watermark %d, %v after %v", d.LowWatermark, d.Err, time.Since(start))
				}
			})
		})
	}
}

// followerAt is a fetch of a follower whose log is from start to end.
func (r *rig) followerAt(id cluster.BrokerID, end, start int64) {
	fp := wanted(0, end)
	fp.LogStartOffset = start
	r.m.Fetch(FetchParams{Replica: id, MaxBytes: 1}, []FetchPartition{fp}, func(parts []FetchPartition) { release(parts) })
}
