package testcluster_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kadm"
	"go.uber.org/goleak"

	"ottla/integration/apache"
	"ottla/integration/testcluster"
	"ottla/zkcoord/zkserver"
)

// What the package promises, with an allowance for a machine that does other things as well.
func TestStartTakesLessThanASecond(t *testing.T) {
	best := time.Hour
	for i := 0; i < 5 && best > time.Second; i++ {
		t.Run("start", func(t *testing.T) {
			begin := time.Now()
			testcluster.Start(t, 3)
			best = min(best, time.Since(begin))
		})
	}
	t.Logf("three brokers were ready after %v", best)
	if best > time.Second {
		t.Errorf("three brokers are ready after %v", best)
	}
}

// Ready is ready: a client that never tries again, and knows one broker only, gets what it asks for at once.
func TestAClientThatNeverRetriesMeetsNoError(t *testing.T) {
	cluster := testcluster.Start(t, 3)
	cluster.CreateTopic("orders", 12, 3, map[string]string{"min.insync.replicas": "2"})
	for _, b := range cluster.Brokers() {
		config := sarama.NewConfig()
		config.Metadata.Retry.Max, config.Producer.Retry.Max = 0, 0
		config.Producer.RequiredAcks, config.Producer.Partitioner = sarama.WaitForAll, sarama.NewManualPartitioner
		config.Producer.Return.Successes = true
		client, err := sarama.NewClient([]string{b.Addr()}, config)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(client.Brokers()); n != 3 {
			t.Errorf("%s tells of %d brokers", b, n)
		}
		producer, err := sarama.NewSyncProducerFromClient(client)
		if err != nil {
			t.Fatal(err)
		}
		for p := range int32(12) {
			if _, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: "orders", Partition: p, Value: sarama.StringEncoder("x")}); err != nil {
				t.Errorf("through %s to partition %d: %v", b, p, err)
			}
		}
		if _, err := client.Coordinator("a-group"); err != nil {
			t.Errorf("%s: coordinator: %v", b, err)
		}
		_ = producer.Close()
		_ = client.Close()
	}
}

// Everything ends with the test, whatever state it left the cluster in.
func TestNothingIsLeftBehind(t *testing.T) {
	for name, leave := range map[string]func(*testcluster.Cluster){
		"untouched":          func(*testcluster.Cluster) {},
		"a broker is killed": func(c *testcluster.Cluster) { c.Broker(1).Kill() },
		"a broker has ended": func(c *testcluster.Cluster) { c.Broker(2).Stop() },
		"all are paused": func(c *testcluster.Cluster) {
			for _, b := range c.Brokers() {
				b.Pause()
			}
		},
		"all is cut": func(c *testcluster.Cluster) {
			for _, b := range c.Brokers() {
				c.Isolate(b)
				c.Cut(b, testcluster.Clients)
			}
		},
		"one way is cut":      func(c *testcluster.Cluster) { c.CutOneWay(c.Broker(1), c.Broker(2), testcluster.ZooKeeper) },
		"ZooKeeper is paused": func(c *testcluster.Cluster) { c.PauseZooKeeper() },
		"disks are slow": func(c *testcluster.Cluster) {
			for _, b := range c.Brokers() {
				b.SlowDisk(time.Hour)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			t.Run("cluster", func(t *testing.T) {
				cluster := testcluster.Start(t, 3)
				cluster.CreateTopic("orders", 3, 3, nil)
				newWriter(t, cluster, "orders").write(3)
				leave(cluster)
			})
			goleak.VerifyNone(t, before)
		})
	}
}

func TestSettingsAndRacks(t *testing.T) {
	cluster := testcluster.Start(t, 3,
		testcluster.WithSetting("num.partitions", "7"),
		testcluster.WithBrokerSetting(2, "num.partitions", "9"),
		testcluster.WithRacks("here", "there"))
	admin := kadm.NewClient(franz(t, cluster.Addrs()))
	brokers, err := admin.BrokerMetadata(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	var racks []string
	for _, b := range brokers.Brokers {
		racks = append(racks, fmt.Sprint(b.NodeID, *b.Rack))
	}
	if slices.Sort(racks); !slices.Equal(racks, []string{"1here", "2there", "3here"}) {
		t.Errorf("racks %v", racks)
	}
	configs, err := admin.DescribeBrokerConfigs(patient(t), 1, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"1": "7", "2": "9", "3": "7"}
	for _, c := range configs {
		for _, entry := range c.Configs {
			if entry.Key == "num.partitions" && *entry.Value != want[c.Name] {
				t.Errorf("broker %s: num.partitions=%s, want %s", c.Name, *entry.Value, want[c.Name])
			}
		}
	}
}

// The same faults with Apache ZooKeeper, whose sessions end in another way.
func TestWithApacheZooKeeper(t *testing.T) {
	zk := apache.StartZooKeeper(t)
	awaitChange(t, "ZooKeeper serves", func() bool {
		status, err := zk.Command("srvr")
		return err == nil && strings.Contains(status, "Mode: standalone")
	})
	cluster := testcluster.Start(t, 3, quick(testcluster.WithZooKeeper(zk.Addr), testcluster.WithSessionTimeout(4*time.Second))...)
	cluster.CreateTopic("orders", 1, 3, map[string]string{"min.insync.replicas": "2"})
	w := newWriter(t, cluster, "orders")
	for _, b := range cluster.Brokers() {
		b.ExpireSession()
		w.write(5)
		cluster.AwaitReady()
		cluster.AwaitISR("orders", 0)
	}
	leader := cluster.AwaitLeader("orders", 0)
	cluster.Cut(leader, testcluster.ZooKeeper)
	awaitChange(t, "another leads", func() bool { return cluster.AwaitLeader("orders", 0) != leader })
	w.write(5)
	cluster.Heal()
	cluster.AwaitReady()
	cluster.AwaitISR("orders", 0)
	w.verify(cluster, "orders")
}

// A ZooKeeper that was there before is there afterwards, and holds no broker that is gone.
func TestAZooKeeperOfYourOwn(t *testing.T) {
	zk, err := zkserver.Start(zkserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = zk.Close() })
	t.Run("cluster", func(t *testing.T) {
		cluster := testcluster.Start(t, 2, testcluster.WithZooKeeper(zk.Addr()+"/some/chroot"))
		cluster.CreateTopic("orders", 1, 2, nil)
		w := newWriter(t, cluster, "orders")
		w.write(1)
		before := brokerEpochs(t, zk)
		cluster.Broker(1).ExpireSession()
		awaitChange(t, "broker 1 registers anew", func() bool { return len(brokerEpochs(t, zk)) == 2 && !slices.Equal(brokerEpochs(t, zk), before) })
		w.write(1)
		w.verify(cluster, "orders")
	})
	if left := brokerEpochs(t, zk); len(left) > 0 {
		t.Errorf("sessions with ephemeral nodes after the test: %v", left)
	}
}

// brokerEpochs are the sessions that hold a broker's registration.
func brokerEpochs(t *testing.T, zk *zkserver.Server) (sessions []int64) {
	t.Helper()
	for _, s := range zk.Sessions() {
		if slices.ContainsFunc(s.Ephemerals, func(path string) bool { return path != "/some/chroot/controller" }) {
			sessions = append(sessions, s.ID)
		}
	}
	return sessions
}

func awaitChange(t *testing.T, what string, happened func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !happened(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
