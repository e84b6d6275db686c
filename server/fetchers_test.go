package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/config"
	"ottla/server/metadata"
	"ottla/server/replica"
	"ottla/zkcoord/cluster"
	"ottla/zkcoord/zkserver"
)

// trio is three brokers and their ZooKeeper in this process.
type trio struct {
	t       *testing.T
	zk      *zkserver.Server
	dir     string
	more    map[string]string // settings of each broker
	brokers map[cluster.BrokerID]*Broker
	client  *kgo.Client
}

func startTrio(t *testing.T, more map[string]string) *trio {
	t.Helper()
	zk, err := zkserver.Start(zkserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := &trio{t: t, zk: zk, dir: t.TempDir(), more: more, brokers: map[cluster.BrokerID]*Broker{}}
	t.Cleanup(func() {
		for _, b := range c.brokers {
			b.Kill()
		}
		_ = zk.Close()
	})
	var seeds []string
	for id := range cluster.BrokerID(3) {
		b := c.start(id + 1)
		seeds = append(seeds, b.Addr("PLAINTEXT"))
	}
	for id, b := range c.brokers {
		if !b.topicMaker.Await(t.Context(), time.Minute, func(s *metadata.Snapshot) bool { return len(s.Brokers) == 3 }) {
			t.Fatalf("broker %d knows %v of three brokers", id, b.metadata.Snapshot().Brokers)
		}
	}
	c.client, err = kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MetadataMinAge(50*time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.client.Close)
	return c
}

func (c *trio) start(id cluster.BrokerID) *Broker {
	c.t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	if testing.Verbose() {
		log.SetOutput(c.t.Output())
	}
	properties := map[string]string{
		"broker.id": id.String(), "listeners": "PLAINTEXT://127.0.0.1:0", "log.dirs": c.logDir(id), "zookeeper.connect": c.zk.Addr(),
		"zookeeper.session.timeout.ms": "6000", "default.replication.factor": "3", "offsets.topic.replication.factor": "3",
		"controlled.shutdown.enable": "false", "num.replica.fetchers": "2", "replica.lag.time.max.ms": "5000",
	}
	maps.Copy(properties, c.more)
	settings, err := config.Parse(properties, log)
	if err != nil {
		c.t.Fatal(err)
	}
	b := New(settings, WithLogger(log))
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	if err := b.Start(ctx); err != nil {
		c.t.Fatalf("broker %d: %v", id, err)
	}
	c.brokers[id] = b
	return b
}

func (c *trio) logDir(id cluster.BrokerID) string {
	return filepath.Join(c.dir, "broker-"+id.String())
}

// kill ends a broker as kill -9 does, and its session with it, so that nobody waits for the time-out.
func (c *trio) kill(id cluster.BrokerID) {
	b := c.brokers[id]
	delete(c.brokers, id)
	b.Kill()
	for _, s := range c.zk.Sessions() {
		for _, path := range s.Ephemerals {
			if path == "/brokers/ids/"+id.String() {
				c.zk.ExpireSession(s.ID)
			}
		}
	}
}

func (c *trio) partition(id cluster.BrokerID, tp cluster.TopicPartition) replica.PartitionSnapshot {
	p, err := c.brokers[id].replicas.Partition(tp)
	if err != nil {
		return replica.PartitionSnapshot{Leader: cluster.NoBroker}
	}
	return p.Snapshot()
}

// leader finds who leads in its own eyes.
func (c *trio) leader(tp cluster.TopicPartition) (cluster.BrokerID, replica.PartitionSnapshot) {
	for id := range c.brokers {
		if s := c.partition(id, tp); s.Leads {
			return id, s
		}
	}
	return cluster.NoBroker, replica.PartitionSnapshot{}
}

// await asks again until the condition holds.
func (c *trio) await(what string, holds func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			for id, b := range c.brokers {
				c.t.Logf("broker %d: %+v", id, b.fetchers.Snapshot())
				c.t.Logf("broker %d: %+v", id, b.replicas.Snapshot())
			}
			c.t.Fatalf("not in 20 s: %s", what)
		}
	}
}

func (c *trio) produce(topic string, partition int32, from, n int) {
	c.t.Helper()
	var batch []*kgo.Record
	for i := range n {
		batch = append(batch, &kgo.Record{Topic: topic, Partition: partition, Value: []byte("record " + strconv.Itoa(from+i))})
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	if err := c.client.ProduceSync(ctx, batch...).FirstErr(); err != nil {
		c.t.Fatalf("produce to %s-%d: %v", topic, partition, err)
	}
}

// sameLogs waits until all replicas are in sync with equal offsets, and compares their files byte for byte.
func (c *trio) sameLogs(tp cluster.TopicPartition, inSync int) {
	c.t.Helper()
	c.await(fmt.Sprintf("%s: %d in sync, and everything on all of them", tp, inSync), func() bool {
		_, l := c.leader(tp)
		if len(l.ISR) != inSync || l.HighWatermark != l.LogEnd {
			return false
		}
		for id := range c.brokers {
			if s := c.partition(id, tp); s.LogEnd != l.LogEnd || s.HighWatermark != l.HighWatermark {
				return false
			}
		}
		return true
	})
	var first []byte
	for id := range c.brokers {
		files, err := filepath.Glob(filepath.Join(c.logDir(id), tp.String(), "*.log"))
		if err != nil || len(files) == 0 {
			c.t.Fatalf("broker %d: %v, %v", id, files, err)
		}
		var all []byte
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				c.t.Fatal(err)
			}
			all = append(all, b...)
		}
		if first == nil {
			first = all
		} else if !bytes.Equal(first, all) {
			c.t.Errorf("%s: broker %d has %d other bytes than the one before it with %d", tp, id, len(all), len(first))
		}
	}
}

// TestReplication lets three brokers copy from one another, kills the leader, and lets it come back. Before 2.7 leaders write their
// ISRs to ZooKeeper, and followers ask where epochs ended before they fetch.
func TestReplication(t *testing.T) {
	for protocol, features := range map[string]int64{"3.9": 0, "2.7-IV2": 0, "2.4": -1} {
		t.Run("protocol "+protocol, func(t *testing.T) {
			c := startTrio(t, map[string]string{"inter.broker.protocol.version": protocol})
			testReplication(t, c)
			testFeatures(t, c, features)
		})
	}
}

// testFeatures asks for the epoch of the finalized features, -1 where there can be none.
func testFeatures(t *testing.T, c *trio, epoch int64) {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "test", "1"
	answer, err := req.RequestWith(t.Context(), c.client)
	if err != nil {
		t.Fatal(err)
	}
	if got := answer.FinalizedFeaturesEpoch; got != epoch {
		t.Errorf("features of epoch %d, want %d", got, epoch)
	}
	update, err := kmsg.NewPtrUpdateFeaturesRequest().RequestWith(t.Context(), c.client)
	if err != nil {
		t.Fatal(err)
	}
	if refused := update.ErrorCode == kerr.InvalidRequest.Code; refused != (epoch < 0) {
		t.Errorf("UpdateFeatures: error %d", update.ErrorCode)
	}
}

func testReplication(t *testing.T, c *trio) {
	admin := kadm.NewClient(c.client)
	const partitions = 4
	if _, err := admin.CreateTopic(t.Context(), partitions, 3, map[string]*string{"min.insync.replicas": kadm.StringPtr("2")}, "orders"); err != nil {
		t.Fatal(err)
	}
	tp := func(n int) cluster.TopicPartition {
		return cluster.TopicPartition{Topic: "orders", Partition: int32(n)}
	}
	for n := range partitions {
		c.produce("orders", int32(n), 0, 500)
	}
	for n := range partitions {
		c.sameLogs(tp(n), 3)
	}

	dead, _ := c.leader(tp(0))
	c.kill(dead)
	for n := range partitions {
		c.produce("orders", int32(n), 500, 500)
	}
	for n := range partitions {
		c.sameLogs(tp(n), 2)
	}

	c.start(dead)
	for n := range partitions {
		c.produce("orders", int32(n), 1000, 100)
	}
	for n := range partitions {
		c.sameLogs(tp(n), 3)
		if _, l := c.leader(tp(n)); l.LogEnd != 1100 {
			t.Errorf("%s ends at %d, want 1100", tp(n), l.LogEnd)
		}
	}
}
