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

// TestSaramaOfEveryAgeHasAllItKnows: a client of each version, which asks nobody for versions and so sends the requests of its
// time, uses all that it has: every codec, offsets and their times, groups, administration, transactions. What one leaves
// the next one finds.
//
// Lz4 begins with 0.10: what sarama makes of it for 0.8 and 0.9 is not what Kafka's clients of then made.
func TestSaramaOfEveryAgeHasAllItKnows(t *testing.T) {
	cluster := testcluster.Start(t, 1)
	admin := saramaAdmin(t, cluster)
	for _, topic := range []string{"work", "lz4", "zstd", "payments"} {
		createTopic(t, admin, topic, 1, nil)
	}
	history := &ages{t: t, cluster: cluster, sent: map[string][]string{}}
	for i, version := range sarama.SupportedVersions {
		if testing.Short() && i%8 != 0 {
			continue
		}
		history.live(version)
	}
	for _, version := range []sarama.KafkaVersion{sarama.V0_8_2_0, sarama.V0_9_0_0, sarama.V0_10_0_0, sarama.V0_11_0_0} {
		history.read(version) // what those that came later have written as well
	}
}

// ages is what clients of several versions did, one after another.
type ages struct {
	t        *testing.T
	cluster  *testcluster.Cluster
	sent     map[string][]string // values, by topic
	marked   int64               // the offset that the last of them committed, and in its metadata who it was
	by       string
	timeless int64 // how many of the records in work have no timestamps
}

func (a *ages) live(version sarama.KafkaVersion) {
	a.t.Helper()
	began := time.Now()
	a.send(version, "work", sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy)
	if !version.IsAtLeast(sarama.V0_10_0_0) {
		a.timeless = int64(len(a.sent["work"]))
	} else {
		a.send(version, "lz4", sarama.CompressionLZ4)
	}
	if version.IsAtLeast(sarama.V2_1_0_0) {
		a.send(version, "zstd", sarama.CompressionZSTD)
	}
	if version.IsAtLeast(sarama.V0_11_0_0) {
		a.pay(version)
	}
	if version.IsAtLeast(sarama.V0_10_2_0) {
		defer a.join(version)() // it reads while others do
	}
	a.read(version)
	client, err := sarama.NewClient(a.cluster.Addrs(), ofAge(version))
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	a.askOffsets(version, client, began)
	a.mark(version, client)
	if version.IsAtLeast(sarama.V0_10_2_0) {
		a.administer(version)
	}
}

func (a *ages) send(version sarama.KafkaVersion, topic string, codecs ...sarama.CompressionCodec) {
	a.t.Helper()
	a.sent[topic] = append(a.sent[topic], produceAll(a.t, a.cluster, topic, version, codecs)...)
}

// read reads all topics that a version can read, of transactions what is committed.
func (a *ages) read(version sarama.KafkaVersion) {
	a.t.Helper()
	c := ofAge(version)
	topics := []string{"work"}
	if version.IsAtLeast(sarama.V0_10_0_0) {
		topics = append(topics, "lz4")
	}
	if version.IsAtLeast(sarama.V0_11_0_0) {
		topics, c.Consumer.IsolationLevel = append(topics, "payments"), sarama.ReadCommitted
	}
	if version.IsAtLeast(sarama.V2_1_0_0) {
		topics = append(topics, "zstd")
	}
	consumer, err := sarama.NewConsumer(a.cluster.Addrs(), c)
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = consumer.Close() }()
	from := map[string]sarama.PartitionConsumer{}
	for _, topic := range topics { // all before the first is waited for: it takes them in a tenth of a second later
		if from[topic], err = consumer.ConsumePartition(topic, 0, sarama.OffsetOldest); err != nil {
			a.t.Fatalf("%v, %s: %v", version, topic, err)
		}
		defer from[topic].AsyncClose()
	}
	ctx := patient(a.t)
	for _, topic := range topics {
		var got []string
		for len(got) < len(a.sent[topic]) {
			select {
			case m := <-from[topic].Messages():
				got = append(got, string(m.Value))
			case err := <-from[topic].Errors():
				a.t.Fatalf("%v, %s, at %d: %v", version, topic, len(got), err)
			case <-ctx.Done():
				a.t.Fatalf("%v: %d of %d records of %s came", version, len(got), len(a.sent[topic]), topic)
			}
		}
		if !slices.Equal(got, a.sent[topic]) {
			a.t.Fatalf("%v reads of %s\n%q, want\n%q", version, topic, got, a.sent[topic])
		}
	}
}

// askOffsets finds where a topic begins and ends and, from 0.10.1 on, where a time is.
func (a *ages) askOffsets(version sarama.KafkaVersion, client sarama.Client, began time.Time) {
	a.t.Helper()
	end := int64(len(a.sent["work"]))
	asked := map[int64]int64{sarama.OffsetOldest: 0, sarama.OffsetNewest: end}
	if version.IsAtLeast(sarama.V0_10_1_0) {
		asked[1] = a.timeless              // the first one that has a timestamp
		asked[began.UnixMilli()] = end - 9 // three records with each of three codecs, the first thing it did
	}
	for time, want := range asked {
		if got, err := client.GetOffset("work", 0, time); err != nil || got != want {
			a.t.Errorf("%v: the offset at %d is %d, %v; want %d", version, time, got, err, want)
		}
	}
}

// mark commits an offset, as consumers did before there were groups, and finds what the one before has committed.
func (a *ages) mark(version sarama.KafkaVersion, client sarama.Client) {
	a.t.Helper()
	manager, err := sarama.NewOffsetManagerFromClient("keepers", client)
	if err != nil {
		a.t.Fatal(err)
	}
	partition, err := manager.ManagePartition("work", 0)
	if err != nil {
		a.t.Fatalf("%v: %v", version, err)
	}
	if next, by := partition.NextOffset(); by != a.by || a.by != "" && next != a.marked {
		a.t.Errorf("%v finds offset %d of %q, want %d of %q", version, next, by, a.marked, a.by)
	}
	a.marked, a.by = int64(len(a.sent["work"])), version.String()
	partition.MarkOffset(a.marked, a.by)
	partition.AsyncClose()
	if err := manager.Close(); err != nil {
		a.t.Errorf("%v: %v", version, err)
	}
	for err := range partition.Errors() {
		a.t.Errorf("%v commits: %v", version, err)
	}
}

// join begins to read everything as a group of its own, and returns what waits for the end of that.
func (a *ages) join(version sarama.KafkaVersion) (finish func()) {
	a.t.Helper()
	m := joinGroup(a.t, a.cluster, "of-"+version.String(), ofAge(version))
	return func() {
		a.t.Helper()
		want := len(a.sent["work"])
		eventually(a.t, fmt.Sprintf("a group of %v reads %d records", version, want), func() bool {
			_, records := m.snapshot()
			return len(records) >= want
		})
		m.leave()
	}
}

// administer makes a topic, looks at it and at what a group has committed, and deletes it.
func (a *ages) administer(version sarama.KafkaVersion) {
	a.t.Helper()
	admin, err := sarama.NewClusterAdmin(a.cluster.Addrs(), ofAge(version))
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = admin.Close() }()
	topic := "of-" + version.String()
	createTopic(a.t, admin, topic, 2, map[string]string{"retention.ms": "3600000"})
	if found, err := admin.DescribeTopics([]string{topic}); err != nil || len(found) != 1 || len(found[0].Partitions) != 2 {
		a.t.Errorf("%v: %+v, %v", version, found, err)
	}
	if version.IsAtLeast(sarama.V0_11_0_0) {
		found, err := admin.DescribeConfigs([]*sarama.ConfigResource{{Type: sarama.TopicResource, Name: topic, ConfigNames: []string{"retention.ms"}}}, sarama.DescribeConfigsOptions{})
		if err != nil || len(found) != 1 || len(found[0].Configs) != 1 || found[0].Configs[0].Value != "3600000" {
			a.t.Errorf("%v: retention.ms is %+v, %v", version, found, err)
		}
	}
	if version.IsAtLeast(sarama.V1_0_0_0) {
		if err := admin.CreatePartitions(topic, 3, nil, false); err != nil {
			a.t.Errorf("%v: %v", version, err)
		}
	}
	groups, err := admin.ListConsumerGroups()
	if _, there := groups["keepers"]; err != nil || !there {
		a.t.Errorf("%v: groups are %v, %v", version, groups, err)
	}
	offsets, err := admin.ListConsumerGroupOffsets("keepers", map[string][]int32{"work": {0}})
	if err != nil || offsets.GetBlock("work", 0) == nil || offsets.GetBlock("work", 0).Offset != a.marked {
		a.t.Errorf("%v: keepers have committed %+v, %v; want %d", version, offsets, err, a.marked)
	}
	if err := admin.DeleteTopic(topic); err != nil {
		a.t.Errorf("%v: %v", version, err)
	}
}

// pay aborts a transaction and commits one.
func (a *ages) pay(version sarama.KafkaVersion) {
	a.t.Helper()
	c := ofAge(version)
	c.Producer.Idempotent, c.Producer.RequiredAcks, c.Net.MaxOpenRequests = true, sarama.WaitForAll, 1
	c.Producer.Transaction.ID = "cashier"
	producer, err := sarama.NewSyncProducer(a.cluster.Addrs(), c)
	if err != nil {
		a.t.Fatalf("%v: %v", version, err)
	}
	defer func() { _ = producer.Close() }()
	for outcome, end := range map[string]func() error{"aborted": producer.AbortTxn, "committed": producer.CommitTxn} {
		if err := producer.BeginTxn(); err != nil {
			a.t.Fatalf("%v: %v", version, err)
		}
		value := version.String() + " " + outcome
		if _, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: "payments", Value: sarama.StringEncoder(value)}); err != nil {
			a.t.Fatalf("%v: %v", version, err)
		}
		if err := end(); err != nil {
			a.t.Fatalf("%v: %v", version, err)
		}
	}
	a.sent["payments"] = append(a.sent["payments"], version.String()+" committed")
}

// TestKcatOfEveryAge: librdkafka, told that the broker is so old that it cannot even be asked for its versions. Of lz4
// there were two kinds, whose frames do not have the same checksum; the other codecs are of all ages.
func TestKcatOfEveryAge(t *testing.T) {
	cluster := testcluster.Start(t, 1)
	sent := map[string]string{} // by topic
	ages := []string{"0.8.0", "0.8.1", "0.8.2", "0.9.0", "0.10.0"}
	if testing.Short() {
		ages = ages[2:3]
	}
	for _, age := range ages {
		old := []string{"-X", "broker.version.fallback=" + age, "-X", "api.version.request=false"}
		codecs := []string{"none", "gzip", "snappy"}
		if age != "0.8.0" && age != "0.8.1" { // librdkafka has it from 0.8.2 on
			codecs = append(codecs, "lz4")
		}
		for _, codec := range codecs {
			topic := "ages"
			if codec == "lz4" {
				topic = "lz4"
			}
			var lines strings.Builder
			for i := range 100 {
				fmt.Fprintf(&lines, "%s %s %d:%s\n", age, codec, i, strings.Repeat("x", i))
			}
			kcat(t, cluster, lines.String(), append(old, "-P", "-t", topic, "-p", "0", "-K", ":", "-z", codec)...)
			sent[topic] += lines.String()
		}
		for topic, want := range sent {
			if got := kcat(t, cluster, "", append(old, "-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q", "-K", ":")...); got != want {
				t.Errorf("%s: %d bytes went into %s, %d came out", age, len(want), topic, len(got))
			}
		}
		if got := kcat(t, cluster, "", append(old, "-L")...); !strings.Contains(got, `topic "ages" with 1 partitions`) {
			t.Errorf("%s: the cluster is\n%s", age, got)
		}
	}
	for topic, want := range sent {
		if got := kcat(t, cluster, "", "-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q", "-K", ":"); got != want {
			t.Errorf("today: %d bytes went into %s, %d came out", len(want), topic, len(got))
		}
	}
	// Groups whose members share partitions began with 0.9.
	got := kcat(t, cluster, "", "-X", "broker.version.fallback=0.9.0", "-X", "api.version.request=false", "-X", "auto.offset.reset=earliest",
		"-G", "readers", "-e", "-q", "-K", ":", "ages")
	if got != sent["ages"] {
		t.Errorf("a group as of 0.9 read %d bytes, want %d", len(got), len(sent["ages"]))
	}
}
