package replica

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/logdir"
	"ottla/logdir/batch"
	"ottla/zkcoord/cluster"
)

// TestNothingAcknowledgedIsLost lets three brokers and a careless network play against each other: decisions of
// the controller arrive late, so two brokers may believe that they lead; answers get lost; followers copy or do
// not; leaders shrink their ISRs. The controller itself only does what it must: it elects from the ISR, and
// compares epochs.
//
// Whatever was acknowledged with acks=all stands in the log of whoever leads in the end, at its offset; and so
// does whatever a consumer could have seen.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	acked, reigns := 0, 0
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newPlay(t, seed)
				for range 400 {
					c.step()
				}
				c.settle()
				c.verify()
				acked, reigns = acked+len(c.acked), reigns+int(c.truth.LeaderEpoch)
			})
		})
	}
	if acked < 100 || reigns < 30 {
		t.Errorf("the play was dull: %d acknowledged in %d reigns", acked, reigns)
	}
}

// play is three brokers, a controller and what is under way between them.
type play struct {
	t       *testing.T
	rnd     *rand.Rand
	brokers []*rig // brokers[i] is broker i+1
	truth   cluster.LeaderAndISR
	// mail are the decisions that each broker has not got yet.
	mail [][]cluster.LeaderAndISR
	// acked is what producers were told of, seen what consumers could see: the record's value by its offset.
	acked, seen map[int64]string
	produced    int
}

func newPlay(t *testing.T, seed uint64) *play {
	c := &play{t: t, rnd: rand.New(rand.NewPCG(seed, 7)), acked: map[int64]string{}, seen: map[int64]string{}, mail: make([][]cluster.LeaderAndISR, 3)}
	for id := range cluster.BrokerID(3) {
		c.brokers = append(c.brokers, newRig(t, func(o *Options) { o.ID = id + 1 }))
	}
	c.truth = cluster.LeaderAndISR{Leader: 1, ISR: []cluster.BrokerID{1, 2, 3}}
	c.announce()
	return c
}

func (c *play) step() {
	id := c.rnd.IntN(3)
	switch n := c.rnd.IntN(100); {
	case n < 35:
		c.copy(id)
	case n < 52:
		c.produce(id)
	case n < 72:
		c.deliver(id)
	case n < 84:
		if lost := c.rnd.IntN(3) == 0; c.alterPartition(id, lost) && lost {
			c.elect() // the leader does not know yet who may be elected now
		}
	case n < 92:
		if p, ok := c.brokers[id].m.hosted(orders); ok {
			p.shrinkISR(time.Now().Add(time.Hour))
		}
	case n < 94:
		c.elect()
	case n < 96:
		time.Sleep(40 * time.Second) // nobody counts as caught up by the clock any more
	default:
		time.Sleep(time.Second) // wishes are repeated
	}
	synctest.Wait()
	c.look(id)
}

// produce sends a record to a broker, whether it leads or not.
func (c *play) produce(id int) {
	c.produced++
	value := fmt.Sprint("record ", c.produced)
	b := batch.NewBuilder(batch.PlainOptions(batch.None))
	b.Append(1000, nil, []byte(value))
	c.brokers[id].m.Append(acksAll, time.Minute, logdir.OriginClient, 9,
		[]AppendEntry{{TopicPartition: orders, Records: slices.Clone(b.Bytes())}}, nil, func(e []AppendEntry) {
			if e[0].Err == nil {
				c.note(c.acked, e[0].Result.FirstOffset, value)
			}
		})
}

// note remembers what stands at an offset; two records at one offset are one lost.
func (c *play) note(what map[int64]string, offset int64, value string) {
	if before, ok := what[offset]; ok && before != value {
		c.t.Errorf("offset %d held %q, now it holds %q", offset, before, value)
	}
	what[offset] = value
}

// look reads as a consumer does.
func (c *play) look(id int) {
	if p, ok := c.brokers[id].m.hosted(orders); ok && p.IsLeader() {
		for offset, value := range c.read(p, logdir.LimitHighWatermark) {
			c.note(c.seen, offset, value)
		}
	}
}

func (c *play) read(p *Partition, limit logdir.Limit) map[int64]string {
	l, _ := p.Log()
	data, err := l.Read(0, 1<<20, true, limit)
	if err != nil {
		c.t.Fatal(err)
	}
	defer data.Release()
	bytes, err := data.Bytes()
	if err != nil {
		c.t.Fatal(err)
	}
	values := map[int64]string{}
	for b, err := range batch.All(bytes) {
		if err != nil {
			c.t.Fatal(err)
		}
		for record, err := range batch.Records(b) {
			if err != nil {
				c.t.Fatal(err)
			}
			values[record.Offset] = string(record.Value)
		}
	}
	return values
}

// copy is one fetch of a follower, and what it does with the answer.
func (c *play) copy(id int) {
	p, ok := c.brokers[id].m.hosted(orders)
	if !ok || p.IsLeader() {
		return
	}
	leader, epoch := p.Leader()
	l, _ := p.Log()
	offset, lastEpoch := p.FetchPosition()
	fp := wanted(epoch, offset)
	fp.MaxBytes, fp.LastFetchedEpoch = int32(80+c.rnd.IntN(300)), lastEpoch
	c.brokers[leader-1].m.Fetch(FetchParams{Replica: cluster.BrokerID(id + 1), MaxBytes: 1 << 20}, []FetchPartition{fp}, func(got []FetchPartition) {
		defer got[0].Data.Release()
		if c.rnd.IntN(10) == 0 {
			return // the answer is lost
		}
		if d := got[0].Diverging; d != nil {
			_, end := l.EndOffsetForEpoch(d.Epoch)
			if err := p.TruncateTo(epoch, min(d.EndOffset, max(0, end))); err != nil {
				c.t.Fatal(err)
			}
		} else if got[0].Err == nil {
			c.keep(p, epoch, got[0])
		}
	})
}

func (c *play) keep(p *Partition, epoch int32, got FetchPartition) {
	bytes, err := got.Data.Bytes()
	if err != nil {
		c.t.Fatal(err)
	}
	whole := 0
	for b, err := range batch.All(bytes) {
		if err != nil {
			break // cut in the middle by the limit
		}
		whole += len(b)
	}
	if err := p.AppendAsFollower(epoch, bytes[:whole], got.Data.HighWatermark, got.Data.LogStartOffset); err != nil {
		c.t.Fatal(err)
	}
}

// elect makes some member of the ISR the leader of the next epoch, most often the one that joined last.
func (c *play) elect() {
	c.truth.Leader = c.truth.ISR[len(c.truth.ISR)-1]
	if c.rnd.IntN(3) == 0 {
		c.truth.Leader = c.truth.ISR[c.rnd.IntN(len(c.truth.ISR))]
	}
	c.truth.LeaderEpoch++
	c.truth.PartitionEpoch++
	c.announce()
}

func (c *play) announce() {
	for id := range c.mail {
		c.mail[id] = append(c.mail[id], c.truth)
	}
}

// deliver hands a broker the oldest decision that it has not got.
func (c *play) deliver(id int) {
	if len(c.mail[id]) == 0 {
		return
	}
	d := c.mail[id][0]
	c.mail[id] = c.mail[id][1:]
	s := state(int32(d.Leader), d.LeaderEpoch, d.PartitionEpoch, nil, ids(1, 2, 3))
	for _, member := range d.ISR {
		s.ISR = append(s.ISR, int32(member))
	}
	if code := c.brokers[id].decide([]kmsg.LeaderAndISRRequestTopicPartition{s}...); code != 0 && code != kerr.StaleControllerEpoch.Code {
		c.t.Fatalf("broker %d: error %d", id+1, code)
	}
}

// alterPartition is the controller at work on a broker's oldest wish, and reports whether it grants it. Its
// answer may be lost.
func (c *play) alterPartition(id int, lost bool) (granted bool) {
	w, ok := c.brokers[id].isr.take()
	if !ok {
		return false
	}
	code := int16(0)
	switch {
	case w.want.LeaderEpoch < c.truth.LeaderEpoch:
		code = kerr.FencedLeaderEpoch.Code
	case w.want.Leader != c.truth.Leader || w.want.LeaderEpoch > c.truth.LeaderEpoch:
		code = kerr.InvalidRequest.Code
	case slices.Equal(w.want.ISR, c.truth.ISR): // a first try whose answer was lost
	case w.want.PartitionEpoch != c.truth.PartitionEpoch:
		code = kerr.InvalidUpdateVersion.Code
	default:
		c.truth.ISR = w.want.ISR
		c.truth.PartitionEpoch++
	}
	granted = code == 0
	if lost {
		code = -1
	}
	w.answer(c.truth, code)
	return granted
}

// settle lets everything arrive.
func (c *play) settle() {
	c.elect()
	for range 30 {
		for id := range c.brokers {
			for len(c.mail[id]) > 0 {
				c.deliver(id)
			}
			c.copy(id)
			c.alterPartition(id, false)
		}
		time.Sleep(time.Second)
		synctest.Wait()
	}
}

func (c *play) verify() {
	p, _ := c.brokers[c.truth.Leader-1].m.hosted(orders)
	final := c.read(p, logdir.LimitLogEnd)
	for name, what := range map[string]map[int64]string{"acknowledged": c.acked, "seen": c.seen} {
		for offset, value := range what {
			if final[offset] != value {
				c.t.Errorf("%s at offset %d: %q, the leader has %q", name, offset, value, final[offset])
			}
		}
	}
	for id, r := range c.brokers {
		if p, _ := r.m.hosted(orders); len(c.read(p, logdir.LimitLogEnd)) != len(final) {
			c.t.Errorf("broker %d has %d records, the leader %d: %+v", id+1, len(c.read(p, logdir.LimitLogEnd)), len(final), p.Snapshot())
		}
	}
}
