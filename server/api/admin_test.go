package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/logdir"
	"ottla/server/config"
	"ottla/server/metadata"
	"ottla/server/network"
	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
	"ottla/zkcoord/zkserver"
)

// adminRig is an API on a socket over a real ZooKeeper client and server. The controller is a fake that puts
// each new topic into the metadata cache, as long as one of its brokers lives.
type adminRig struct {
	t          *testing.T
	api        *API
	zk         *zkcoord.Client
	live       *config.Live
	controller *adminController
	address    string
	log        lockedBuffer
}

func newAdminRig(t *testing.T, properties ...string) *adminRig {
	t.Helper()
	r := &adminRig{t: t}
	log := logrus.New()
	log.SetOutput(&r.log)
	server, err := zkserver.Start(zkserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	r.zk, err = zkcoord.Connect(t.Context(), zkcoord.Options{Connect: server.Addr(), SessionTimeout: 10 * time.Second, ConnectionTimeout: 10 * time.Second, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.zk.Close)
	if err := r.zk.EnsurePaths(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := map[string]string{"zookeeper.connect": "zk:1", "broker.id": "1"}
	for i := 0; i+1 < len(properties); i += 2 {
		p[properties[i]] = properties[i+1]
	}
	settings, err := config.Parse(p, log)
	if err != nil {
		t.Fatal(err)
	}
	r.live = config.NewLive(settings)
	cache := metadata.New()
	r.controller = &adminController{rig: r, cache: cache}
	r.controller.active.Store(true)
	topics := NewTopicCreator(r.controller.watching(r.zk), cache, r.live, log)
	r.api = New(Options{ID: 1, ClusterID: "rig", Config: r.live, Metadata: cache, Controller: r.controller, Log: log,
		AdminParts: AdminParts{ZooKeeper: r.controller.watching(r.zk), Topics: topics, Loggers: NewLoggers(log), LogDirs: noLogs{t.TempDir()}}})
	r.controller.update(kmsg.UpdateMetadataRequest{})
	sockets, err := network.Listen(network.Options{Listeners: []network.Listener{{Name: "PLAINTEXT", Protocol: "PLAINTEXT", Host: "127.0.0.1"}},
		APIName: r.api.Name, Log: log}, r.api)
	if err != nil {
		t.Fatal(err)
	}
	sockets.Start()
	t.Cleanup(sockets.Close)
	r.address = sockets.Addrs()["PLAINTEXT"].String()
	return r
}

func (r *adminRig) dial() *client { return (&rig{t: r.t, address: r.address}).dial() }

// noLogs is a log directory in which nothing lies.
type noLogs struct{ dir string }

func (n noLogs) Logs() []*logdir.Log   { return nil }
func (n noLogs) Moves() []*logdir.Move { return nil }
func (n noLogs) LiveDirs() []string    { return []string{n.dir} }
func (n noLogs) OfflineDirs() []string { return []string{"offline"} }

// adminController does at once what a controller would do for topics.
type adminController struct {
	Controller
	rig       *adminRig
	cache     *metadata.Cache
	active    atomic.Bool
	mu        sync.Mutex
	broadcast []string // what WaitForBroadcast was asked for
}

func (c *adminController) Active() bool { return c.active.Load() }

func (c *adminController) WaitForBroadcast(_ context.Context, topics []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broadcast = append(c.broadcast, topics...)
}

func (c *adminController) UpdateFeatures(_ *kmsg.UpdateFeaturesRequest, reply func(*kmsg.UpdateFeaturesResponse)) {
	go reply(kmsg.NewPtrUpdateFeaturesResponse())
}

func (c *adminController) ListPartitionReassignments(_ *kmsg.ListPartitionReassignmentsRequest, reply func(*kmsg.ListPartitionReassignmentsResponse)) {
	go reply(kmsg.NewPtrListPartitionReassignmentsResponse())
}

func (c *adminController) AlterPartitionAssignments(_ *kmsg.AlterPartitionAssignmentsRequest, reply func(*kmsg.AlterPartitionAssignmentsResponse)) {
	go reply(kmsg.NewPtrAlterPartitionAssignmentsResponse())
}

func (c *adminController) ElectLeaders(req *kmsg.ElectLeadersRequest, reply func(*kmsg.ElectLeadersResponse)) {
	resp := refuseElection(req, codeNone)
	for i := range resp.Topics {
		// Partition 0 has its leader already.
		resp.Topics[i].Partitions[0].ErrorCode = codeElectionNotNeeded
	}
	go reply(resp)
}

// update tells this broker's cache, where brokers 1 and 2 live.
func (c *adminController) update(req kmsg.UpdateMetadataRequest) {
	req.Version, req.ControllerID, req.ControllerEpoch, req.BrokerEpoch = 8, 1, 1, -1
	req.LiveBrokers = []kmsg.UpdateMetadataRequestLiveBroker{{ID: 1, Endpoints: []kmsg.UpdateMetadataRequestLiveBrokerEndpoint{
		{Host: "127.0.0.1", Port: 9196, ListenerName: "PLAINTEXT"}}}}
	c.cache.Update(&req)
	c.rig.api.Topics.MetadataUpdated()
}

// lead puts partitions of a topic into the cache, led by their first replica that lives.
func (c *adminController) lead(topic string, id cluster.TopicID, leader func(p int32) int32, partitions int32) {
	state := kmsg.UpdateMetadataRequestTopicState{Topic: topic, TopicID: id}
	for p := range partitions {
		if l := leader(p); l != int32(cluster.NoBroker) {
			state.PartitionStates = append(state.PartitionStates, kmsg.UpdateMetadataRequestTopicPartition{Partition: p, Leader: l, ISR: []int32{l}, Replicas: []int32{l}})
		}
	}
	if len(state.PartitionStates) > 0 {
		c.update(kmsg.UpdateMetadataRequest{TopicStates: []kmsg.UpdateMetadataRequestTopicState{state}})
	}
}

// watching is ZooKeeper as the controller watches it.
func (c *adminController) watching(zk *zkcoord.Client) ZooKeeper { return &watchedZooKeeper{zk, c} }

type watchedZooKeeper struct {
	*zkcoord.Client
	controller *adminController
}

func firstAlive(replicas []cluster.BrokerID) int32 {
	if slices.Contains(replicas, 1) {
		return 1
	}
	return int32(cluster.NoBroker)
}

func (w *watchedZooKeeper) CreateTopic(ctx context.Context, topic string, replicas [][]cluster.BrokerID, configs map[string]string, id cluster.TopicID) error {
	err := w.Client.CreateTopic(ctx, topic, replicas, configs, id)
	if err == nil {
		w.controller.lead(topic, id, func(p int32) int32 { return firstAlive(replicas[p]) }, int32(len(replicas)))
	}
	return err
}

func (w *watchedZooKeeper) AddPartitions(ctx context.Context, topic string, a zkcoord.TopicAssignment) error {
	err := w.Client.AddPartitions(ctx, topic, a)
	if err == nil {
		w.controller.lead(topic, a.ID, func(p int32) int32 { return firstAlive(a.Partitions[p].Replicas) }, int32(len(a.Partitions)))
	}
	return err
}

func (w *watchedZooKeeper) RequestDeletion(ctx context.Context, topic string) error {
	err := w.Client.RequestDeletion(ctx, topic)
	if t, ok := w.controller.cache.Snapshot().Topic(topic); ok {
		w.controller.lead(topic, t.ID, func(int32) int32 { return int32(cluster.LeaderDuringDelete) }, int32(len(t.Partitions)))
	}
	return err
}

// SetEntityConfig brings the settings of brokers into force at once, as the notification would.
func (w *watchedZooKeeper) SetEntityConfig(ctx context.Context, kind zkcoord.ConfigKind, name string, m map[string]string) error {
	err := w.Client.SetEntityConfig(ctx, kind, name, m)
	switch {
	case err != nil || kind != zkcoord.BrokerConfig:
		return err
	case name == zkcoord.DefaultEntity:
		return w.controller.rig.live.SetDefault(m)
	}
	return w.controller.rig.live.SetBroker(m)
}

// What Apache Kafka was asked about topics and settings is asked again, and answered in the same words. Not
// compared: topic ids, which are made up, the cluster's id, and the order of settings, which means nothing.
func TestTopicsAndSettingsAreAnsweredAsKafkaDoes(t *testing.T) {
	f, err := os.Open("testdata/admin-probes.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := newAdminRig(t, "num.partitions", "2", "log.retention.ms", "-1", "log.roll.hours", "876000", "listeners", "PLAINTEXT://127.0.0.1:9196")
	c := r.dial()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), "\t")
		if len(fields) != 6 {
			continue
		}
		key, _ := strconv.ParseInt(fields[2], 10, 16)
		version, _ := strconv.ParseInt(fields[3], 10, 16)
		request, answer := unhex(t, fields[4]), unhex(t, fields[5])
		t.Run(fields[0]+"/"+fields[1], func(t *testing.T) {
			req := kmsg.RequestForKey(int16(key))
			req.SetVersion(int16(version))
			if err := req.ReadFrom(requestBody(request, req.IsFlexible())); err != nil {
				t.Fatal(err)
			}
			hurry(req)
			c.t = t
			c.send(req, int16(version))
			got := c.receive(req)
			want := req.ResponseKind()
			want.SetVersion(int16(version))
			body := answer[4:]
			if want.IsFlexible() {
				body = body[1:]
			}
			if err := want.ReadFrom(body); err != nil {
				t.Fatal(err)
			}
			settle(got)
			settle(want)
			g, _ := json.Marshal(got)
			w, _ := json.Marshal(want)
			if !bytes.Equal(g, w) {
				t.Errorf("%s\nKafka: %s", g, w)
			}
		})
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// requestBody is what follows a request's header: key, version, correlation id, client id and, in flexible
// versions, tagged fields.
func requestBody(frame []byte, flexible bool) []byte {
	clientID := int(int16(frame[8])<<8 | int16(frame[9]))
	body := frame[10+max(0, clientID):]
	if flexible {
		body = body[1:]
	}
	return body
}

// hurry shortens what Kafka was given seconds for: here all that can happen happens at once.
func hurry(req kmsg.Request) {
	if r, ok := req.(*kmsg.CreateTopicsRequest); ok {
		r.TimeoutMillis = min(r.TimeoutMillis, 50)
	}
}

// settle takes out of an answer what differs from run to run.
func settle(resp kmsg.Response) {
	switch r := resp.(type) {
	case *kmsg.CreateTopicsResponse:
		for i := range r.Topics {
			t := &r.Topics[i]
			t.TopicID = [16]byte{}
			slices.SortFunc(t.Configs, func(a, b kmsg.CreateTopicsResponseTopicConfig) int { return strings.Compare(a.Name, b.Name) })
		}
	case *kmsg.DescribeConfigsResponse:
		for i := range r.Resources {
			slices.SortFunc(r.Resources[i].Configs, func(a, b kmsg.DescribeConfigsResponseResourceConfig) int { return strings.Compare(a.Name, b.Name) })
		}
	case *kmsg.DescribeClusterResponse:
		r.ClusterID = ""
	}
}
