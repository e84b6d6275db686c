package testcluster_test

import (
	"context"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/integration/testcluster"
)

// The same, as tests of a module that uses this one, are in testdata/usermodule.
func ExampleStart_sarama() {
	var t *testing.T // of func TestOrders(t *testing.T)

	cluster := testcluster.Start(t, 3)
	cluster.CreateTopic("orders", 6, 3, map[string]string{"min.insync.replicas": "2"})

	config := sarama.NewConfig()
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	producer, err := sarama.NewSyncProducer(cluster.Addrs(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	partition, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: "orders", Value: sarama.StringEncoder("one pizza")})
	if err != nil {
		t.Fatal(err)
	}

	// Does it go on when the leader dies?
	cluster.AwaitLeader("orders", int(partition)).Kill()
	if _, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: "orders", Value: sarama.StringEncoder("another")}); err != nil {
		t.Fatal(err)
	}
}

func ExampleStart_franz() {
	var t *testing.T // of func TestOrders(t *testing.T)

	cluster := testcluster.Start(t, 3, testcluster.WithSessionTimeout(time.Second))
	cluster.CreateTopic("orders", 6, 3, nil)

	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addrs()...), kgo.DefaultProduceTopic("orders"), kgo.ConsumeTopics("orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	cluster.Broker(2).Pause() // and what does your program do meanwhile?
	if err := client.ProduceSync(t.Context(), kgo.StringRecord("one pizza")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	cluster.Broker(2).Resume()
	cluster.AwaitReady()

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, record := range client.PollFetches(ctx).Records() {
		t.Logf("%s", record.Value)
	}
}

// A leader that has lost ZooKeeper and does not know that it was replaced.
func ExampleCluster_Cut() {
	var t *testing.T // of func TestOrders(t *testing.T)

	cluster := testcluster.Start(t, 3)
	cluster.CreateTopic("orders", 1, 3, nil)
	leader := cluster.AwaitLeader("orders", 0)

	cluster.Cut(leader, testcluster.ZooKeeper)
	// Writes with acks=1 are taken by a leader that nobody follows any more ...
	cluster.Heal()
	cluster.AwaitReady()
	cluster.AwaitISR("orders", 0)
	// ... and are gone now.
}
