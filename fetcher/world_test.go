package fetcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/logdir"
	"ottla/logdir/batch"
	"ottla/logdir/disk"
	"ottla/purgatory"
	"ottla/server/metadata"
	"ottla/server/replica"
	"ottla/zkcoord/cluster"
)

var (
	orders   = cluster.TopicPartition{Topic: "orders"}
	ordersID = cluster.TopicID{1}
)

// world is a few brokers: their replicas and logs are the real ones, on disks in memory. The test is their controller and
// their network.
type world struct {
	t        testing.TB
	versions Versions
	config   Config
	sessions bool // leaders keep fetch sessions
	brokers  map[cluster.BrokerID]*broker
	network  *network
	log      *logrus.Logger
	// alterPartition, if set, is the controller's answer to leaders.
	alterPartition func(want cluster.LeaderAndISR, answer func(cluster.LeaderAndISR, int16))
}

func newWorld(t testing.TB, brokers int) *world {
	w := &world{t: t, sessions: true, brokers: map[cluster.BrokerID]*broker{}, log: logrus.New()}
	w.log.SetOutput(io.Discard)
	if testing.Verbose() {
		w.log.SetOutput(t.Output())
		w.log.SetLevel(logrus.DebugLevel)
	}
	w.network = newNetwork(w)
	for id := range cluster.BrokerID(brokers) {
		b := &broker{w: w, id: id + 1, fsys: disk.NewCrashing()}
		w.brokers[b.id] = b
		b.start()
	}
	return w
}

func (w *world) close() {
	w.network.close()
	for _, b := range w.brokers {
		b.stop()
	}
}

// ids are the brokers in order.
func (w *world) ids() []cluster.BrokerID {
	var ids []cluster.BrokerID
	for id := range w.brokers {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// decide tells brokers who leads orders-0. Those that are down do not hear it.
func (w *world) decide(d cluster.LeaderAndISR, to ...cluster.BrokerID) {
	w.t.Helper()
	s := kmsg.LeaderAndISRRequestTopicPartition{Leader: int32(d.Leader), LeaderEpoch: d.LeaderEpoch, ZKVersion: d.PartitionEpoch, IsNew: true}
	for _, id := range d.ISR {
		s.ISR = append(s.ISR, int32(id))
	}
	for _, id := range w.ids() {
		s.Replicas = append(s.Replicas, int32(id))
	}
	for _, id := range to {
		b := w.brokers[id]
		if b.replicas == nil {
			continue
		}
		resp := b.replicas.LeaderAndISR(&kmsg.LeaderAndISRRequest{Version: 7, ControllerID: 9, BrokerEpoch: -1,
			TopicStates: []kmsg.LeaderAndISRRequestTopicState{{Topic: orders.Topic, TopicID: ordersID, PartitionStates: []kmsg.LeaderAndISRRequestTopicPartition{s}}}}, nil)
		if resp.ErrorCode != 0 {
			w.t.Fatalf("broker %d: LeaderAndIsr: error %d", id, resp.ErrorCode)
		}
	}
}

// broker is one of them; replicas is nil while it is down.
type broker struct {
	w        *world
	id       cluster.BrokerID
	fsys     *disk.Crashing
	logs     *logdir.Manager
	replicas *replica.Manager
	fetchers *Manager
	timer    *purgatory.Timer
	dead     chan struct{} // closed when it is

	sessions struct {
		sync.Mutex
		next int32
		byID map[int32]*leaderSession
	}
}

func (b *broker) start() {
	w := b.w
	logs, err := logdir.Open(context.Background(), logdir.Options{Dirs: []string{"/data"}, FS: b.fsys, BrokerID: b.id, ClusterID: "c",
		Defaults: logdir.DefaultConfig(), Log: w.log, OnDirFailure: func(dir string, _ error) { b.replicas.DirFailed(dir) }},
		func(string) logdir.Config { return logdir.DefaultConfig() })
	if err != nil {
		w.t.Fatal(err)
	}
	b.logs, b.timer = logs, purgatory.NewTimer()
	b.fetchers = New(Options{ID: b.id, Versions: w.versions, Log: w.log, Config: func() Config { return w.config },
		BrokerEpoch: func() int64 { return 100 + int64(b.id) },
		Connect:     func(leader cluster.BrokerID, number int) Leader { return &wireTo{w.network, b.id, leader} }})
	cache := metadata.New()
	replicas := replica.New(replica.Options{ID: b.id, Logs: logs, Metadata: cache, Timer: b.timer, ISRChanger: controllerOf{w}, Fetchers: feed{b}, Log: w.log})
	alive := &kmsg.UpdateMetadataRequest{Version: 8, ControllerID: 9, BrokerEpoch: -1}
	for id := range int32(5) {
		alive.LiveBrokers = append(alive.LiveBrokers, kmsg.UpdateMetadataRequestLiveBroker{ID: id})
	}
	replicas.UpdateMetadata(alive)
	b.sessions.Lock()
	b.replicas, b.dead, b.sessions.byID = replicas, make(chan struct{}), map[int32]*leaderSession{}
	b.sessions.Unlock()
}

// stop closes a broker in order.
func (b *broker) stop() {
	if b.replicas == nil {
		return
	}
	if len(b.logs.OfflineDirs()) > 0 {
		b.kill()
		return
	}
	close(b.dead)
	b.fetchers.Close()
	if err := errors.Join(b.replicas.Close(), b.logs.Close()); err != nil {
		b.w.t.Error(err)
	}
	b.timer.Close()
	b.down()
}

func (b *broker) down() {
	b.sessions.Lock()
	defer b.sessions.Unlock()
	b.replicas = nil
}

// kill ends its process: what it wrote is there, high watermarks that it had not written down are not.
func (b *broker) kill() {
	close(b.dead)
	b.fetchers.Close()
	b.logs.Abandon()
	_ = b.replicas.Close()
	b.timer.Close()
	b.down()
	b.fsys = b.fsys.Killed()
}

// cutPower ends its machine: what it had not synced is gone.
func (b *broker) cutPower() {
	fsys := b.fsys
	b.kill()
	b.fsys = fsys.PowerFailure(rand.New(rand.NewPCG(1, 2)))
}

func (b *broker) partition() *replica.Partition {
	p, err := b.replicas.Partition(orders)
	if err != nil {
		b.w.t.Fatalf("broker %d: %v", b.id, err)
	}
	return p
}

func (b *broker) openLog() *logdir.Log {
	l, ok := b.partition().Log()
	if !ok {
		b.w.t.Fatalf("broker %d has no log", b.id)
	}
	return l
}

// record is one record of a log: its offset, the epoch of its batch, its value.
type record struct {
	offset int64
	epoch  int32
	value  string
}

func (b *broker) records() (all []record) {
	l := b.openLog()
	for offset := l.LogStartOffset(); offset < l.LogEndOffset(); {
		data, err := l.Read(offset, 1<<20, true, logdir.LimitLogEnd)
		if err != nil {
			b.w.t.Fatal(err)
		}
		bytes, err := data.Bytes()
		data.Release()
		if err != nil {
			b.w.t.Fatal(err)
		}
		for each, err := range batch.All(bytes) {
			if err != nil {
				b.w.t.Fatal(err)
			}
			h, _ := batch.ReadHeader(each)
			for r, err := range batch.Records(each) {
				if err != nil {
					b.w.t.Fatal(err)
				}
				if r.Offset >= l.LogStartOffset() {
					all = append(all, record{r.Offset, h.LeaderEpoch, string(r.Value)})
				}
			}
			offset = h.NextOffset()
		}
	}
	return all
}

// produce appends records, a batch each or all in one, and calls done with the error for each batch.
func (b *broker) produce(acks int16, values []string, done func(first int64, err error)) {
	builder := batch.NewBuilder(batch.PlainOptions(batch.None))
	for _, v := range values {
		builder.Append(1000, nil, []byte(v))
	}
	b.replicas.Append(acks, 1<<40, logdir.OriginClient, 9, []replica.AppendEntry{{TopicPartition: orders, Records: slices.Clone(builder.Bytes())}}, nil,
		func(e []replica.AppendEntry) { done(e[0].Result.FirstOffset, e[0].Err) })
}

func (b *broker) state() string {
	if b.replicas == nil {
		return fmt.Sprintf("%d is down", b.id)
	}
	p, err := b.replicas.Partition(orders)
	if err != nil {
		return fmt.Sprintf("%d: %v", b.id, err)
	}
	s := p.Snapshot()
	var out strings.Builder
	switch {
	case s.Leads:
		fmt.Fprintf(&out, "%d leads    ", b.id)
	case s.Leader < 0:
		fmt.Fprintf(&out, "%d waits    ", b.id)
	default:
		fmt.Fprintf(&out, "%d follows %d", b.id, s.Leader)
	}
	if s.LogStart > 0 {
		fmt.Fprintf(&out, " %d:", s.LogStart)
	}
	written := false
	for _, r := range b.records() {
		if r.offset >= s.HighWatermark && !written {
			out.WriteString(" |")
			written = true
		}
		fmt.Fprintf(&out, " %s/%d", r.value, r.epoch)
	}
	if !written {
		out.WriteString(" |")
	}
	for _, f := range b.fetchers.Snapshot() {
		for _, t := range f.Troubled {
			verb := "not copied"
			if t.Aside {
				verb = "set aside"
			}
			fmt.Fprintf(&out, "   %s: %s", verb, t.Cause)
		}
	}
	return out.String()
}

// feed is what package server does between replicas and fetchers.
type feed struct{ b *broker }

func (f feed) AddPartitions(parts []replica.Following) {
	var all []Following
	for _, p := range parts {
		own, err := f.b.replicas.Partition(p.TopicPartition)
		if err != nil {
			f.b.w.t.Error(err)
			continue
		}
		all = append(all, Following{TopicPartition: p.TopicPartition, TopicID: p.TopicID, Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, Replica: followed{own}})
	}
	f.b.fetchers.AddPartitions(all)
}

func (f feed) RemovePartitions(tps []cluster.TopicPartition) { f.b.fetchers.RemovePartitions(tps) }

type followed struct{ *replica.Partition }

func (p followed) LogStartOffset() int64 {
	if l, ok := p.Log(); ok {
		return l.LogStartOffset()
	}
	return -1
}

func (p followed) EpochEnd(epoch int32) (int32, int64) {
	if l, ok := p.Log(); ok {
		return l.EndOffsetForEpoch(epoch)
	}
	return -1, -1
}

func (p followed) AppendAsFollower(epoch int32, batches []byte, hw, logStart int64) error {
	return reignOver(p.Partition.AppendAsFollower(epoch, batches, hw, logStart))
}

func (p followed) TruncateTo(epoch int32, offset int64) error {
	return reignOver(p.Partition.TruncateTo(epoch, offset))
}

func (p followed) TruncateFullyAndStartAt(epoch int32, offset int64) error {
	return reignOver(p.Partition.TruncateFullyAndStartAt(epoch, offset))
}

func reignOver(err error) error {
	if errors.Is(err, replica.ErrNotLeader) || errors.Is(err, replica.ErrFencedLeaderEpoch) || errors.Is(err, replica.ErrUnknownLeaderEpoch) {
		return fmt.Errorf("%w: %w", ErrReignOver, err)
	}
	return err
}

// controllerOf hears leaders' wishes for another ISR.
type controllerOf struct{ w *world }

func (c controllerOf) AlterPartition(_ cluster.TopicPartition, _ cluster.TopicID, want cluster.LeaderAndISR, answer func(cluster.LeaderAndISR, int16)) {
	if c.w.alterPartition != nil {
		c.w.alterPartition(want, answer)
	}
}
