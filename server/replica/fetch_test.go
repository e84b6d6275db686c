package replica

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"ottla/logdir"
	"ottla/zkcoord/cluster"
)

func TestFetchesOfAnotherEpochAreRefused(t *testing.T) {
	r := newRig(t)
	p := r.lead(4, 1, 2)
	r.mustProduce(5)
	for name, tc := range map[string]struct {
		epoch int32
		want  error
	}{
		"an older reign":  {epoch: 3, want: ErrFencedLeaderEpoch},
		"a later reign":   {epoch: 5, want: ErrUnknownLeaderEpoch},
		"this reign":      {epoch: 4},
		"no reign at all": {epoch: -1},
	} {
		t.Run(name, func(t *testing.T) {
			for _, id := range []cluster.BrokerID{2, cluster.NoBroker} {
				if fp := r.fetchFrom(id, tc.epoch, 0); !errors.Is(fp.Err, tc.want) {
					t.Errorf("replica %d: %v, want %v", id, fp.Err, tc.want)
				}
			}
		})
	}
	r.fetchFrom(2, 3, 5)
	if hw := p.Snapshot().HighWatermark; hw != 0 {
		t.Errorf("high watermark %d by a fetch of an older reign", hw)
	}
}

// A fetch was read under one reign, and its progress comes when the next one has begun.
func TestProgressOfAnOldReignDoesNotCount(t *testing.T) {
	r := newRig(t)
	p := r.lead(4, 1, 2)
	r.mustProduce(5)
	f, _ := p.mu.reign.Load().follower(2)
	r.lead(5, 1, 2)
	p.followerFetched(f, 4, 5, 0, 5, time.Now())
	if s := p.Snapshot(); s.HighWatermark != 0 || s.Followers[0].LogEnd == 5 {
		t.Errorf("%+v", s)
	}
	p.followerFetched(f, 5, 5, 0, 5, time.Now())
	if s := p.Snapshot(); s.HighWatermark != 5 {
		t.Errorf("under the present reign: %+v", s)
	}
}

func TestWhoMayFetch(t *testing.T) {
	r := newRig(t)
	r.lead(4, 1, 2)
	for name, tc := range map[string]struct {
		from  cluster.BrokerID
		epoch int32
		tp    cluster.TopicPartition
		id    cluster.TopicID
		want  error
	}{
		"a follower":                                {from: 2, epoch: 4, tp: orders},
		"a consumer":                                {from: -1, epoch: -1, tp: orders},
		"a broker that is no replica":               {from: 7, epoch: -1, tp: orders, want: ErrNotLeader},
		"one that will be a replica":                {from: 7, epoch: 4, tp: orders, want: ErrUnknownLeaderEpoch},
		"a partition that nobody knows":             {from: -1, tp: cluster.TopicPartition{Topic: "x"}, want: ErrUnknownPartition},
		"the topic by its id":                       {from: -1, epoch: -1, tp: orders, id: ordersID},
		"another topic of the same name, by its id": {from: -1, epoch: -1, tp: orders, id: cluster.TopicID{9}, want: logdir.ErrTopicID},
	} {
		t.Run(name, func(t *testing.T) {
			parts := []FetchPartition{{TopicPartition: tc.tp, TopicID: tc.id, MaxBytes: 1000, CurrentLeaderEpoch: tc.epoch, LastFetchedEpoch: -1}}
			r.m.Fetch(FetchParams{Replica: tc.from, MaxBytes: 1000}, parts, func(got []FetchPartition) {
				if !errors.Is(got[0].Err, tc.want) || tc.want != nil && got[0].Data.HighWatermark != -1 {
					t.Errorf("%v, high watermark %d; want %v", got[0].Err, got[0].Data.HighWatermark, tc.want)
				}
			})
		})
	}
	r.follow(2, 5, 1, 2)
	if fp := r.fetchFrom(cluster.NoBroker, 5, 0); fp.Err != nil {
		t.Errorf("a consumer reads from a follower: %v", fp.Err)
	}
	if fp := r.fetchFrom(2, 5, 0); !errors.Is(fp.Err, ErrNotLeader) {
		t.Errorf("a follower reads from a follower: %v", fp.Err)
	}
	old := []FetchPartition{wanted(-1, 0)}
	r.m.Fetch(FetchParams{Replica: cluster.NoBroker, MaxBytes: 1000, OnlyLeader: true}, old, func(got []FetchPartition) {
		if !errors.Is(got[0].Err, ErrNotLeader) {
			t.Errorf("an old consumer reads from a follower: %v", got[0].Err)
		}
	})
}

func TestDivergingLogs(t *testing.T) {
	r := newRig(t)
	r.lead(2, 1, 2)
	r.mustProduce(5) // [0,5) of epoch 2
	r.lead(4, 1, 2)
	r.mustProduce(3) // [5,8) of epoch 4
	for name, tc := range map[string]struct {
		lastEpoch int32
		offset    int64
		want      *Diverging
		err       error
	}{
		"in the last epoch":           {lastEpoch: 4, offset: 7},
		"at the end of an epoch":      {lastEpoch: 2, offset: 5},
		"beyond the end of an epoch":  {lastEpoch: 2, offset: 7, want: &Diverging{2, 5}},
		"beyond the log's end":        {lastEpoch: 4, offset: 9, want: &Diverging{4, 8}},
		"in an epoch that we skipped": {lastEpoch: 3, offset: 6, want: &Diverging{2, 5}},
		"in an epoch that we skipped, below where it might have begun": {lastEpoch: 3, offset: 4, want: &Diverging{2, 5}},
		"in an epoch that is to come":                                  {lastEpoch: 9, offset: 6, err: logdir.ErrOffsetOutOfRange},
		"no epoch, and beyond the log's end":                           {lastEpoch: -1, offset: 9, err: logdir.ErrOffsetOutOfRange},
	} {
		t.Run(name, func(t *testing.T) {
			fp := wanted(4, tc.offset)
			fp.LastFetchedEpoch = tc.lastEpoch
			// Even with time to wait it is told at once.
			r.m.Fetch(FetchParams{Replica: 2, MaxBytes: 1, MinBytes: 1 << 20, MaxWait: 0}, []FetchPartition{fp}, func(got []FetchPartition) {
				defer got[0].Data.Release()
				if !errors.Is(got[0].Err, tc.err) {
					t.Fatalf("%v, want %v", got[0].Err, tc.err)
				}
				switch d := got[0].Diverging; {
				case (d == nil) != (tc.want == nil), d != nil && *d != *tc.want:
					t.Errorf("diverging %+v, want %+v", d, tc.want)
				case d != nil && (got[0].Data.Len() != 0 || got[0].Data.LogEndOffset != 8):
					t.Errorf("with records: %+v", got[0].Data)
				}
			})
		})
	}
	if f := r.m.Snapshot()[0].Followers[0]; f.LogEnd != 5 && f.LogEnd != 7 {
		t.Errorf("a diverging offset counts as progress: %+v", f)
	}
}

// Sizes: each batch of one record here is 73 bytes.
func TestFetchLimits(t *testing.T) {
	r := newRig(t)
	if code := r.decide(state(1, 0, 0, ids(1), ids(1)), partitionOne(state(1, 0, 0, ids(1), ids(1)))); code != 0 {
		t.Fatal(code)
	}
	second := cluster.TopicPartition{Topic: "orders", Partition: 1}
	size := len(records(1))
	for range 3 {
		for _, tp := range []cluster.TopicPartition{orders, second} {
			r.m.Append(1, 0, logdir.OriginClient, 9, []AppendEntry{{TopicPartition: tp, Records: records(1)}}, nil, func([]AppendEntry) {})
		}
	}
	for name, tc := range map[string]struct {
		maxBytes, partitionMax int
		want                   [2]int
	}{
		"room for all":                                {maxBytes: 1000, partitionMax: 1000, want: [2]int{3 * size, 3 * size}},
		"the first batch comes whole":                 {maxBytes: 1, partitionMax: 1000, want: [2]int{size, 0}},
		"only the first thing found may exceed":       {maxBytes: 1000, partitionMax: 1, want: [2]int{size, 0}},
		"a partition's limit cuts in the middle":      {maxBytes: 1000, partitionMax: 100, want: [2]int{100, 100}},
		"the request's limit is used up by the first": {maxBytes: 100, partitionMax: 1000, want: [2]int{100, 0}},
		"what is left does not fit the second":        {maxBytes: 3*size + 10, partitionMax: 1000, want: [2]int{3 * size, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			parts := []FetchPartition{wanted(-1, 0), wanted(-1, 0)}
			parts[1].TopicPartition = second
			for i := range parts {
				parts[i].MaxBytes = int32(tc.partitionMax)
			}
			r.m.Fetch(FetchParams{Replica: cluster.NoBroker, MaxBytes: int32(tc.maxBytes), MinBytes: 1, MaxWait: time.Hour}, parts, func(got []FetchPartition) {
				for i := range got {
					if n := got[i].Data.Len(); n != tc.want[i] {
						t.Errorf("partition %d: %d bytes, want %d", i, n, tc.want[i])
					}
					got[i].Data.Release()
				}
			})
		})
	}
}

// consume fetches as a consumer that waits; the answer comes into the channel, which holds it.
func (r *rig) consume(offset int64, minBytes int32, maxWait time.Duration, isolation int8) <-chan FetchPartition {
	answer := make(chan FetchPartition, 1)
	r.m.Fetch(FetchParams{Replica: cluster.NoBroker, MinBytes: minBytes, MaxBytes: 1 << 20, MaxWait: maxWait, Isolation: isolation},
		[]FetchPartition{wanted(-1, offset)}, func(parts []FetchPartition) {
			parts[0].Data.Release()
			answer <- parts[0]
		})
	return answer
}

func TestFetchesWait(t *testing.T) {
	for name, tc := range map[string]struct {
		offset   int64
		minBytes int32
		// then happens after a second; the fetch may wait for ten.
		then func(*rig)
		want time.Duration
		err  error
		len  int
	}{
		"for nothing, if there is enough":   {offset: 0, minBytes: 1, len: 146},
		"for nothing, if nothing is wanted": {offset: 2, minBytes: 0},
		"for the time, if nothing happens":  {offset: 2, minBytes: 1, want: 10 * time.Second},
		"for the next record":               {offset: 2, minBytes: 1, then: func(r *rig) { r.mustProduce(1) }, want: time.Second, len: 73},
		"for the time, if it is not enough": {offset: 2, minBytes: 100, then: func(r *rig) { r.mustProduce(1) }, want: 10 * time.Second, len: 73},
		"until it is enough":                {offset: 2, minBytes: 100, then: func(r *rig) { r.mustProduce(1); r.mustProduce(1) }, want: time.Second, len: 146},
		"until there is an error":           {offset: 2, minBytes: 1, then: func(r *rig) { r.m.DirFailed(r.logs.LiveDirs()[0]) }, want: time.Second, err: ErrStorage},
		"not beyond the end":                {offset: 3, minBytes: 1, err: logdir.ErrOffsetOutOfRange},
		"before the log start":              {offset: -1, minBytes: 1, err: logdir.ErrOffsetOutOfRange},
		"not when what it read was deleted": {offset: 2, minBytes: 1000, want: time.Second, err: logdir.ErrOffsetOutOfRange, then: func(r *rig) {
			r.mustProduce(5)
			r.m.DeleteRecords(0, []RecordDeletion{{TopicPartition: orders, Offset: 4}}, func([]RecordDeletion) {})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.lead(0, 1)
				r.mustProduce(1)
				r.mustProduce(1)
				start := time.Now()
				answer := r.consume(tc.offset, tc.minBytes, 10*time.Second, readUncommitted)
				if tc.then != nil {
					time.Sleep(time.Second)
					tc.then(r)
				}
				got := <-answer
				if waited := time.Since(start); waited != tc.want {
					t.Errorf("waited %v, want %v", waited, tc.want)
				}
				if !errors.Is(got.Err, tc.err) || got.Data.Len() != tc.len {
					t.Errorf("%v, %d bytes; want %v, %d", got.Err, got.Data.Len(), tc.err, tc.len)
				}
			})
		})
	}
}

// What is not committed is not shown, and asking beyond it is answered at once with nothing.
func TestConsumersSeeWhatIsCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.lead(0, 1, 2)
		r.mustProduce(2)
		if got := <-r.consume(1, 1, time.Hour, readUncommitted); got.Err != nil || got.Data.Len() != 0 || got.Data.HighWatermark != 0 {
			t.Errorf("above the high watermark: %+v", got)
		}
		answer := r.consume(0, 1, time.Hour, readUncommitted)
		time.Sleep(time.Second)
		if fp := r.fetchFrom(2, 0, 0); fp.Data.Len() == 0 {
			t.Error("the follower sees nothing")
		}
		select {
		case got := <-answer:
			t.Errorf("the consumer was shown what only the leader has: %+v", got)
		default:
		}
		r.fetchFrom(2, 0, 2)
		if got := <-answer; got.Err != nil || got.Data.Len() == 0 || got.Data.HighWatermark != 2 {
			t.Errorf("once it is committed: %+v", got)
		}
	})
}

func TestAFollowersFetchWaitsForTheLogEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.lead(0, 1, 2, 3)
		answer := make(chan FetchPartition, 1)
		r.m.Fetch(FetchParams{Replica: 2, MinBytes: 1, MaxBytes: 1000, MaxWait: time.Hour}, []FetchPartition{wanted(0, 0)},
			func(parts []FetchPartition) { answer <- parts[0] })
		time.Sleep(time.Second)
		start := time.Now()
		r.mustProduce(1)
		got := <-answer
		defer got.Data.Release()
		if waited := time.Since(start); waited != 0 {
			t.Errorf("it came %v late", waited)
		}
		if got.Err != nil || got.Data.Len() == 0 {
			t.Errorf("%+v", got)
		}
	})
}
