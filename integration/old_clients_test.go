package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"ottla/integration/testcluster"
)

// ofAge is a sarama that speaks to brokers of a version, and so asks with the requests of that time.
func ofAge(version sarama.KafkaVersion) *sarama.Config {
	c := saramaConfig()
	c.Version = version
	c.ApiVersionsRequest = false
	c.Consumer.MaxWaitTime = 20 * time.Millisecond // a consumer closes when its last fetch is answered
	return c
}

// produceAll has a producer with each of the codecs send three records, and returns their values.
func produceAll(t *testing.T, cluster *testcluster.Cluster, topic string, version sarama.KafkaVersion, codecs []sarama.CompressionCodec) (sent []string) {
	t.Helper()
	for _, codec := range codecs {
		c := ofAge(version)
		c.Producer.Compression = codec
		producer, err := sarama.NewSyncProducer(cluster.Addrs(), c)
		if err != nil {
			t.Fatal(err)
		}
		var batch []*sarama.ProducerMessage
		for i := range 3 {
			value := fmt.Sprintf("%v %v %d", version, codec, i)
			m := &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(value)}
			if i > 0 {
				m.Key = sarama.StringEncoder(fmt.Sprint(i))
			}
			if version.IsAtLeast(sarama.V0_11_0_0) {
				m.Headers = []sarama.RecordHeader{{Key: []byte("lost on the old"), Value: []byte("header")}}
			}
			batch, sent = append(batch, m), append(sent, value)
		}
		if err := producer.SendMessages(batch); err != nil {
			t.Fatalf("%v with %v: %v", version, codec, err)
		}
		if err := producer.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return sent
}

// consumeAll reads the first n values of a partition as a client of a version does.
func consumeAll(t *testing.T, cluster *testcluster.Cluster, topic string, version sarama.KafkaVersion, n int) (values []string) {
	t.Helper()
	consumer, err := sarama.NewConsumer(cluster.Addrs(), ofAge(version))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = consumer.Close() }()
	pc, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pc.Close() }()
	ctx := patient(t)
	for len(values) < n {
		select {
		case m := <-pc.Messages():
			if m.Offset != int64(len(values)) {
				t.Fatalf("%v: offset %d where %d is next", version, m.Offset, len(values))
			}
			values = append(values, string(m.Value))
		case err := <-pc.Errors():
			t.Fatalf("%v, at %d: %v", version, len(values), err)
		case <-ctx.Done():
			t.Fatalf("%v: %d of %d records came", version, len(values), n)
		}
	}
	return values
}

func TestSaramaLz4BetweenAges(t *testing.T) {
	cluster := testcluster.Start(t, 1)
	createTopic(t, saramaAdmin(t, cluster), "ages", 1, nil)
	var all []string
	ages := []sarama.KafkaVersion{sarama.V0_10_0_0, sarama.V0_11_0_0, sarama.MaxVersion}
	for _, version := range ages {
		all = append(all, produceAll(t, cluster, "ages", version, []sarama.CompressionCodec{sarama.CompressionLZ4})...)
	}
	for _, version := range ages {
		if got := consumeAll(t, cluster, "ages", version, len(all)); !slices.Equal(got, all) {
			t.Errorf("%v reads\n%q, want\n%q", version, got, all)
		}
	}
}

// TestOldConsumersMeetZstd: no format before 2 has it, and they are told.
func TestOldConsumersMeetZstd(t *testing.T) {
	cluster := testcluster.Start(t, 1)
	createTopic(t, saramaAdmin(t, cluster), "squeezed", 1, nil)
	sent := produceAll(t, cluster, "squeezed", sarama.MaxVersion, []sarama.CompressionCodec{sarama.CompressionGZIP, sarama.CompressionZSTD})
	if got := consumeAll(t, cluster, "squeezed", sarama.V0_10_0_0, 3); !slices.Equal(got, sent[:3]) {
		t.Errorf("before zstd: %q", got)
	}
	consumer, err := sarama.NewConsumer(cluster.Addrs(), ofAge(sarama.V0_10_0_0))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = consumer.Close() }()
	pc, err := consumer.ConsumePartition("squeezed", 0, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pc.Close() }()
	select {
	case m := <-pc.Messages():
		t.Errorf("read %q", m.Value)
	case err := <-pc.Errors():
		if !strings.Contains(err.Error(), "compression") {
			t.Error(err)
		}
	case <-patient(t).Done():
		t.Error("neither records nor an error")
	}
}
