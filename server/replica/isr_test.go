package replica

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/zkcoord/cluster"
)

func TestJoining(t *testing.T) {
	// The leader's log: five records of epoch 0, then epoch 3 begins at 5, then two more; the high watermark is
	// 5 at first.
	for name, tc := range map[string]struct {
		dead   bool
		offset int64
		joins  bool
	}{
		"below the high watermark":                        {offset: 3},
		"at the high watermark, below the start of epoch": {offset: 4},
		"at the start of the epoch":                       {offset: 5, joins: true},
		"at the log's end":                                {offset: 7, joins: true},
		"dead, as far as we know":                         {offset: 7, dead: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			p := r.follow(2, 0, 1, 2, 3)
			if err := p.AppendAsFollower(0, epochRecords(5, 0, 0), 4, 0); err != nil {
				t.Fatal(err)
			}
			if tc.dead {
				r.alive(1, 2)
			}
			r.leadWith(3, ids(1, 2), ids(1, 2, 3))
			r.mustProduce(2)
			r.fetchFrom(3, 3, tc.offset)
			w, asked := r.isr.take()
			if asked != tc.joins {
				t.Fatalf("asked for a larger ISR: %v, high watermark %d, epoch start %d", asked, p.Snapshot().HighWatermark, p.mu.reign.Load().epochStart)
			}
			if asked && (!slices.Equal(w.want.ISR, []cluster.BrokerID{1, 2, 3}) || w.want.LeaderEpoch != 3 || w.want.PartitionEpoch != 3) {
				t.Errorf("asked for %+v", w.want)
			}
		})
	}
}

func TestISRAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		code        int16
		granted     func(cluster.LeaderAndISR) cluster.LeaderAndISR
		isr         []cluster.BrokerID
		stays       bool // the wish stays open
		again       bool // it is sent again
		wantMaximal int
	}{
		"granted": {isr: []cluster.BrokerID{1, 2}, wantMaximal: 2},
		"granted by another epoch's state": {granted: func(s cluster.LeaderAndISR) cluster.LeaderAndISR { s.LeaderEpoch++; return s },
			isr: []cluster.BrokerID{1}, stays: true, wantMaximal: 2},
		"granted, older than what we know": {granted: func(s cluster.LeaderAndISR) cluster.LeaderAndISR { s.PartitionEpoch = -1; return s },
			isr: []cluster.BrokerID{1}, stays: true, wantMaximal: 2},
		"not attempted":    {code: kerr.OperationNotAttempted.Code, isr: []cluster.BrokerID{1}, wantMaximal: 1},
		"ineligible":       {code: kerr.IneligibleReplica.Code, isr: []cluster.BrokerID{1}, wantMaximal: 1},
		"fenced":           {code: kerr.FencedLeaderEpoch.Code, isr: []cluster.BrokerID{1}, stays: true, wantMaximal: 2},
		"wrong version":    {code: kerr.InvalidUpdateVersion.Code, isr: []cluster.BrokerID{1}, stays: true, wantMaximal: 2},
		"invalid":          {code: kerr.InvalidRequest.Code, isr: []cluster.BrokerID{1}, stays: true, wantMaximal: 2},
		"unknown topic":    {code: kerr.UnknownTopicOrPartition.Code, isr: []cluster.BrokerID{1}, stays: true, wantMaximal: 2},
		"unknown topic id": {code: kerr.UnknownTopicID.Code, isr: []cluster.BrokerID{1}, stays: true, wantMaximal: 2},
		"no controller":    {code: kerr.NotController.Code, isr: []cluster.BrokerID{1}, stays: true, again: true, wantMaximal: 2},
		"a lost request":   {code: -1, isr: []cluster.BrokerID{1}, stays: true, again: true, wantMaximal: 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				p := r.leadWith(0, ids(1), ids(1, 2))
				r.fetchFrom(2, 0, 0)
				w, ok := r.isr.take()
				if !ok {
					t.Fatal("nothing was asked")
				}
				granted := w.want
				granted.PartitionEpoch++
				if tc.granted != nil {
					granted = tc.granted(granted)
				}
				w.answer(granted, tc.code)
				time.Sleep(time.Second)
				synctest.Wait()

				reign := p.mu.reign.Load()
				if !slices.Equal(reign.isr, tc.isr) || (reign.asked != nil) != tc.stays || len(reign.maximalISR) != tc.wantMaximal {
					t.Errorf("ISR %v, maximal %v, asked %+v", reign.isr, reign.maximalISR, reign.asked)
				}
				if _, again := r.isr.take(); again != tc.again {
					t.Errorf("asked again: %v, want %v", again, tc.again)
				}
			})
		})
	}
}

func TestALeaderAndISROverridesAWish(t *testing.T) {
	r := newRig(t)
	p := r.leadWith(0, ids(1), ids(1, 2))
	r.fetchFrom(2, 0, 0)
	w, _ := r.isr.take()
	r.leadWith(1, ids(1), ids(1, 2))
	w.want.PartitionEpoch = 9
	w.answer(w.want, 0)
	if reign := p.mu.reign.Load(); len(reign.isr) != 1 || reign.asked != nil || reign.partitionEpoch != 1 {
		t.Errorf("an answer to a wish of the last reign was taken: ISR %v, partition epoch %d", reign.isr, reign.partitionEpoch)
	}
}

// The answer to a wish of the last reign must not end the wish of this one.
func TestAnAnswerEndsItsOwnWishOnly(t *testing.T) {
	r := newRig(t)
	p := r.leadWith(0, ids(1), ids(1, 2))
	r.fetchFrom(2, 0, 0)
	old, _ := r.isr.take()
	r.leadWith(1, ids(1), ids(1, 2))
	r.fetchFrom(2, 1, 0)
	if _, ok := r.isr.take(); !ok {
		t.Fatal("nothing was asked in the new reign")
	}
	old.answer(cluster.LeaderAndISR{}, kerr.IneligibleReplica.Code)
	if reign := p.mu.reign.Load(); reign.asked == nil || len(reign.maximalISR) != 2 {
		t.Errorf("asked %+v, maximal ISR %v", reign.asked, reign.maximalISR)
	}
}

func TestOneWishIsInFlight(t *testing.T) {
	r := newRig(t)
	p := r.leadWith(0, ids(1), ids(1, 2, 3))
	r.fetchFrom(2, 0, 0)
	r.fetchFrom(3, 0, 0)
	p.shrinkISR(time.Now().Add(time.Hour))
	if n := len(r.isr.asked); n != 1 {
		t.Fatalf("%d wishes at once", n)
	}
	r.isr.grant(t)
	r.fetchFrom(3, 0, 0)
	if w, ok := r.isr.take(); !ok || len(w.want.ISR) != 3 || w.want.PartitionEpoch != 1 {
		t.Errorf("then %+v, %v", w.want, ok)
	}
}

// A follower of a busy leader never reaches the log's end, and is in sync all the same.
func TestCaughtUp(t *testing.T) {
	begin := time.Now()
	at := func(seconds int) time.Time { return begin.Add(time.Duration(seconds) * time.Second) }
	type fetch struct {
		second            int
		offset, leaderEnd int64
	}
	for name, tc := range map[string]struct {
		fetches []fetch
		want    bool // at second 40, with 30 s of patience and the log end at 100
	}{
		"never came":                           {},
		"has everything":                       {fetches: []fetch{{1, 100, 100}}, want: true},
		"had everything not long ago":          {fetches: []fetch{{15, 50, 50}}, want: true},
		"had everything long ago":              {fetches: []fetch{{5, 50, 50}, {35, 51, 99}}},
		"has what there was at its last fetch": {fetches: []fetch{{20, 10, 50}, {30, 50, 80}}, want: true},
		"has what there was long ago":          {fetches: []fetch{{5, 10, 50}, {30, 50, 80}}},
		"comes often and gets nowhere":         {fetches: []fetch{{20, 10, 50}, {30, 20, 80}, {39, 30, 99}}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFollower(2)
			for _, fetch := range tc.fetches {
				f.progress(fetch.offset, 0, fetch.leaderEnd, at(fetch.second))
				f.answered()
			}
			s := f.state()
			if got := s.isCaughtUp(100, at(40), 30*time.Second); got != tc.want {
				t.Errorf("caught up: %v, want %v; %+v", got, tc.want, s)
			}
		})
	}
}

// The leader's disk takes 50 s for a read; the follower, which had everything, must not be blamed for it, but
// not for ever (KIP-501).
func TestASlowLeaderDoesNotThrowOutItsFollowers(t *testing.T) {
	now := time.Now()
	f := newFollower(2)
	f.progress(5, 0, 5, now)
	for name, tc := range map[string]struct {
		after    time.Duration
		answered bool
		want     bool
	}{
		"while its fetch is in our hands":          {after: 50 * time.Second, want: true},
		"not for longer than the lag time again":   {after: 61 * time.Second},
		"once it is answered its own time is over": {after: 50 * time.Second, answered: true},
	} {
		t.Run(name, func(t *testing.T) {
			if f.progress(5, 0, 5, now); tc.answered {
				f.answered()
			}
			s := f.state()
			if got := s.isCaughtUp(10, now.Add(tc.after), 30*time.Second); got != tc.want {
				t.Errorf("caught up: %v, want %v", got, tc.want)
			}
		})
	}
}
