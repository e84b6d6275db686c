package fetcher

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/zkcoord/cluster"
)

// TestReplicasAgree lets three brokers live through random days: leaders change, uncleanly at times; decisions arrive late, so two may
// believe that they lead; answers get lost; processes die and come back without their high watermarks; records are deleted.
//
// Whatever was acknowledged with acks=all is in the end on the leader at its offset, unless an unclean election came between; and all three
// logs are equal, record by record, epochs included.
func TestReplicasAgree(t *testing.T) {
	acked, cut := 0, 0
	for seed := range uint64(20) {
		for _, version := range []int16{newestFetch, oldestFetch} {
			t.Run(fmt.Sprintf("seed %d, Fetch version %d", seed, version), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := newDays(t, seed, version)
					defer d.w.close()
					for range 150 {
						d.step()
					}
					d.settle()
					d.verify()
					acked, cut = acked+len(d.acked), cut+d.divergences
				})
			})
		}
	}
	if acked < 200 || cut < 30 {
		t.Errorf("the days were dull: %d records acknowledged, %d logs parted", acked, cut)
	}
}

// days are a world and the controller of it.
type days struct {
	t       *testing.T
	w       *world
	rnd     *rand.Rand
	version int16

	mu struct {
		sync.Mutex
		truth cluster.LeaderAndISR
		// mail are the decisions that each broker has not got yet.
		mail map[cluster.BrokerID][]cluster.LeaderAndISR
	}
	acked       map[int64]string
	unclean     int32 // the epoch of the last unclean election
	produced    int
	divergences int
}

func newDays(t *testing.T, seed uint64, version int16) *days {
	d := &days{t: t, rnd: rand.New(rand.NewPCG(seed, 9)), version: version, acked: map[int64]string{}}
	d.w = newWorld(t, 3)
	d.w.config = Config{MaxBytes: 300, ResponseMaxBytes: 600}
	d.w.alterPartition = d.alterPartition
	lost := rand.New(rand.NewPCG(seed, 10))
	d.w.network.change(func() {
		d.w.network.mu.lose = func() bool { return lost.IntN(12) == 0 }
		d.w.network.mu.tell = func(format string, _ ...any) {
			if format == "  the logs part: its epoch %d ended at %d" || format == "  epoch %d ended at %d" {
				d.divergences++
			}
		}
		for id := range d.w.brokers {
			d.w.network.mu.left[id] = -1
		}
	})
	for _, b := range d.w.brokers {
		b.fetchers.options.Versions = Versions{Fetch: version}.withDefaults()
	}
	d.mu.mail = map[cluster.BrokerID][]cluster.LeaderAndISR{}
	d.mu.truth = cluster.LeaderAndISR{Leader: 1, ISR: []cluster.BrokerID{1, 2, 3}}
	d.announce()
	return d
}

func (d *days) any() *broker { return d.w.brokers[cluster.BrokerID(d.rnd.IntN(3)+1)] }

func (d *days) step() {
	b := d.any()
	switch n := d.rnd.IntN(100); {
	case n < 35:
		d.produce(b)
	case n < 60:
		d.deliver(b)
	case n < 72:
		d.elect(d.rnd.IntN(8) == 0)
	case n < 76:
		d.kill(b)
	case n < 84:
		d.restart(b)
	case n < 87:
		d.deleteRecords(b)
	default:
		time.Sleep(time.Duration(d.rnd.IntN(700)) * time.Millisecond)
	}
	synctest.Wait()
}

// produce sends records to a broker, whether it leads or not.
func (d *days) produce(b *broker) {
	if b.replicas == nil {
		return
	}
	p, err := b.replicas.Partition(orders)
	if err != nil {
		return
	}
	var values []string
	for range 1 + d.rnd.IntN(3) {
		d.produced++
		values = append(values, fmt.Sprint("r", d.produced))
	}
	b.produce(-1, values, func(first int64, err error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		// A leader that has not heard of an unclean election may be alone in its ISR, and acknowledges what is given up.
		_, epoch := p.Leader()
		for i, v := range values {
			if err == nil && epoch >= d.unclean {
				d.acked[first+int64(i)] = v
			}
		}
	})
}

// elect makes a living member of the ISR the leader, or uncleanly anybody who lives.
func (d *days) elect(unclean bool) {
	d.mu.Lock()
	var candidates []cluster.BrokerID
	for _, id := range d.w.ids() {
		if d.w.brokers[id].replicas != nil && (unclean || slices.Contains(d.mu.truth.ISR, id)) {
			candidates = append(candidates, id)
		}
	}
	if len(candidates) == 0 {
		d.mu.Unlock()
		return
	}
	leader := candidates[d.rnd.IntN(len(candidates))]
	if !slices.Contains(d.mu.truth.ISR, leader) {
		// What only the others had is given up, and with it the promise.
		clear(d.acked)
		d.unclean = d.mu.truth.LeaderEpoch + 1
		d.mu.truth.ISR = []cluster.BrokerID{leader}
	}
	d.mu.truth.Leader = leader
	d.mu.truth.LeaderEpoch++
	d.mu.truth.PartitionEpoch++
	d.mu.Unlock()
	d.announce()
}

func (d *days) announce() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range d.w.ids() {
		d.mu.mail[id] = append(d.mu.mail[id], d.mu.truth)
	}
}

// deliver hands a broker the oldest decision that it has not got.
func (d *days) deliver(b *broker) bool {
	d.mu.Lock()
	mail := d.mu.mail[b.id]
	if len(mail) == 0 || b.replicas == nil {
		d.mu.Unlock()
		return false
	}
	d.mu.mail[b.id] = mail[1:]
	d.mu.Unlock()
	d.w.decide(mail[0], b.id)
	return true
}

// alterPartition grants what a leader asks if it knows the present state.
func (d *days) alterPartition(want cluster.LeaderAndISR, answer func(cluster.LeaderAndISR, int16)) {
	d.mu.Lock()
	truth := &d.mu.truth
	code := int16(0)
	switch {
	case want.LeaderEpoch < truth.LeaderEpoch:
		code = kerr.FencedLeaderEpoch.Code
	case want.Leader != truth.Leader || want.LeaderEpoch > truth.LeaderEpoch:
		code = kerr.InvalidRequest.Code
	case want.PartitionEpoch != truth.PartitionEpoch:
		code = kerr.InvalidUpdateVersion.Code
	default:
		truth.ISR = want.ISR
		truth.PartitionEpoch++
	}
	granted := *truth
	d.mu.Unlock()
	go answer(granted, code) // the caller may hold what the answer needs
}

// kill ends a broker's process. It leaves the ISR as soon as somebody else can lead.
func (d *days) kill(b *broker) {
	if b.replicas == nil {
		return
	}
	b.kill()
	d.mu.Lock()
	truth := &d.mu.truth
	d.mu.mail[b.id] = nil
	if len(truth.ISR) > 1 {
		truth.ISR = slices.DeleteFunc(slices.Clone(truth.ISR), func(id cluster.BrokerID) bool { return id == b.id })
	}
	d.mu.Unlock()
	d.elect(false)
}

func (d *days) restart(b *broker) {
	if b.replicas != nil {
		return
	}
	b.start()
	b.fetchers.options.Versions = Versions{Fetch: d.version}.withDefaults()
	d.mu.Lock()
	d.mu.mail[b.id] = []cluster.LeaderAndISR{d.mu.truth}
	d.mu.Unlock()
}

// deleteRecords moves the log start of a leader to some committed record.
func (d *days) deleteRecords(b *broker) {
	if b.replicas == nil {
		return
	}
	p, err := b.replicas.Partition(orders)
	if err != nil || !p.IsLeader() {
		return
	}
	l := b.openLog()
	if room := l.HighWatermark() - l.LogStartOffset(); room > 0 {
		if err := l.AdvanceLogStart(l.LogStartOffset() + d.rnd.Int64N(room)); err != nil {
			d.t.Error(err)
		}
	}
}

// settle brings everybody back and lets everything arrive.
func (d *days) settle() {
	d.w.network.change(func() { d.w.network.mu.lose = nil })
	for _, b := range d.w.brokers {
		d.restart(b)
	}
	d.elect(false)
	for range 3 {
		for _, b := range d.w.brokers {
			for d.deliver(b) {
			}
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
	}
}

func (d *days) verify() {
	d.mu.Lock()
	defer d.mu.Unlock()
	leader := d.w.brokers[d.mu.truth.Leader]
	final := leader.records()
	at := map[int64]string{}
	for _, r := range final {
		at[r.offset] = r.value
	}
	start := leader.openLog().LogStartOffset()
	for offset, value := range d.acked {
		if offset >= start && at[offset] != value {
			d.t.Errorf("acknowledged at offset %d: %q, the leader has %q", offset, value, at[offset])
		}
	}
	for _, id := range d.w.ids() {
		b := d.w.brokers[id]
		l := b.openLog()
		if l.HighWatermark() != leader.openLog().LogEndOffset() {
			d.t.Errorf("broker %d has high watermark %d, the leader's log ends at %d", id, l.HighWatermark(), leader.openLog().LogEndOffset())
		}
		// A follower may have heard of a deletion that its new leader has not.
		from := max(start, l.LogStartOffset())
		early := func(r record) bool { return r.offset < from }
		if !slices.Equal(slices.DeleteFunc(b.records(), early), slices.DeleteFunc(slices.Clone(final), early)) {
			d.t.Errorf("logs differ:\n%s\n%s", leader.state(), b.state())
		}
	}
}
