package replica

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"ottla/logdir"
	"ottla/logdir/batch"
	"ottla/zkcoord/cluster"
)

// inTransaction is a record of producer 7's transaction, markerOf the end of it.
func inTransaction() []byte {
	b := batch.NewBuilder(batch.Options{ProducerID: 7, Transactional: true})
	b.Append(1000, nil, []byte("value"))
	return b.Bytes()
}

func markerOf(commit bool) []byte {
	b := batch.NewBuilder(batch.Options{ProducerID: 7, BaseSequence: batch.NoSequence, Transactional: true, Control: true})
	b.AppendMarker(2000, batch.Marker{Commit: commit})
	return b.Bytes()
}

// A reader of what is committed waits for the last stable offset: for the marker of the transaction, and until that is
// committed itself. This holds at the leader and at a follower.
func TestReadersOfCommittedWaitForTheMarker(t *testing.T) {
	for name, place := range map[string]func(r *rig) (add func(records []byte), commit func(end int64)){
		"at the leader": func(r *rig) (func([]byte), func(int64)) {
			r.lead(0, 1, 2)
			return r.addAsCoordinator, func(end int64) { r.fetchFrom(2, 0, end) }
		},
		"at a follower": func(r *rig) (func([]byte), func(int64)) {
			p := r.follow(2, 0, 1, 2)
			next := int64(0)
			take := func(records []byte, hw int64) {
				if err := p.AppendAsFollower(0, records, hw, 0); err != nil {
					r.t.Error(err)
				}
			}
			return func(records []byte) {
				batch.SetOffset(records, next)
				batch.SetLeaderEpoch(records, 0)
				next++
				take(records, 0)
			}, func(end int64) { take(nil, end) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				add, commit := place(r)
				add(inTransaction())
				waiting := r.consume(0, 1, time.Hour, readCommitted)
				nothing := func(when string) {
					t.Helper()
					synctest.Wait()
					select {
					case got := <-waiting:
						t.Fatalf("%s: %+v", when, got)
					default:
					}
				}
				commit(1)
				if got := <-r.consume(0, 1, time.Hour, readUncommitted); got.Err != nil || got.Data.Len() == 0 || got.Data.Aborted != nil {
					t.Errorf("a reader of everything: %+v", got)
				}
				nothing("the transaction is open")
				add(markerOf(false))
				nothing("the marker is not committed")
				commit(2)
				got := <-waiting
				if got.Err != nil || got.Data.Len() == 0 || got.Data.LastStableOffset != 2 || fmt.Sprint(got.Data.Aborted) != "[{7 0}]" {
					t.Errorf("the transaction has ended: %+v", got)
				}
			})
		})
	}
}

func (r *rig) addAsCoordinator(records []byte) {
	r.m.Append(1, time.Second, logdir.OriginCoordinator, 11, []AppendEntry{{TopicPartition: orders, Records: records}}, nil, func(e []AppendEntry) {
		if e[0].Err != nil {
			r.t.Error(e[0].Err)
		}
	})
}

// ListOffsets tells a reader of what is committed the last stable offset, and no record behind it by its time.
func TestTheEndOfWhatIsCommitted(t *testing.T) {
	r := newRig(t)
	r.lead(3, 1, 2)
	ends := func(when, stable, all string) {
		t.Helper()
		for isolation, want := range map[int8]string{readCommitted: stable, readUncommitted: all} {
			if got := listed(r.m.ListOffset(orders, 3, latestTimestamp, isolation, cluster.NoBroker)); got != want {
				t.Errorf("%s, isolation %d: the end is %s, want %s", when, isolation, got, want)
			}
		}
	}
	r.addAsCoordinator(inTransaction()) // at time 1000
	r.fetchFrom(2, 3, 1)
	ends("the transaction is open", "0 -1 3", "1 -1 3")
	if got := listed(r.m.ListOffset(orders, 3, 1000, readCommitted, cluster.NoBroker)); got != "-1 -1 -1" {
		t.Errorf("its record is found: %s", got)
	}
	r.addAsCoordinator(markerOf(true))
	ends("the marker is not committed", "0 -1 3", "1 -1 3")
	r.fetchFrom(2, 3, 2)
	ends("it has ended", "2 -1 3", "2 -1 3")
	if got := listed(r.m.ListOffset(orders, 3, 1000, readCommitted, cluster.NoBroker)); got != "0 1000 3" {
		t.Errorf("its record by its time: %s", got)
	}
}
