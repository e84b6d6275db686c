// Package orders is what a user of testcluster writes: tests against a cluster of their own.
package orders

import (
	"fmt"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"ottla/integration/testcluster"
)

// With the leader of every partition killed once, nothing acknowledged is lost.
func TestOrdersSurviveTheirLeadersWithSarama(t *testing.T) {
	cluster := testcluster.Start(t, 3, testcluster.WithSessionTimeout(time.Second))
	cluster.CreateTopic("orders", 3, 3, map[string]string{"min.insync.replicas": "2"})

	config := sarama.NewConfig()
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Retry.Max, config.Producer.Retry.Backoff = 100, 50*time.Millisecond
	config.Metadata.Retry.Max, config.Metadata.Retry.Backoff = 100, 50*time.Millisecond
	config.Producer.Timeout = time.Second
	producer, err := sarama.NewSyncProducer(cluster.Addrs(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()

	acknowledged := map[string]bool{}
	for partition := range 3 {
		leader := cluster.AwaitLeader("orders", partition)
		for i := range 20 {
			if i == 10 {
				leader.Kill()
			}
			order := fmt.Sprint(partition, "/", i)
			if _, _, err := producer.SendMessage(&sarama.ProducerMessage{
				Topic: "orders", Partition: int32(partition), Value: sarama.StringEncoder(order),
			}); err != nil {
				t.Fatalf("order %s: %v", order, err)
			}
			acknowledged[order] = true
		}
		leader.Restart()
		cluster.AwaitReady()
		for p := range 3 {
			cluster.AwaitISR("orders", p)
		}
	}

	consumer, err := sarama.NewConsumer(cluster.Addrs(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	for partition := range int32(3) {
		orders, err := consumer.ConsumePartition("orders", partition, sarama.OffsetOldest)
		if err != nil {
			t.Fatal(err)
		}
		for seen := 0; seen < 20; {
			select {
			case order := <-orders.Messages():
				if acknowledged[string(order.Value)] {
					seen++
					delete(acknowledged, string(order.Value))
				}
			case <-time.After(time.Minute):
				t.Fatalf("partition %d: %d of 20 orders", partition, seen)
			}
		}
		_ = orders.Close()
	}
}
