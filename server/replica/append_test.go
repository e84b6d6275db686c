package replica

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"ottla/logdir"
	"ottla/zkcoord/cluster"
)

func TestAcks(t *testing.T) {
	for name, tc := range map[string]struct {
		acks     int16
		replicas []int32
		tp       cluster.TopicPartition
		origin   logdir.Origin
		records  []byte
		err      error
		waits    bool
	}{
		"0 is answered in place":             {acks: 0, replicas: ids(1, 2), tp: orders},
		"1 is answered in place":             {acks: 1, replicas: ids(1, 2), tp: orders},
		"all of one is answered in place":    {acks: -1, replicas: ids(1), tp: orders},
		"all of two waits for the second":    {acks: -1, replicas: ids(1, 2), tp: orders, waits: true},
		"2 is nothing":                       {acks: 2, replicas: ids(1), tp: orders, err: ErrInvalidRequiredAcks},
		"a partition that nobody knows":      {acks: 1, replicas: ids(1), tp: cluster.TopicPartition{Topic: "x"}, err: ErrUnknownPartition},
		"a client writes to a coordinator's": {acks: 1, replicas: ids(1), tp: cluster.TopicPartition{Topic: "__consumer_offsets"}, err: ErrInvalidTopic},
		"garbage does not reach the log":     {acks: -1, replicas: ids(1, 2), tp: orders, records: []byte("garbage"), err: logdir.ErrInvalidRecord},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.lead(0, tc.replicas...)
				if tc.records == nil {
					tc.records = records(3)
				}
				var order []string
				var answer *AppendEntry
				r.m.Append(tc.acks, time.Minute, tc.origin, 9, []AppendEntry{{TopicPartition: tc.tp, Records: tc.records}},
					func() { order = append(order, "appended") },
					func(e []AppendEntry) { order, answer = append(order, "done"), &e[0] })
				if order[0] != "appended" || (answer == nil) != tc.waits {
					t.Fatalf("%v before Append returned", order)
				}
				if tc.waits {
					r.fetchFrom(2, 0, 2)
					if answer != nil {
						t.Fatal("answered with one record missing on the follower")
					}
					r.fetchFrom(2, 0, 3)
				}
				if !errors.Is(answer.Err, tc.err) {
					t.Errorf("%v, want %v", answer.Err, tc.err)
				}
				if want := int64(0); tc.err == nil && (answer.Result.FirstOffset != want || answer.Result.LastOffset != 2 || answer.Result.LogStartOffset != 0) {
					t.Errorf("%+v", answer.Result)
				}
				if tc.err != nil && (answer.Result.FirstOffset != -1 || answer.Result.LogStartOffset != -1) {
					t.Errorf("refused, and yet %+v", answer.Result)
				}
			})
		})
	}
}

func TestAnAppendTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		p := r.lead(0, 1, 2)
		start := time.Now()
		e := <-r.produce(3, acksAll, 30*time.Second)
		if !errors.Is(e.Err, ErrTimeout) || time.Since(start) != 30*time.Second {
			t.Errorf("%v after %v", e.Err, time.Since(start))
		}
		if p.LogEndOffset() != 3 {
			t.Error("the records are gone")
		}
	})
}

func TestOnePartitionOfAnAppendDoesNotHoldUpTheOthersErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.lead(0, 1, 2)
		unknown := cluster.TopicPartition{Topic: "x"}
		answer := make(chan []AppendEntry, 1)
		r.m.Append(acksAll, time.Minute, logdir.OriginClient, 9,
			[]AppendEntry{{TopicPartition: unknown, Records: records(1)}, {TopicPartition: orders, Records: records(1)}},
			nil, func(e []AppendEntry) { answer <- e })
		r.fetchFrom(2, 0, 1)
		got := <-answer
		if !errors.Is(got[0].Err, ErrUnknownPartition) || got[1].Err != nil {
			t.Errorf("%v and %v", got[0].Err, got[1].Err)
		}
	})
}

// The ISR shrinks below the minimum at the very moment in which the high watermark has come far enough.
func TestTooFewInSyncAfterTheAppend(t *testing.T) {
	r := newRig(t)
	r.minISR = 2
	p := r.leadWith(0, ids(1, 2), ids(1, 2))
	waiting := r.produce(1, acksAll, time.Minute)
	p.mu.Lock()
	p.mu.reign.Store(p.mu.reign.Load().withISR([]cluster.BrokerID{1}))
	l := p.mu.reign.Load().log
	l.SetHighWatermark(1)
	p.mu.Unlock()
	r.m.checkAll(orders)
	if e := <-waiting; !errors.Is(e.Err, ErrNotEnoughReplicasAfterAppend) || e.Result.FirstOffset != 0 {
		t.Errorf("%+v", e)
	}
}

func TestEntriesMayBeUsedAgain(t *testing.T) {
	r := newRig(t)
	entries := []AppendEntry{{TopicPartition: orders, Records: records(1)}}
	appendAll := func() { r.m.Append(1, 0, logdir.OriginClient, 9, entries, nil, func([]AppendEntry) {}) }
	if appendAll(); !errors.Is(entries[0].Err, ErrUnknownPartition) {
		t.Errorf("before: %v", entries[0].Err)
	}
	r.lead(0, 1)
	if appendAll(); entries[0].Err != nil || entries[0].Result.LastOffset != 0 {
		t.Errorf("after: %+v", entries[0])
	}
}

// A coordinator appends only in the reign in which it has loaded. When a broker leaves, the leaders that stay get
// a new epoch, and lead on: the transactions of such a coordinator all hung, answered NOT_COORDINATOR for ever.
func TestALeaderThatStaysUnderANewEpochTakesItsCoordinatorsRecords(t *testing.T) {
	r := newRig(t)
	since := int32(4)
	write := func() error {
		answer := make(chan error, 1)
		r.m.Append(1, time.Second, logdir.OriginCoordinator, 9, []AppendEntry{{TopicPartition: orders, Records: records(1), LeadingSince: &since}}, nil,
			func(e []AppendEntry) { answer <- e[0].Err })
		return <-answer
	}
	r.lead(4, 1, 2)
	if err := write(); err != nil {
		t.Error(err)
	}
	r.leadWith(5, []int32{1}, []int32{1, 2}) // broker 2 has left
	if err := write(); err != nil {
		t.Errorf("after a change of the ISR: %v", err)
	}
	if code := r.decide(state(2, 6, 6, []int32{1, 2}, []int32{1, 2})); code != 0 {
		t.Fatal(code)
	}
	r.lead(7, 1, 2)
	if err := write(); !errors.Is(err, ErrNotLeader) {
		t.Errorf("another has led since, and yet %v", err)
	}
}

// With leader.fence.on.session.loss a leader that may have been replaced takes nothing, whatever it is asked to acknowledge, and goes
// on when its session turns out to stand.
func TestAFencedLeaderTakesNoRecords(t *testing.T) {
	fenced := false
	r := newRig(t, func(o *Options) { o.Fenced = func() bool { return fenced } })
	p := r.lead(0, 1)
	r.mustProduce(5)
	fenced = true
	for _, acks := range []int16{0, 1, acksAll} {
		if e := <-r.produce(1, acks, time.Second); !errors.Is(e.Err, ErrNotLeader) {
			t.Errorf("acks=%d: %v", acks, e.Err)
		}
	}
	if end := p.LogEndOffset(); end != 5 {
		t.Errorf("log end %d", end)
	}
	if fp := r.fetchFrom(cluster.NoBroker, 0, 0); fp.Err != nil {
		t.Errorf("what is there can be read: %v", fp.Err)
	}
	fenced = false
	r.mustProduce(1)
}
