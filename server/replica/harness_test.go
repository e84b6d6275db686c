package replica

import (
	"context"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/logdir"
	"ottla/logdir/batch"
	"ottla/logdir/disk"
	"ottla/purgatory"
	"ottla/server/metadata"
	"ottla/zkcoord/cluster"
)

var (
	orders   = cluster.TopicPartition{Topic: "orders"}
	ordersID = cluster.TopicID{1}
)

// rig is broker 1 of a cluster of three, whose controller and whose other brokers are the test.
type rig struct {
	t     testing.TB
	m     *Manager
	logs  *logdir.Manager
	cache *metadata.Cache
	isr   *controllerStub
	fetch *fetcherStub

	minISR          int
	controllerEpoch int32
	brokerEpoch     int64
}

// newRig starts the broker on an empty disk in memory.
func newRig(t testing.TB, change ...func(*Options)) *rig {
	return openRig(t, disk.NewCrashing(), "/data", change...)
}

// openRig starts it on log directories, separated by commas, that may hold something.
func openRig(t testing.TB, fsys disk.FS, dirs string, change ...func(*Options)) *rig {
	t.Helper()
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	topic := logdir.DefaultConfig()
	topic.IndexBytes = 1 << 16 // the disk in memory has no holes
	r := &rig{t: t, cache: metadata.New(), isr: &controllerStub{}, fetch: &fetcherStub{}, minISR: 1, brokerEpoch: -1}
	logs, err := logdir.Open(context.Background(), logdir.Options{Dirs: strings.Split(dirs, ","), FS: fsys, BrokerID: 1, ClusterID: "c",
		Defaults: logdir.DefaultConfig(), Log: quiet, OnDirFailure: func(dir string, _ error) { r.m.DirFailed(dir) }}, func(string) logdir.Config { return topic })
	if err != nil {
		t.Fatal(err)
	}
	timer := purgatory.NewTimer()
	r.logs = logs
	o := Options{ID: 1, Logs: logs, Metadata: r.cache, Timer: timer, ISRChanger: r.isr, Fetchers: r.fetch, Log: quiet,
		BrokerEpoch: func() int64 { return r.brokerEpoch },
		TopicConfig: func(string) TopicConfig { return TopicConfig{MinInsyncReplicas: r.minISR} }}
	for _, f := range change {
		f(&o)
	}
	r.m = New(o)
	r.alive(1, 2, 3)
	t.Cleanup(func() { r.close(); timer.Close() })
	return r
}

func (r *rig) close() {
	if err := r.m.Close(); err != nil {
		r.t.Error(err)
	}
	if err := r.logs.Close(); err != nil && len(r.logs.OfflineDirs()) == 0 {
		r.t.Error(err)
	}
}

// alive tells which brokers live.
func (r *rig) alive(brokers ...int32) {
	req := &kmsg.UpdateMetadataRequest{Version: 8, ControllerID: 9, ControllerEpoch: r.controllerEpoch, BrokerEpoch: -1}
	for _, id := range brokers {
		req.LiveBrokers = append(req.LiveBrokers, kmsg.UpdateMetadataRequestLiveBroker{ID: id})
	}
	if resp := r.m.UpdateMetadata(req); resp.ErrorCode != 0 {
		r.t.Fatalf("UpdateMetadata: error %d", resp.ErrorCode)
	}
}

// state is a decision about orders-0.
func state(leader, leaderEpoch, partitionEpoch int32, isr, replicas []int32) kmsg.LeaderAndISRRequestTopicPartition {
	return kmsg.LeaderAndISRRequestTopicPartition{Leader: leader, LeaderEpoch: leaderEpoch, ZKVersion: partitionEpoch,
		ISR: isr, Replicas: replicas, IsNew: true}
}

// decide sends a LeaderAndIsr about orders and returns the first partition's error code.
func (r *rig) decide(states ...kmsg.LeaderAndISRRequestTopicPartition) int16 {
	r.t.Helper()
	resp := r.m.LeaderAndISR(&kmsg.LeaderAndISRRequest{Version: 7, ControllerID: 9, ControllerEpoch: r.controllerEpoch, BrokerEpoch: -1,
		TopicStates: []kmsg.LeaderAndISRRequestTopicState{{Topic: orders.Topic, TopicID: ordersID, PartitionStates: states}}}, nil)
	if resp.ErrorCode != 0 {
		return resp.ErrorCode
	}
	return resp.Topics[0].Partitions[0].ErrorCode
}

// lead makes broker 1 the leader of orders-0, whose replicas are the given ones, all in sync.
func (r *rig) lead(epoch int32, replicas ...int32) *Partition {
	r.t.Helper()
	return r.leadWith(epoch, replicas, replicas)
}

func (r *rig) leadWith(epoch int32, isr, replicas []int32) *Partition {
	r.t.Helper()
	if code := r.decide(state(1, epoch, epoch, isr, replicas)); code != 0 {
		r.t.Fatalf("become leader: error %d", code)
	}
	p, err := r.m.Partition(orders)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *rig) follow(leader, epoch int32, replicas ...int32) *Partition {
	r.t.Helper()
	if code := r.decide(state(leader, epoch, epoch, replicas, replicas)); code != 0 {
		r.t.Fatalf("become follower: error %d", code)
	}
	p, err := r.m.Partition(orders)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// records is one batch of n records as a producer sends it.
func records(n int) []byte {
	b := batch.NewBuilder(batch.PlainOptions(batch.None))
	for i := range n {
		b.Append(int64(1000+i), nil, []byte("value"))
	}
	return slices.Clone(b.Bytes())
}

// epochRecords is one batch as a leader of that epoch has stored it.
func epochRecords(n int, base int64, epoch int32) []byte {
	b := records(n)
	batch.SetOffset(b, base)
	batch.SetLeaderEpoch(b, epoch)
	return b
}

// produce appends n records in one batch. The answer comes into the channel, which holds it.
func (r *rig) produce(n int, acks int16, timeout time.Duration) <-chan AppendEntry {
	answer := make(chan AppendEntry, 1)
	r.m.Append(acks, timeout, logdir.OriginClient, 9, []AppendEntry{{TopicPartition: orders, Records: records(n)}}, nil,
		func(e []AppendEntry) { answer <- e[0] })
	return answer
}

// mustProduce appends with acks=1.
func (r *rig) mustProduce(n int) {
	r.t.Helper()
	if e := <-r.produce(n, 1, time.Second); e.Err != nil {
		r.t.Fatal(e.Err)
	}
}

// fetchFrom is a follower's fetch, or with cluster.NoBroker a consumer's, that does not wait.
func (r *rig) fetchFrom(id cluster.BrokerID, epoch int32, offset int64) FetchPartition {
	answer := make(chan FetchPartition, 1)
	r.m.Fetch(FetchParams{Replica: id, ReplicaEpoch: -1, MinBytes: 1, MaxBytes: 1 << 20},
		[]FetchPartition{wanted(epoch, offset)}, func(parts []FetchPartition) { answer <- parts[0] })
	fp := <-answer
	fp.Data.Release()
	return fp
}

func wanted(epoch int32, offset int64) FetchPartition {
	return FetchPartition{TopicPartition: orders, FetchOffset: offset, MaxBytes: 1 << 20, CurrentLeaderEpoch: epoch, LastFetchedEpoch: -1}
}

// controllerStub keeps what leaders ask of the controller until the test answers.
type controllerStub struct {
	mu    sync.Mutex
	asked []wish
	last  wish // the newest that was taken
}

type wish struct {
	want   cluster.LeaderAndISR
	answer func(cluster.LeaderAndISR, int16)
}

func (c *controllerStub) AlterPartition(_ cluster.TopicPartition, _ cluster.TopicID, want cluster.LeaderAndISR,
	answer func(cluster.LeaderAndISR, int16)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, wish{want, answer})
}

// take returns the oldest unanswered wish.
func (c *controllerStub) take() (wish, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.asked) == 0 {
		return wish{}, false
	}
	w := c.asked[0]
	c.asked, c.last = c.asked[1:], w
	return w, true
}

// grant answers the oldest wish as a controller that agrees.
func (c *controllerStub) grant(t testing.TB) {
	t.Helper()
	w, ok := c.take()
	if !ok {
		t.Fatal("nothing was asked of the controller")
	}
	w.want.PartitionEpoch++
	w.answer(w.want, 0)
}

// fetcherStub notes what it is told to copy.
type fetcherStub struct {
	mu      sync.Mutex
	added   []Following
	removed []cluster.TopicPartition
}

func (f *fetcherStub) AddPartitions(parts []Following) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.added = append(f.added, parts...)
}

func (f *fetcherStub) RemovePartitions(tps []cluster.TopicPartition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.removed = append(f.removed, tps...)
}

func ids(n ...int32) []int32 { return n }

// checkpointed is the text of a directory's replication-offset-checkpoint.
func checkpointed(t testing.TB, fsys disk.FS, dir string) string {
	t.Helper()
	text, err := fsys.ReadFile(filepath.Join(dir, "replication-offset-checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// partitionOne is the same decision about orders-1.
func partitionOne(s kmsg.LeaderAndISRRequestTopicPartition) kmsg.LeaderAndISRRequestTopicPartition {
	s.Partition = 1
	return s
}
