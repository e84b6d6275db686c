package testcluster_test

import (
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/integration/testcluster"
	"ottla/logdir/batch"
)

// threeReplicas is a cluster with a topic of one partition on all three brokers, two of which an
// acknowledgement takes.
func threeReplicas(t *testing.T, opts ...testcluster.Option) (*testcluster.Cluster, *writer) {
	cluster := testcluster.Start(t, 3, quick(opts...)...)
	cluster.CreateTopic("orders", 1, 3, map[string]string{"min.insync.replicas": "2"})
	return cluster, newWriter(t, cluster, "orders")
}

// others are all brokers but these.
func others(c *testcluster.Cluster, but ...*testcluster.Broker) []*testcluster.Broker {
	return slices.DeleteFunc(c.Brokers(), func(b *testcluster.Broker) bool { return slices.Contains(but, b) })
}

func TestKillTheLeader(t *testing.T) {
	cluster, w := threeReplicas(t)
	w.write(20)
	leader := cluster.AwaitLeader("orders", 0)
	leader.Kill()
	w.write(20)
	if next := cluster.AwaitLeader("orders", 0); next == leader {
		t.Errorf("%s leads and is dead", next)
	}
	leader.Restart()
	cluster.AwaitReady()
	cluster.AwaitISR("orders", 0)
	w.write(20)
	w.verify(cluster, "orders")
}

// A stopped broker hands over before it goes: nobody has to wait until its session has ended.
func TestStopTheLeader(t *testing.T) {
	cluster, w := threeReplicas(t, testcluster.WithSessionTimeout(time.Hour))
	w.write(20)
	leader := cluster.AwaitLeader("orders", 0)
	leader.Stop()
	w.write(20)
	cluster.AwaitISR("orders", 0, others(cluster, leader)...)
	leader.Restart()
	cluster.AwaitISR("orders", 0)
	w.verify(cluster, "orders")
}

func TestKillEachBrokerInTurn(t *testing.T) {
	cluster, w := threeReplicas(t)
	for _, b := range cluster.Brokers() {
		b.Kill()
		w.write(10)
		b.Restart()
		cluster.AwaitISR("orders", 0)
	}
	w.verify(cluster, "orders")
}

// A paused broker is silent. Its connections stand; what was asked meanwhile is answered later.
func TestPauseHoldsEveryByte(t *testing.T) {
	cluster := testcluster.Start(t, 1)
	old := dial(t, cluster.Broker(1).Addr())
	ask(t, old)
	if err := answer(old, patience); err != nil {
		t.Fatal(err)
	}
	cluster.Broker(1).Pause()
	fresh := dial(t, cluster.Broker(1).Addr())
	for name, conn := range map[string]net.Conn{"an old connection": old, "a new connection": fresh} {
		ask(t, conn)
		if err := answer(conn, 100*time.Millisecond); !os.IsTimeout(err) {
			t.Errorf("%s of a paused broker: %v", name, err)
		}
	}
	cluster.Broker(1).Resume()
	for name, conn := range map[string]net.Conn{"an old connection": old, "a new connection": fresh} {
		if err := answer(conn, patience); err != nil {
			t.Errorf("%s of a resumed broker: %v", name, err)
		}
	}
}

// A leader that stood still longer than its session comes back as a follower. What it had and nobody
// acknowledged goes.
func TestPauseTheLeader(t *testing.T) {
	cluster, w := threeReplicas(t)
	w.write(20)
	leader := cluster.AwaitLeader("orders", 0)
	leader.Pause()
	w.write(20)
	if next := cluster.AwaitLeader("orders", 0); next == leader {
		t.Errorf("%s leads and is paused", next)
	}
	leader.Resume()
	cluster.AwaitReady()
	cluster.AwaitISR("orders", 0)
	w.write(20)
	w.verify(cluster, "orders")
}

// A pause shorter than the session changes nothing but the time.
func TestAShortPauseElectsNobody(t *testing.T) {
	cluster, w := threeReplicas(t, testcluster.WithSessionTimeout(time.Hour))
	w.write(1)
	leader := cluster.AwaitLeader("orders", 0)
	leader.Pause()
	client := franz(t, []string{leader.Addr()}, kgo.DefaultProduceTopic("orders"))
	if err := unacknowledged(t, client, 200*time.Millisecond); err != nil {
		t.Errorf("a paused leader answers %v", err)
	}
	leader.Resume()
	if now := cluster.AwaitLeader("orders", 0); now != leader {
		t.Errorf("%s leads, not %s", now, leader)
	}
}

func TestExpireEachSession(t *testing.T) {
	cluster, w := threeReplicas(t)
	for range 3 {
		for _, b := range cluster.Brokers() {
			b.ExpireSession()
			w.write(5)
			cluster.AwaitReady()
			cluster.AwaitISR("orders", 0)
		}
	}
	w.verify(cluster, "orders")
}

func TestExpireTheControllersSession(t *testing.T) {
	cluster, w := threeReplicas(t)
	for range 3 {
		cluster.Controller().ExpireSession()
		w.write(1)
		cluster.AwaitReady()
		cluster.AwaitISR("orders", 0)
	}
	cluster.CreateTopic("made-afterwards", 3, 3, nil)
	w.verify(cluster, "orders")
}

// A follower that its leader does not hear leaves the in-sync replicas and comes back, whichever way the
// bytes are lost.
func TestCutAFollowerOff(t *testing.T) {
	for name, cut := range map[string]func(c *testcluster.Cluster, leader, follower *testcluster.Broker){
		"both ways":       func(c *testcluster.Cluster, l, f *testcluster.Broker) { c.Cut(l, f) },
		"its requests":    func(c *testcluster.Cluster, l, f *testcluster.Broker) { c.CutOneWay(f, l) },
		"what it gets":    func(c *testcluster.Cluster, l, f *testcluster.Broker) { c.CutOneWay(l, f) },
		"from the others": func(c *testcluster.Cluster, _, f *testcluster.Broker) { c.Isolate(f) },
	} {
		t.Run(name, func(t *testing.T) {
			cluster, w := threeReplicas(t)
			w.write(5)
			leader := cluster.AwaitLeader("orders", 0)
			// Not the controller, so that nothing else happens.
			follower := others(cluster, leader, cluster.Controller())[0]
			cut(cluster, leader, follower)
			w.write(5)
			cluster.AwaitISR("orders", 0, others(cluster, follower)...)
			cluster.Heal()
			cluster.AwaitReady()
			cluster.AwaitISR("orders", 0)
			w.write(5)
			w.verify(cluster, "orders")
		})
	}
}

// Without ZooKeeper a broker loses its session, and what it led; its clients and the other brokers still reach it.
func TestCutTheLeaderOffFromZooKeeper(t *testing.T) {
	cluster, w := threeReplicas(t)
	w.write(5)
	leader := cluster.AwaitLeader("orders", 0)
	cluster.Cut(leader, testcluster.ZooKeeper)
	awaitChange(t, "another leads", func() bool { return cluster.AwaitLeader("orders", 0) != leader })
	w.write(5)
	cluster.HealBetween(leader, testcluster.ZooKeeper)
	cluster.AwaitReady()
	cluster.AwaitISR("orders", 0)
	w.verify(cluster, "orders")
}

// Cut off from ZooKeeper a leader is replaced without hearing of it. With acks=1 it would take records for as long as that lasts, which
// the heal cuts off; leader.fence.on.session.loss bounds that to the time of a session.
func TestAReplacedLeaderTakesRecordsUnlessItIsFenced(t *testing.T) {
	for setting, want := range map[string]int16{"false": 0, "true": kerr.NotLeaderForPartition.Code} {
		t.Run(setting, func(t *testing.T) {
			cluster, w := threeReplicas(t, testcluster.WithSetting("leader.fence.on.session.loss", setting))
			w.write(5)
			leader := cluster.AwaitLeader("orders", 0)
			cluster.Cut(leader, testcluster.ZooKeeper)
			awaitChange(t, "another leads", func() bool { return cluster.AwaitLeader("orders", 0) != leader })
			old := franz(t, []string{leader.Addr()}, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite()).SeedBrokers()[0]
			awaitChange(t, "the old leader answers as it should", func() bool { return produceAt(t, old, "orders") == want })
			w.write(5)
			cluster.HealBetween(leader, testcluster.ZooKeeper)
			cluster.AwaitReady()
			cluster.AwaitISR("orders", 0)
			w.write(5)
			w.verify(cluster, "orders")
		})
	}
}

// produceAt sends one record for partition 0 of a topic to a broker, whoever leads, with the acks of its client, and returns the error code.
func produceAt(t *testing.T, at *kgo.Broker, topic string) int16 {
	t.Helper()
	records := batch.NewBuilder(batch.PlainOptions(batch.None))
	records.Append(time.Now().UnixMilli(), nil, []byte("at the wrong place"))
	req := kmsg.NewPtrProduceRequest()
	req.TimeoutMillis = 1000
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: topic, Partitions: []kmsg.ProduceRequestTopicPartition{{Records: records.Bytes()}}}}
	resp, err := at.Request(patient(t), req)
	if err != nil {
		t.Fatal(err)
	}
	return resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode
}

// Clients are left alone unless they are named; then the cluster is well and they hear nothing.
func TestCutClientsOff(t *testing.T) {
	cluster, w := threeReplicas(t)
	w.write(5)
	leader := cluster.AwaitLeader("orders", 0)
	conn := dial(t, leader.Addr())
	ask(t, conn)
	if err := answer(conn, patience); err != nil {
		t.Fatal(err)
	}
	cluster.Cut(leader, testcluster.Clients)
	client := franz(t, []string{leader.Addr()}, kgo.DefaultProduceTopic("orders"))
	if err := unacknowledged(t, client, 200*time.Millisecond); err != nil {
		t.Errorf("a leader cut off from clients answers %v", err)
	}
	client.Close()
	ask(t, conn)
	if err := answer(conn, 50*time.Millisecond); !os.IsTimeout(err) {
		t.Errorf("a connection that was cut: %v", err)
	}
	if isr := cluster.ISR("orders", 0); len(isr) != 3 {
		t.Errorf("in-sync replicas %v", isr)
	}
	cluster.Heal()
	if err := answer(conn, patience); err == nil || os.IsTimeout(err) {
		t.Errorf("a connection that had been cut: %v, want an end", err)
	}
	w.write(5)
	w.verify(cluster, "orders")
}

// Answers may be lost where requests are not.
func TestCutAnswersToClients(t *testing.T) {
	cluster := testcluster.Start(t, 1)
	cluster.CreateTopic("orders", 1, 1, nil)
	w := newWriter(t, cluster, "orders")
	w.write(1)
	cluster.CutOneWay(cluster.Broker(1), testcluster.Clients)
	if err := unacknowledged(t, w.client, 200*time.Millisecond); err != nil {
		t.Errorf("an answer that was lost: %v", err)
	}
	cluster.Heal()
	reader := franz(t, cluster.Addrs(), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"orders": {0: kgo.NewOffset().At(1)}}))
	if records := reader.PollFetches(patient(t)).Records(); len(records) == 0 || string(records[0].Value) != "unacknowledged" {
		t.Errorf("the record whose acknowledgement was lost is not there: %v", records)
	}
}

// Leaders do without ZooKeeper for a while, and its return costs nobody a session.
func TestPauseZooKeeper(t *testing.T) {
	cluster, w := threeReplicas(t)
	w.write(5)
	leader := cluster.AwaitLeader("orders", 0)
	cluster.PauseZooKeeper()
	w.write(5)
	cluster.ResumeZooKeeper()
	w.write(5)
	cluster.CreateTopic("made-afterwards", 1, 3, nil)
	if now := cluster.AwaitLeader("orders", 0); now != leader {
		t.Errorf("%s leads, not %s", now, leader)
	}
	w.verify(cluster, "orders")
}

func TestSlowDisk(t *testing.T) {
	cluster := testcluster.Start(t, 1)
	cluster.CreateTopic("orders", 1, 1, nil)
	w := newWriter(t, cluster, "orders")
	w.write(1)
	const slow = 100 * time.Millisecond
	cluster.Broker(1).SlowDisk(slow)
	begin := time.Now()
	w.write(1)
	if took := time.Since(begin); took < slow {
		t.Errorf("a write took %v", took)
	}
	cluster.Broker(1).SlowDisk(0)
	w.write(10)
	w.verify(cluster, "orders")
}

// Alone, a broker without space refuses records and goes on when there is space again.
func TestFillDisk(t *testing.T) {
	cluster := testcluster.Start(t, 1)
	cluster.CreateTopic("orders", 1, 1, nil)
	w := newWriter(t, cluster, "orders")
	w.write(5)
	cluster.Broker(1).FillDisk()
	client := franz(t, cluster.Addrs(), kgo.DefaultProduceTopic("orders"), kgo.RecordRetries(3))
	if err := unacknowledged(t, client, patience); err == nil {
		t.Error("a full disk is met with silence")
	}
	cluster.Broker(1).FreeDisk()
	w.write(5)
	w.verify(cluster, "orders")
}

// A broker whose only disk fails gives its partitions away.
func TestBreakTheLeadersDisk(t *testing.T) {
	cluster, w := threeReplicas(t)
	w.write(5)
	leader := cluster.AwaitLeader("orders", 0)
	leader.BreakDisk()
	w.write(5)
	if now := cluster.AwaitLeader("orders", 0); now == leader {
		t.Errorf("%s leads without a disk", now)
	}
	leader.Kill()
	leader.MendDisk()
	leader.Restart()
	cluster.AwaitISR("orders", 0)
	w.verify(cluster, "orders")
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// ask sends a request that any broker answers at once.
func ask(t *testing.T, conn net.Conn) {
	t.Helper()
	req := kmsg.NewPtrApiVersionsRequest()
	if _, err := conn.Write(kmsg.NewRequestFormatter().AppendRequest(nil, req, 1)); err != nil {
		t.Fatal(err)
	}
}

// answer reads one answer.
func answer(conn net.Conn, within time.Duration) error {
	if err := conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return err
	}
	_, err := io.CopyN(io.Discard, conn, int64(size[2])<<8|int64(size[3]))
	return err
}
