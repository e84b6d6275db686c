package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
	"ottla/zkcoord/zkserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ids(n ...cluster.BrokerID) []cluster.BrokerID { return n }

func tp(topic string, p int32) cluster.TopicPartition {
	return cluster.TopicPartition{Topic: topic, Partition: p}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fakeCluster is brokers that only answer the controller, around a real ZooKeeper server in memory. A
// broker's port is its number.
type fakeCluster struct {
	t  testing.TB
	zk *zkserver.Server
	mu sync.Mutex
	// sent is what each broker was asked, in its order.
	sent map[cluster.BrokerID][]kmsg.Request
	// known is what each broker believes after UpdateMetadata: the leader of each partition.
	known map[cluster.BrokerID]map[cluster.TopicPartition]int32
	// badDisk has the partitions that a broker answers with KAFKA_STORAGE_ERROR.
	badDisk map[cluster.BrokerID]map[cluster.TopicPartition]bool
	// unreachable brokers give no answer.
	unreachable map[cluster.BrokerID]bool
	protocol    Protocol           // of the brokers that start from now on
	config      func() Config      // of all brokers, if it is not nil
	log         logrus.FieldLogger // of their controllers, likewise
	changed     chan struct{}
}

func newFakeCluster(t testing.TB) *fakeCluster {
	t.Helper()
	zk, err := zkserver.Start(zkserver.Options{MinSession: 200 * time.Millisecond})
	check(t, err)
	t.Cleanup(func() { zk.Close() })
	return &fakeCluster{
		t: t, zk: zk, sent: make(map[cluster.BrokerID][]kmsg.Request),
		known:       make(map[cluster.BrokerID]map[cluster.TopicPartition]int32),
		badDisk:     make(map[cluster.BrokerID]map[cluster.TopicPartition]bool),
		unreachable: make(map[cluster.BrokerID]bool), changed: make(chan struct{}),
	}
}

// RoundTrip is the brokers' side.
func (f *fakeCluster) RoundTrip(ctx context.Context, to cluster.Endpoint, req kmsg.Request) (kmsg.Response, error) {
	id := cluster.BrokerID(to.Port)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.unreachable[id] {
		return nil, errors.New("connection refused")
	}
	f.sent[id] = append(f.sent[id], req)
	close(f.changed)
	f.changed = make(chan struct{})
	switch req := req.(type) {
	case *kmsg.LeaderAndISRRequest:
		resp := req.ResponseKind().(*kmsg.LeaderAndISRResponse)
		for _, ts := range req.TopicStates {
			rt := kmsg.NewLeaderAndISRResponseTopic()
			rt.TopicID = ts.TopicID
			for _, ps := range ts.PartitionStates {
				rp := kmsg.NewLeaderAndISRResponseTopicPartition()
				rp.Partition = ps.Partition
				if f.badDisk[id][tp(ts.Topic, ps.Partition)] {
					rp.ErrorCode = kafkaStorageCode
				}
				if rp.Topic = ts.Topic; req.Version < 5 {
					resp.Partitions = append(resp.Partitions, rp)
				}
				rt.Partitions = append(rt.Partitions, rp)
			}
			if req.Version >= 5 {
				resp.Topics = append(resp.Topics, rt)
			}
		}
		return resp, nil
	case *kmsg.UpdateMetadataRequest:
		if f.known[id] == nil {
			f.known[id] = make(map[cluster.TopicPartition]int32)
		}
		for _, ts := range req.TopicStates {
			for _, ps := range ts.PartitionStates {
				f.known[id][tp(ts.Topic, ps.Partition)] = ps.Leader
			}
		}
		return req.ResponseKind(), nil
	case stopReplica:
		resp := req.ResponseKind().(*kmsg.StopReplicaResponse)
		for _, ts := range req.Topics {
			for _, ps := range ts.PartitionStates {
				rp := kmsg.NewStopReplicaResponsePartition()
				rp.Topic, rp.Partition = ts.Topic, ps.Partition
				resp.Partitions = append(resp.Partitions, rp)
			}
		}
		return resp, nil
	}
	return nil, fmt.Errorf("unexpected %T", req)
}

// eventually waits until ok, which is asked again whenever a broker was sent something, and now and then.
func (f *fakeCluster) eventually(what string, ok func() bool) {
	f.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		f.mu.Lock()
		changed := f.changed
		f.mu.Unlock()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-time.After(20 * time.Millisecond):
		case <-deadline:
			f.t.Fatalf("not within 20 s: %s\n%s", what, f.transcript())
		}
	}
}

func (f *fakeCluster) transcript() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b strings.Builder
	for id, reqs := range f.sent {
		for _, req := range reqs {
			fmt.Fprintf(&b, "to %d: %s\n", id, describe(req))
		}
	}
	return b.String()
}

// describe is a request in a line.
func describe(req kmsg.Request) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch req := req.(type) {
	case *kmsg.LeaderAndISRRequest:
		for _, ts := range req.TopicStates {
			for _, ps := range ts.PartitionStates {
				text := ""
				if ps.IsNew {
					text = " new"
				}
				add("%s-%d leader=%d/%d isr=%v replicas=%v%s", ts.Topic, ps.Partition, ps.Leader, ps.LeaderEpoch, ps.ISR, ps.Replicas, text)
			}
		}
		return "LeaderAndIsr " + strings.Join(parts, ", ")
	case *kmsg.UpdateMetadataRequest:
		for _, ts := range req.TopicStates {
			for _, ps := range ts.PartitionStates {
				add("%s-%d leader=%d/%d offline=%v", ts.Topic, ps.Partition, ps.Leader, ps.LeaderEpoch, ps.OfflineReplicas)
			}
		}
		var live []int32
		for _, b := range req.LiveBrokers {
			live = append(live, b.ID)
		}
		return fmt.Sprintf("UpdateMetadata live=%v %s", live, strings.Join(parts, ", "))
	case stopReplica:
		for _, ts := range req.Topics {
			for _, ps := range ts.PartitionStates {
				add("%s-%d epoch=%d delete=%v", ts.Topic, ps.Partition, ps.LeaderEpoch, ps.Delete)
			}
		}
		return "StopReplica " + strings.Join(parts, ", ")
	}
	return fmt.Sprintf("%T", req)
}

// sentTo are the requests of one kind that a broker got, each in a line.
func (f *fakeCluster) sentTo(id cluster.BrokerID, kind string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var lines []string
	for _, req := range f.sent[id] {
		if line := describe(req); strings.HasPrefix(line, kind) {
			lines = append(lines, line)
		}
	}
	return lines
}

func (f *fakeCluster) leaderKnownTo(id cluster.BrokerID, p cluster.TopicPartition) int32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if leader, ok := f.known[id][p]; ok {
		return leader
	}
	return -9
}

// fakeBroker is one broker: a registration and a controller.
type fakeBroker struct {
	*Controller
	f     *fakeCluster
	id    cluster.BrokerID
	zk    *zkcoord.Client
	mu    sync.Mutex
	epoch int64
}

func quietLog() logrus.FieldLogger {
	log := logrus.New()
	log.SetLevel(logrus.PanicLevel)
	if testing.Verbose() {
		log.SetLevel(logrus.DebugLevel)
	}
	return log
}

func (f *fakeCluster) client(timeout time.Duration) *zkcoord.Client {
	f.t.Helper()
	zk, err := zkcoord.Connect(f.t.Context(), zkcoord.Options{Connect: f.zk.Addr(), SessionTimeout: timeout, Log: quietLog()})
	check(f.t, err)
	f.t.Cleanup(zk.Close)
	check(f.t, zk.EnsurePaths(f.t.Context()))
	return zk
}

// start lets a broker join.
func (f *fakeCluster) start(id cluster.BrokerID, configs ...Config) *fakeBroker {
	f.t.Helper()
	b := &fakeBroker{f: f, id: id, zk: f.client(10 * time.Second)}
	check(f.t, b.register(f.t.Context()))
	config := DefaultConfig()
	config.AutoRebalance = false
	if len(configs) > 0 {
		config = configs[0]
	}
	o := Options{
		ID: id, ZK: b.zk, Register: b.register, Peer: f, Listener: "PLAINTEXT", Protocol: f.protocol,
		Config: func() Config { return config }, Log: quietLog().(*logrus.Logger).WithField("on", id),
	}
	if f.config != nil {
		o.Config = f.config
	}
	if f.log != nil {
		o.Log = f.log
	}
	b.Controller = Start(o)
	f.t.Cleanup(b.Close)
	return b
}

func (b *fakeBroker) register(ctx context.Context) error {
	epoch, err := b.zk.RegisterBroker(ctx, zkcoord.Registration{BrokerInfo: zkcoord.BrokerInfo{Broker: cluster.Broker{
		ID: b.id, Endpoints: []cluster.Endpoint{{Listener: "PLAINTEXT", Protocol: "PLAINTEXT", Host: "fake", Port: int32(b.id)}},
	}}})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.epoch = epoch
	return err
}

func (b *fakeBroker) brokerEpoch() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.epoch
}

// die ends the broker and its session, as after a kill and the session's timeout.
func (b *fakeBroker) die() {
	b.Controller.Close()
	b.zk.Close()
}

// state is what ZooKeeper has of a partition: leader, epochs and ISR in a line.
func (f *fakeCluster) state(zk *zkcoord.Client, p cluster.TopicPartition) string {
	f.t.Helper()
	states, err := zk.States(f.t.Context(), []cluster.TopicPartition{p})
	check(f.t, err)
	s := states[p]
	if s.Err != nil {
		return s.Err.Error()
	}
	text := fmt.Sprintf("leader=%d/%d isr=%v controller=%d", s.Leader, s.LeaderEpoch, s.ISR, s.ControllerEpoch)
	if s.Recovery == cluster.LeaderRecovering {
		text += " recovering"
	}
	return text
}

func (f *fakeCluster) awaitState(zk *zkcoord.Client, p cluster.TopicPartition, want string) {
	f.t.Helper()
	f.eventually(fmt.Sprintf("%v: %s", p, want), func() bool { return f.state(zk, p) == want })
}

// awaitLeader waits until a broker has heard who leads.
func (f *fakeCluster) awaitLeader(id cluster.BrokerID, p cluster.TopicPartition, leader int32) {
	f.t.Helper()
	f.eventually(fmt.Sprintf("broker %d hears that %d leads %v", id, leader, p), func() bool { return f.leaderKnownTo(id, p) == leader })
}

func (f *fakeCluster) awaitActive(bs ...*fakeBroker) *fakeBroker {
	f.t.Helper()
	var active *fakeBroker
	f.eventually("a controller", func() bool {
		i := slices.IndexFunc(bs, func(b *fakeBroker) bool { return b.Active() })
		if i >= 0 {
			active = bs[i]
		}
		return i >= 0
	})
	return active
}

// call makes a controller's callback a return value.
func call[Req, Resp any](t testing.TB, f func(Req, func(Resp)), req Req) Resp {
	t.Helper()
	answers := make(chan Resp, 2)
	f(req, func(r Resp) { answers <- r })
	select {
	case r := <-answers:
		return r
	case <-time.After(20 * time.Second):
		t.Fatalf("no answer to %T within 20 s", req)
		panic("unreachable")
	}
}
