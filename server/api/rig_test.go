package api

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/logdir"
	"ottla/logdir/batch"
	"ottla/purgatory"
	"ottla/server/config"
	"ottla/server/group"
	"ottla/server/metadata"
	"ottla/server/network"
	"ottla/server/replica"
	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// rig is an API on a socket, over a real log and replica manager. The controller, the group coordinator and
// ZooKeeper are fakes: the test itself is the controller, and speaks to the API as one would.
type rig struct {
	t          testing.TB
	api        *API
	logs       *logdir.Manager
	groups     *fakeGroups
	controller *fakeController
	zk         *fakeTopics
	offsets    *fakeOffsets
	verdicts   map[cluster.TopicPartition]int16 // of the transaction coordinator
	registry   *prometheus.Registry
	address    string
	log        lockedBuffer
	background sync.WaitGroup // topics being made
}

func newRig(t testing.TB, properties ...string) *rig {
	r := &rig{t: t, groups: &fakeGroups{}, controller: &fakeController{}, offsets: &fakeOffsets{},
		registry: prometheus.NewRegistry()}
	r.zk = &fakeTopics{rig: r}
	log := logrus.New()
	log.SetOutput(&r.log)
	p := map[string]string{"zookeeper.connect": "localhost:1", "broker.id": "1", "offsets.topic.replication.factor": "1", "offsets.topic.num.partitions": "1"}
	for i := 0; i+1 < len(properties); i += 2 {
		p[properties[i]] = properties[i+1]
	}
	settings, err := config.Parse(p, log)
	if err != nil {
		t.Fatal(err)
	}
	logs, err := logdir.Open(t.Context(), logdir.Options{Dirs: []string{t.TempDir(), t.TempDir()}, BrokerID: 1, ClusterID: "rig", Log: log}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.logs = logs
	cache, timer := metadata.New(), purgatory.NewTimer()
	replicas := replica.New(replica.Options{ID: 1, Logs: logs, Metadata: cache, Timer: timer, Log: log, Metrics: r.registry})
	live := config.NewLive(settings)
	r.api = New(Options{ID: 1, ClusterID: "rig", Config: live, Metadata: cache, Replicas: replicas, Groups: r.groups,
		Controller: r.controller, Offsets: r.offsets, Transactions: r.newTransactions(), VerifyTransaction: r.verify, Log: log,
		AdminParts: AdminParts{ZooKeeper: r.zk, Topics: NewTopicCreator(r.zk, cache, live, log), LogDirs: logs}})
	server, err := network.Listen(network.Options{Listeners: []network.Listener{{Name: "PLAINTEXT", Protocol: "PLAINTEXT", Host: "127.0.0.1"}},
		APIName: r.api.Name, Log: log, Metrics: r.registry}, r.api)
	if err != nil {
		t.Fatal(err)
	}
	server.Start()
	r.address = server.Addrs()["PLAINTEXT"].String()
	t.Cleanup(func() {
		r.background.Wait()
		server.Close()
		_ = replicas.Close()
		_ = logs.Close()
		timer.Close()
	})
	return r
}

// lockedBuffer takes the log of several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// client is one connection to the rig.
type client struct {
	t    testing.TB
	conn net.Conn
	next int32
}

func (r *rig) dial() *client {
	conn, err := net.Dial("tcp", r.address)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		r.background.Wait() // who makes a topic has a connection of his own
		_ = conn.Close()
	})
	return &client{t: r.t, conn: conn}
}

// send writes a request in the given version.
func (c *client) send(req kmsg.Request, version int16) {
	c.t.Helper()
	req.SetVersion(version)
	c.next++
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("test")).AppendRequest(nil, req, c.next)
	c.raw(frame)
}

func (c *client) raw(frame []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(frame); err != nil {
		c.t.Fatal(err)
	}
}

// frame reads one answer without its length.
func (c *client) frame() ([]byte, error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	var size [4]byte
	if _, err := io.ReadFull(c.conn, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(c.conn, b)
	return b, err
}

// receive reads the answer to req.
func (c *client) receive(req kmsg.Request) kmsg.Response {
	c.t.Helper()
	b, err := c.frame()
	if err != nil {
		c.t.Fatalf("%s v%d: %v", kmsg.NameForKey(req.Key()), req.GetVersion(), err)
	}
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	body := b[4:]
	if resp.IsFlexible() && req.Key() != 18 {
		body = body[1:]
	}
	if err := resp.ReadFrom(body); err != nil {
		c.t.Fatalf("%s v%d: %v in %x", kmsg.NameForKey(req.Key()), req.GetVersion(), err, b)
	}
	// Written again it must be the same: or the answer has bytes that no client expects.
	if again := resp.AppendTo(nil); !bytes.Equal(again, body) {
		c.t.Errorf("%s v%d: the answer is %x, its reader writes %x", kmsg.NameForKey(req.Key()), req.GetVersion(), body, again)
	}
	return resp
}

// ask sends a request and reads its answer.
func ask[R kmsg.Response](c *client, req kmsg.Request, version int16) R {
	c.t.Helper()
	c.send(req, version)
	return c.receive(req).(R)
}

// closed reports whether the connection has been closed without another answer.
func (c *client) closed() bool {
	c.t.Helper()
	b, err := c.frame()
	if err == nil {
		c.t.Logf("answered: %x", b)
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// create makes this broker the leader of a topic's partitions, as a controller would.
func (r *rig) create(topic string, partitions int32) cluster.TopicID {
	r.t.Helper()
	id := topicID(topic)
	c := r.dial()
	isr := &kmsg.LeaderAndISRRequest{ControllerID: 1, ControllerEpoch: 1, BrokerEpoch: -1}
	update := &kmsg.UpdateMetadataRequest{ControllerID: 1, ControllerEpoch: 1, BrokerEpoch: -1}
	update.LiveBrokers = []kmsg.UpdateMetadataRequestLiveBroker{liveBroker(1)}
	leader := kmsg.LeaderAndISRRequestTopicState{Topic: topic, TopicID: id}
	state := kmsg.UpdateMetadataRequestTopicState{Topic: topic, TopicID: id}
	for p := range partitions {
		leader.PartitionStates = append(leader.PartitionStates, kmsg.LeaderAndISRRequestTopicPartition{
			Partition: p, ControllerEpoch: 1, Leader: 1, ISR: []int32{1}, Replicas: []int32{1}, IsNew: true})
		state.PartitionStates = append(state.PartitionStates, kmsg.UpdateMetadataRequestTopicPartition{
			Partition: p, ControllerEpoch: 1, Leader: 1, ISR: []int32{1}, Replicas: []int32{1}})
	}
	isr.TopicStates = append(isr.TopicStates, leader)
	update.TopicStates = append(update.TopicStates, state)
	if resp := ask[*kmsg.LeaderAndISRResponse](c, isr, 7); resp.ErrorCode != 0 || resp.Topics[0].Partitions[0].ErrorCode != 0 {
		r.t.Fatalf("LeaderAndIsr: %+v", resp)
	}
	if resp := ask[*kmsg.UpdateMetadataResponse](c, update, 8); resp.ErrorCode != 0 {
		r.t.Fatalf("UpdateMetadata: %+v", resp)
	}
	return id
}

func liveBroker(id int32) kmsg.UpdateMetadataRequestLiveBroker {
	return kmsg.UpdateMetadataRequestLiveBroker{ID: id,
		Endpoints: []kmsg.UpdateMetadataRequestLiveBrokerEndpoint{{Host: "127.0.0.1", Port: 9092 + id, ListenerName: "PLAINTEXT"}}}
}

// topicID gives a topic in tests an id that can be recognised.
func topicID(topic string) (id cluster.TopicID) {
	copy(id[:], "id "+topic)
	return id
}

// records makes a batch of n records of size bytes each.
func records(t testing.TB, n, size int) []byte {
	t.Helper()
	b := batch.NewBuilder(batch.PlainOptions(batch.None))
	for range n {
		b.Append(time.Now().UnixMilli(), nil, make([]byte, size))
	}
	return bytes.Clone(b.Bytes())
}

func produceRequest(acks int16, topic string, batches ...[]byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = acks, 1000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = topic
	for i, b := range batches {
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = int32(i), b
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	return req
}

type fakeGroups struct {
	mu        sync.Mutex
	elected   []int32
	resigned  []int32
	joined    *kmsg.JoinGroupRequest
	client    group.Client
	committed *kmsg.OffsetCommitRequest
	ended     map[int64]bool // transactions, by producer id
}

func (g *fakeGroups) JoinGroup(client group.Client, req *kmsg.JoinGroupRequest, reply func(*kmsg.JoinGroupResponse)) {
	g.mu.Lock()
	g.joined, g.client = req, client
	g.mu.Unlock()
	go reply(kmsg.NewPtrJoinGroupResponse())
}

func (g *fakeGroups) SyncGroup(_ *kmsg.SyncGroupRequest, reply func(*kmsg.SyncGroupResponse)) {
	reply(kmsg.NewPtrSyncGroupResponse())
}

func (g *fakeGroups) Heartbeat(_ *kmsg.HeartbeatRequest, reply func(*kmsg.HeartbeatResponse)) {
	reply(kmsg.NewPtrHeartbeatResponse())
}

func (g *fakeGroups) LeaveGroup(_ *kmsg.LeaveGroupRequest, reply func(*kmsg.LeaveGroupResponse)) {
	reply(kmsg.NewPtrLeaveGroupResponse())
}

func (g *fakeGroups) OffsetCommit(req *kmsg.OffsetCommitRequest, reply func(*kmsg.OffsetCommitResponse)) {
	g.mu.Lock()
	g.committed = req
	g.mu.Unlock()
	resp := kmsg.NewPtrOffsetCommitResponse()
	for _, t := range req.Topics {
		topic := kmsg.OffsetCommitResponseTopic{Topic: t.Topic}
		for _, p := range t.Partitions {
			topic.Partitions = append(topic.Partitions, committed(p.Partition, codeNone))
		}
		resp.Topics = append(resp.Topics, topic)
	}
	reply(resp)
}

func (g *fakeGroups) OffsetFetch(_ *kmsg.OffsetFetchRequest, reply func(*kmsg.OffsetFetchResponse)) {
	reply(kmsg.NewPtrOffsetFetchResponse())
}

func (g *fakeGroups) OffsetDelete(req *kmsg.OffsetDeleteRequest, reply func(*kmsg.OffsetDeleteResponse)) {
	resp := kmsg.NewPtrOffsetDeleteResponse()
	for _, t := range req.Topics {
		topic := kmsg.OffsetDeleteResponseTopic{Topic: t.Topic}
		for _, p := range t.Partitions {
			topic.Partitions = append(topic.Partitions, kmsg.OffsetDeleteResponseTopicPartition{Partition: p.Partition})
		}
		resp.Topics = append(resp.Topics, topic)
	}
	reply(resp)
}

func (g *fakeGroups) DescribeGroups(req *kmsg.DescribeGroupsRequest, reply func(*kmsg.DescribeGroupsResponse)) {
	resp := kmsg.NewPtrDescribeGroupsResponse()
	for _, name := range req.Groups {
		d := kmsg.NewDescribeGroupsResponseGroup()
		d.Group = name
		resp.Groups = append(resp.Groups, d)
	}
	reply(resp)
}

func (g *fakeGroups) ListGroups(_ *kmsg.ListGroupsRequest, reply func(*kmsg.ListGroupsResponse)) {
	reply(kmsg.NewPtrListGroupsResponse())
}

func (g *fakeGroups) DeleteGroups(_ *kmsg.DeleteGroupsRequest, reply func(*kmsg.DeleteGroupsResponse)) {
	reply(kmsg.NewPtrDeleteGroupsResponse())
}

func (g *fakeGroups) PartitionFor(string) int32 { return 0 }

func (g *fakeGroups) Elect(partition, _ int32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.elected = append(g.elected, partition)
}

func (g *fakeGroups) Resign(partition int32, _ *int32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.resigned = append(g.resigned, partition)
}

// fakeController is a controller that is not the active one.
type fakeController struct {
	Controller
	mu        sync.Mutex
	nextBlock int64
	fail      int16
	asked     int
}

func (f *fakeController) AllocateProducerIDs(_ *kmsg.AllocateProducerIDsRequest, reply func(*kmsg.AllocateProducerIDsResponse)) {
	resp := kmsg.NewPtrAllocateProducerIDsResponse()
	resp.ErrorCode = codeNotController
	reply(resp)
}

func (f *fakeController) ControlledShutdown(_ *kmsg.ControlledShutdownRequest, reply func(*kmsg.ControlledShutdownResponse)) {
	resp := kmsg.NewPtrControlledShutdownResponse()
	resp.ErrorCode = codeStaleControllerEpoch
	reply(resp)
}

func (f *fakeController) AlterPartition(_ *kmsg.AlterPartitionRequest, reply func(*kmsg.AlterPartitionResponse)) {
	resp := kmsg.NewPtrAlterPartitionResponse()
	resp.ErrorCode = codeNotController
	reply(resp)
}

func (f *fakeController) allocate(reply func(first int64, count int32, failed int16)) {
	f.mu.Lock()
	first, failed := f.nextBlock, f.fail
	f.asked++
	f.nextBlock += 1000
	f.mu.Unlock()
	go reply(first, 1000, failed)
}

// fakeTopics is ZooKeeper as far as topics are made in it on first use: the controller that would see it is
// the rig itself.
type fakeTopics struct {
	ZooKeeper
	rig  *rig
	mu   sync.Mutex
	made []string
}

func (f *fakeTopics) Topics(context.Context) ([]string, error) { return nil, nil }

func (f *fakeTopics) Topic(context.Context, string) (zkcoord.TopicAssignment, error) {
	return zkcoord.TopicAssignment{}, zkcoord.ErrNoNode
}

func (f *fakeTopics) CreateTopic(_ context.Context, topic string, replicas [][]cluster.BrokerID, _ map[string]string, _ cluster.TopicID) error {
	f.mu.Lock()
	f.made = append(f.made, topic)
	f.mu.Unlock()
	f.rig.background.Go(func() { f.rig.create(topic, int32(len(replicas))) })
	return nil
}

type fakeOffsets struct {
	mu     sync.Mutex
	stored map[string]int64
}

func (f *fakeOffsets) ConsumerOffset(_ context.Context, group string, tp cluster.TopicPartition) (int64, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	offset, ok := f.stored[group+"/"+tp.String()]
	return offset, ok, nil
}

func (f *fakeOffsets) SetConsumerOffset(_ context.Context, group string, tp cluster.TopicPartition, offset int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stored == nil {
		f.stored = map[string]int64{}
	}
	f.stored[group+"/"+tp.String()] = offset
	return nil
}

// newFrame is a request that came from nowhere, for tests of decoders alone.
func newFrame() *network.Request { return &network.Request{Session: &network.Session{}} }
