package testcluster_test

import (
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/integration/testcluster"
)

// patientFollowers never leave the ISR for being slow: what happens in its tests, a disk without space has caused.
func patientFollowers() testcluster.Option {
	return testcluster.WithSetting("replica.lag.time.max.ms", "3600000")
}

// emptied gives brokers space again, and starts those anew that had given their directory up.
func emptied(c *testcluster.Cluster, restart ...*testcluster.Broker) {
	for _, b := range c.Brokers() {
		b.FreeDisk()
	}
	for _, b := range restart {
		b.Kill()
		b.Restart()
	}
}

// A leader without space gives its partitions away to those who have some, and its producers hardly notice.
func TestFillTheLeadersDisk(t *testing.T) {
	cluster, w := threeReplicas(t, patientFollowers())
	w.write(20)
	leader := cluster.AwaitLeader("orders", 0)
	leader.FillDisk()
	w.write(20)
	if now := cluster.AwaitLeader("orders", 0); now == leader {
		t.Errorf("%s leads on a full disk", now)
	}
	cluster.AwaitISR("orders", 0, others(cluster, leader)...)
	emptied(cluster, leader)
	cluster.AwaitISR("orders", 0)
	w.write(5)
	w.verify(cluster, "orders")
}

// A follower without space leaves the ISR at once, not when its lag has become too long: else every acks=all would wait for it.
func TestFillAFollowersDisk(t *testing.T) {
	cluster, w := threeReplicas(t, patientFollowers())
	w.write(20)
	leader := cluster.AwaitLeader("orders", 0)
	follower := others(cluster, leader)[0]
	follower.FillDisk()
	w.write(20)
	cluster.AwaitISR("orders", 0, others(cluster, follower)...)
	if now := cluster.AwaitLeader("orders", 0); now != leader {
		t.Errorf("%s leads, not %s", now, leader)
	}
	emptied(cluster, follower)
	cluster.AwaitISR("orders", 0)
	w.verify(cluster, "orders")
}

// Where all disks are full the last one stays, can be read, and goes on when there is space.
func TestFillEveryDisk(t *testing.T) {
	cluster := testcluster.Start(t, 3, quick(patientFollowers())...)
	cluster.CreateTopic("orders", 1, 3, nil)
	w := newWriter(t, cluster, "orders")
	w.write(20)
	for _, b := range cluster.Brokers() {
		b.FillDisk()
	}
	client := franz(t, cluster.Addrs(), kgo.DefaultProduceTopic("orders"))
	met := make(chan error, 1)
	client.Produce(patient(t), &kgo.Record{Value: []byte("20")}, func(_ *kgo.Record, err error) { met <- err })
	for deadline := time.Now().Add(patience); len(cluster.ISR("orders", 0)) > 1; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in-sync replicas %v", cluster.ISR("orders", 0))
		}
	}
	last := cluster.AwaitLeader("orders", 0)
	w.verify(cluster, "orders") // what is there is served
	for _, b := range cluster.Brokers() {
		b.FreeDisk()
	}
	if err := <-met; err != nil {
		t.Fatalf("a record that waited for space: %v", err)
	}
	w.next++
	if now := cluster.AwaitLeader("orders", 0); now != last {
		t.Errorf("%s leads, not %s", now, last)
	}
	emptied(cluster, others(cluster, last)...)
	cluster.AwaitISR("orders", 0)
	w.write(5)
	w.verify(cluster, "orders")
}

// Below storage.min.free.bytes clients are refused, and what a cluster lives on is not.
func TestLowSpace(t *testing.T) {
	cluster := testcluster.Start(t, 1, testcluster.WithSetting("storage.min.free.bytes", "4611686018427387904"))
	cluster.CreateTopic("orders", 1, 1, nil)
	client := franz(t, cluster.Addrs(), kgo.DefaultProduceTopic("orders"), kgo.RecordRetries(2))
	if err := unacknowledged(t, client, patience); !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("a record where no space is left for it: %v", err)
	}
	offsets := kadm.Offsets{}
	offsets.AddOffset("orders", 0, 0, -1)
	if _, err := kadm.NewClient(client).CommitOffsets(patient(t), "readers", offsets); err != nil {
		t.Errorf("an offset where space is low: %v", err)
	}
}

// A broker that starts on a full disk keeps offline what it cannot load, and has the controller ask again once there is space: nobody has to
// start it anew.
func TestRestartOnAFullDisk(t *testing.T) {
	cluster := testcluster.Start(t, 1)
	cluster.CreateTopic("orders", 1, 1, nil)
	w := newWriter(t, cluster, "orders")
	w.write(20)
	broker := cluster.Brokers()[0]
	broker.Kill()
	broker.FillDisk()
	broker.Restart()
	client := franz(t, cluster.Addrs(), kgo.DefaultProduceTopic("orders"), kgo.RecordRetries(1))
	if err := unacknowledged(t, client, time.Second); err == nil {
		t.Fatal("a record was acknowledged on a full disk")
	}
	broker.FreeDisk()
	w.write(20)
	w.verify(cluster, "orders")
}
