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

// TestSaramaOfEveryAge: clients from 0.8.2 to today write to one topic, and each reads what all wrote before it.
//
// They use no lz4: what sarama makes of it for 0.8 and 0.9 is not what Kafka's clients of then made, and it does not
// read theirs.
func TestSaramaOfEveryAge(t *testing.T) {
	cluster := testcluster.Start(t, 1)
	createTopic(t, saramaAdmin(t, cluster), "ages", 1, nil)
	codecs := []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy}
	var all []string
	for i, version := range sarama.SupportedVersions {
		if testing.Short() && i%8 != 0 {
			continue
		}
		all = append(all, produceAll(t, cluster, "ages", version, codecs[i%3:][:1])...)
		if got := consumeAll(t, cluster, "ages", version, len(all)); !slices.Equal(got, all) {
			t.Fatalf("%v reads\n%q, want\n%q", version, got, all)
		}
	}
	for _, version := range []sarama.KafkaVersion{sarama.V0_8_2_0, sarama.V0_9_0_0, sarama.V0_10_0_0, sarama.V0_11_0_0} {
		if got := consumeAll(t, cluster, "ages", version, len(all)); !slices.Equal(got, all) {
			t.Errorf("%v reads\n%q, want\n%q", version, got, all)
		}
	}
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

// TestKcatOfEveryAge: librdkafka, told that the broker is so old that it cannot even be asked for its versions.
func TestKcatOfEveryAge(t *testing.T) {
	cluster := testcluster.Start(t, 1)
	var all strings.Builder
	for _, age := range []string{"0.8.2", "0.9.0", "0.10.0"} {
		old := []string{"-X", "broker.version.fallback=" + age, "-X", "api.version.request=false"}
		for _, codec := range []string{"none", "gzip", "snappy"} {
			var lines strings.Builder
			for i := range 100 {
				fmt.Fprintf(&lines, "%s %s %d:%s\n", age, codec, i, strings.Repeat("x", i))
			}
			kcat(t, cluster, lines.String(), append(old, "-P", "-t", "ages", "-p", "0", "-K", ":", "-z", codec)...)
			all.WriteString(lines.String())
		}
		if got := kcat(t, cluster, "", append(old, "-C", "-t", "ages", "-p", "0", "-o", "beginning", "-e", "-q", "-K", ":")...); got != all.String() {
			t.Errorf("%s: %d bytes went in, %d came out", age, all.Len(), len(got))
		}
	}
	if got := kcat(t, cluster, "", "-C", "-t", "ages", "-p", "0", "-o", "beginning", "-e", "-q", "-K", ":"); got != all.String() {
		t.Errorf("today: %d bytes went in, %d came out", all.Len(), len(got))
	}
}
