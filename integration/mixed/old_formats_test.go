package mixed

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/logdir/batch"
)

// A cluster that was never moved on from 0.10: it stores messages of magic 0 and 1, the offsets of its groups among them, which
// know of no leader epochs. Leaders of either kind convert what producers old and new send, followers of either kind copy it
// byte by byte, also after their leader has died; consumers old and new read it. Then it goes over to 3.9, where what
// comes next is stored in today's format, behind the rest.
func TestOldFormatsAreReplicatedBetweenKinds(t *testing.T) {
	t.Parallel()
	c := start(t, map[string]string{"min.insync.replicas": "2", protocolSetting: "2.4", "log.message.format.version": "0.10.2"}, kafka, ottla, ottla)
	o := &oldTopics{c: c, written: map[string]map[int32][]string{}}
	o.create("v0", "0.9.0")
	o.create("v1", "0.10.2")
	o.create("rising", "0.10.2")
	c.createTopicWith("doubtful", map[string]string{"message.format.version": "0.10.2"}, replicas(1, 2, 3), replicas(2, 3, 1), replicas(3, 1, 2))
	o.write()
	o.check()
	o.stored(map[string][]int8{"v0": {0}, "v1": {1}, "rising": {1}, groupsTopic: {1}})

	// A broker of each kind dies. They come back with the protocol of 2.8: in that of 2.4 a follower asks where epochs ended before it
	// fetches, in this it is told while it does.
	for _, victim := range []*broker{c.broker(1), c.broker(2)} {
		o.writeAndKill(victim)
		o.write()
		victim.settings[protocolSetting] = "2.8"
		victim.start()
		o.check()
	}
	o.setFormat("rising", "2.8")
	for _, b := range c.brokers {
		b.stop()
		b.settings[protocolSetting] = "3.9"
		b.start()
		c.awaitAllInSync(o.all()...)
		o.write() // when nothing is left to settle: producers of old formats that have to try again write twice
	}
	o.check()
	o.stored(map[string][]int8{"v0": {0, 2}, "v1": {1, 2}, "rising": {1, 2}, groupsTopic: {1, 2}})
}

// oldTopics are topics of three partitions, one led by each broker, and what was written to them.
type oldTopics struct {
	c       *cluster
	written map[string]map[int32][]string // values by topic and partition
	commits int64
}

func (o *oldTopics) topics() []string { return slices.Sorted(maps.Keys(o.written)) }

func (o *oldTopics) all() []string { return append(o.topics(), groupsTopic, "doubtful") }

func (o *oldTopics) create(topic, format string) {
	o.c.t.Helper()
	o.c.createTopicWith(topic, map[string]string{"message.format.version": format}, replicas(1, 2, 3), replicas(2, 3, 1), replicas(3, 1, 2))
	o.written[topic] = map[int32][]string{}
}

func (o *oldTopics) setFormat(topic, format string) {
	o.c.t.Helper()
	answers, err := o.c.admin.AlterTopicConfigs(o.c.patient(), []kadm.AlterConfig{{Name: "message.format.version", Value: &format}}, topic)
	if err != nil || answers[0].Err != nil {
		o.c.t.Fatalf("set the format of %s: %v, %v", topic, err, answers)
	}
}

// stored holds the formats in the files of each broker to those that are expected.
func (o *oldTopics) stored(formats map[string][]int8) {
	o.c.t.Helper()
	for topic, want := range formats {
		for _, b := range o.c.brokers {
			found := map[int8]bool{}
			for p := range 3 {
				data, err := logBytes(filepath.Join(b.logDir(), fmt.Sprintf("%s-%d", topic, p)))
				if err != nil {
					o.c.t.Fatal(err)
				}
				for one, err := range batch.All(data) {
					if err != nil {
						o.c.t.Fatal(err)
					}
					header, err := batch.Check(one)
					if err != nil {
						o.c.t.Fatal(err)
					}
					found[header.Magic] = true
				}
			}
			if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, want) {
				o.c.t.Errorf("%s is stored by broker %d as magic %v, want %v", topic, b.id, got, want)
			}
		}
	}
}

// writeAndKill has a leader of doubtful acknowledge records that no follower has asked for yet, and kills it. When it comes
// back, and others have written in their place, it has to cut them off: with no epochs to go by, at its high watermark.
func (o *oldTopics) writeAndKill(victim *broker) {
	o.c.t.Helper()
	led := victim.id - 1
	write := func(seed *broker, acks kgo.Acks) {
		o.c.t.Helper()
		client, err := kgo.NewClient(kgo.SeedBrokers(seed.addr), kgo.DisableIdempotentWrite(), kgo.RequiredAcks(acks), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			o.c.t.Fatal(err)
		}
		defer client.Close()
		for n := range 10 {
			r := &kgo.Record{Topic: "doubtful", Partition: led, Value: fmt.Appendf(nil, "%d of %d, %v", n, victim.id, acks)}
			if err := client.ProduceSync(o.c.patient(), r).FirstErr(); err != nil {
				o.c.t.Fatal(err)
			}
		}
	}
	write(victim, kgo.AllISRAcks())
	others := slices.DeleteFunc(slices.Clone(o.c.brokers), func(b *broker) bool { return b == victim })
	for _, b := range others {
		b.pause()
	}
	write(victim, kgo.LeaderAck())
	victim.kill()
	for _, b := range others {
		b.resume()
	}
	for _, topic := range o.all() {
		for p := range int32(3) {
			o.c.awaitISR(topic, p, others[0].id, others[1].id)
		}
	}
	write(others[0], kgo.AllISRAcks())
}

// write sends some records to each partition with producers of today and of then, with every codec that all formats have,
// and commits offsets of groups.
func (o *oldTopics) write() {
	o.c.t.Helper()
	for i, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression()} {
		client, err := kgo.NewClient(kgo.SeedBrokers(o.c.running()[0].addr), kgo.DisableIdempotentWrite(), kgo.ProducerBatchCompression(codec),
			kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProduceRequestTimeout(patience))
		if err != nil {
			o.c.t.Fatal(err)
		}
		var records []*kgo.Record
		o.each(10, func(topic string, partition int32, value string) {
			records = append(records, &kgo.Record{Topic: topic, Partition: partition, Key: []byte(value[:3]), Value: []byte(value)})
		})
		err = client.ProduceSync(o.c.patient(), records...).FirstErr()
		client.Close()
		if err != nil {
			o.c.t.Fatalf("produce with codec %d: %v", i, err)
		}
	}
	for _, age := range []sarama.KafkaVersion{sarama.V0_8_2_0, sarama.V0_10_0_0} {
		for _, codec := range []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP} {
			o.writeAsOf(age, codec)
		}
	}
	o.commits++
	for group := range 6 {
		if err := o.c.admin.CommitAllOffsets(o.c.patient(), fmt.Sprint("group-", group), o.offsets()); err != nil {
			o.c.t.Fatalf("commit: %v", err)
		}
	}
}

func (o *oldTopics) offsets() kadm.Offsets {
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: "v0", Partition: 0, At: o.commits, LeaderEpoch: -1})
	return offsets
}

// each makes n values for each partition, and notes them.
func (o *oldTopics) each(n int, send func(topic string, partition int32, value string)) {
	for _, topic := range o.topics() {
		for p := range int32(3) {
			for range n {
				value := fmt.Sprintf("%s-%d, number %d", topic, p, len(o.written[topic][p]))
				o.written[topic][p] = append(o.written[topic][p], value)
				send(topic, p, value)
			}
		}
	}
}

func ofAge(age sarama.KafkaVersion) *sarama.Config {
	config := sarama.NewConfig()
	config.Version, config.ApiVersionsRequest = age, false
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Timeout = config.Net.ReadTimeout
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Consumer.MaxWaitTime = 20 * time.Millisecond
	return config
}

func (o *oldTopics) addrs() (addrs []string) {
	for _, b := range o.c.running() {
		addrs = append(addrs, b.addr)
	}
	return addrs
}

func (o *oldTopics) writeAsOf(age sarama.KafkaVersion, codec sarama.CompressionCodec) {
	o.c.t.Helper()
	config := ofAge(age)
	config.Producer.Compression = codec
	producer, err := sarama.NewSyncProducer(o.addrs(), config)
	if err != nil {
		o.c.t.Fatal(err)
	}
	var messages []*sarama.ProducerMessage
	o.each(3, func(topic string, partition int32, value string) {
		messages = append(messages, &sarama.ProducerMessage{Topic: topic, Partition: partition, Value: sarama.StringEncoder(value)})
	})
	if err := producer.SendMessages(messages); err != nil {
		o.c.t.Fatalf("produce as of %v with %v: %v", age, codec, err)
	}
	if err := producer.Close(); err != nil {
		o.c.t.Fatal(err)
	}
}

// check waits until all are in sync, and compares replicas, and what everybody reads.
func (o *oldTopics) check() {
	o.c.t.Helper()
	o.c.awaitAllInSync(o.all()...)
	for _, topic := range o.all() {
		o.c.compareReplicas(topic, 3)
	}
	o.compare("today", o.read())
	for _, age := range []sarama.KafkaVersion{sarama.V0_8_2_0, sarama.V0_10_0_0, sarama.MaxVersion} {
		o.compare(age.String(), o.readAsOf(age))
	}
	for group := range 6 {
		got, err := o.c.admin.FetchOffsets(o.c.patient(), fmt.Sprint("group-", group))
		if at, _ := got.Lookup("v0", 0); err != nil || at.At != o.commits {
			o.c.t.Errorf("group %d has committed %d, %v; want %d", group, at.At, err, o.commits)
		}
	}
}

// compare holds what a reader got to what was written.
func (o *oldTopics) compare(reader string, got map[string]map[int32][]string) {
	o.c.t.Helper()
	for topic, partitions := range o.written {
		for p, want := range partitions {
			if got := got[topic][p]; !slices.Equal(got, want) {
				o.c.t.Errorf("a client as of %s reads of %s-%d %d records\n%.2000q, want %d\n%.2000q", reader, topic, p, len(got), got, len(want), want)
			}
		}
	}
}

// readings are the values that were read, up to as many as were written. Offsets have to be dense.
type readings struct {
	o    *oldTopics
	got  map[string]map[int32][]string
	left int
}

func (o *oldTopics) readings() *readings {
	r := &readings{o: o, got: map[string]map[int32][]string{}}
	for topic, partitions := range o.written {
		r.got[topic] = map[int32][]string{}
		for _, values := range partitions {
			r.left += len(values)
		}
	}
	return r
}

func (r *readings) take(topic string, partition int32, offset int64, value []byte) {
	r.o.c.t.Helper()
	if next := len(r.got[topic][partition]); offset != int64(next) {
		r.o.c.t.Fatalf("%s-%d: offset %d where %d is next", topic, partition, offset, next)
	}
	r.got[topic][partition] = append(r.got[topic][partition], string(value))
	r.left--
}

func (o *oldTopics) read() map[string]map[int32][]string {
	o.c.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(o.c.addrs()...), kgo.FetchMaxWait(50*time.Millisecond), kgo.ConsumeTopics(o.topics()...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		o.c.t.Fatal(err)
	}
	defer client.Close()
	r := o.readings()
	for ctx := o.c.patient(); r.left > 0; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			o.c.t.Fatalf("%d records before the end: %v", r.left, err)
		}
		fetches.EachRecord(func(one *kgo.Record) { r.take(one.Topic, one.Partition, one.Offset, one.Value) })
	}
	return r.got
}

func (o *oldTopics) readAsOf(age sarama.KafkaVersion) map[string]map[int32][]string {
	o.c.t.Helper()
	consumer, err := sarama.NewConsumer(o.addrs(), ofAge(age))
	if err != nil {
		o.c.t.Fatal(err)
	}
	defer func() { _ = consumer.Close() }()
	all := make(chan *sarama.ConsumerMessage)
	ended := make(chan struct{})
	var readers sync.WaitGroup
	defer readers.Wait()
	defer close(ended)
	for topic, partitions := range o.written {
		for p := range partitions {
			from, err := consumer.ConsumePartition(topic, p, sarama.OffsetOldest)
			if err != nil {
				o.c.t.Fatal(err)
			}
			defer from.AsyncClose()
			readers.Go(func() {
				for {
					select {
					case m := <-from.Messages():
						select {
						case all <- m:
						case <-ended:
							return
						}
					case <-ended:
						return
					}
				}
			})
		}
	}
	r := o.readings()
	for ctx := o.c.patient(); r.left > 0; {
		select {
		case m := <-all:
			r.take(m.Topic, m.Partition, m.Offset, m.Value)
		case <-ctx.Done():
			o.c.t.Fatalf("as of %v, %d records before the end", age, r.left)
		}
	}
	return r.got
}
