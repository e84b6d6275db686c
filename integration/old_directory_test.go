package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/go-zookeeper/zk"
	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/integration/golden"
	"ottla/server"
	"ottla/server/config"
	"ottla/zkcoord/zkserver"
)

// oldRecord is a line beside the directory that Apache Kafka wrote with topics of magic 0 and 1.
type oldRecord struct {
	Topic             string
	Offset, Timestamp int64
	Key, Value        []byte
}

func (r oldRecord) String() string {
	return fmt.Sprintf("%d@%d %x=%x %v %v", r.Offset, r.Timestamp, r.Key, r.Value, r.Key == nil, r.Value == nil)
}

func oldRecords(t *testing.T) map[string][]oldRecord {
	t.Helper()
	f, err := os.Open("../logdir/testdata/oldformat.expected.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string][]oldRecord{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var r oldRecord
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		out[r.Topic] = append(out[r.Topic], r)
	}
	return out
}

// unpackOld returns the directory, and the id of each topic in it.
func unpackOld(t *testing.T) (dir string, ids map[string]string) {
	t.Helper()
	root, ids := t.TempDir(), map[string]string{}
	golden.Unpack(t, "../logdir/testdata/oldformat.tar.gz", root, nil)
	dir = filepath.Join(root, "logs")
	files, err := filepath.Glob(filepath.Join(dir, "*-0", "partition.metadata"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		topic := strings.TrimSuffix(filepath.Base(filepath.Dir(file)), "-0")
		ids[topic] = strings.TrimSpace(strings.SplitN(string(text), "topic_id: ", 2)[1])
	}
	return dir, ids
}

// serveOld starts a broker over the directory, in a cluster whose ZooKeeper knows its topics.
func serveOld(t *testing.T, settings map[string]string) (address string) {
	t.Helper()
	dir, ids := unpackOld(t)
	log := logrus.New()
	log.SetOutput(t.Output())
	zookeeper, err := zkserver.Start(zkserver.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = zookeeper.Close() })
	c, _, err := zk.Connect([]string{zookeeper.Addr()}, 10*time.Second, zk.WithLogInfo(false), zk.WithDialer(net.DialTimeout))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	meta, err := os.ReadFile(filepath.Join(dir, "meta.properties"))
	if err != nil {
		t.Fatal(err)
	}
	_, clusterID, _ := strings.Cut(string(meta), "cluster.id=")
	nodes := [][2]string{{"/cluster", ""}, {"/cluster/id", fmt.Sprintf(`{"version":"1","id":%q}`, strings.TrimSpace(clusterID))}, {"/brokers", ""}, {"/brokers/topics", ""}}
	for topic, id := range ids {
		nodes = append(nodes, [2]string{"/brokers/topics/" + topic,
			fmt.Sprintf(`{"partitions":{"0":[1]},"topic_id":%q,"adding_replicas":{},"removing_replicas":{},"version":3}`, id)})
	}
	for _, n := range nodes {
		if _, err := c.Create(n[0], []byte(n[1]), 0, zk.WorldACL(zk.PermAll)); err != nil {
			t.Fatalf("%s: %v", n[0], err)
		}
	}
	properties := map[string]string{"broker.id": "1", "listeners": "PLAINTEXT://127.0.0.1:0", "log.dirs": dir, "zookeeper.connect": zookeeper.Addr(),
		"controlled.shutdown.enable": "false"}
	for k, v := range settings {
		properties[k] = v
	}
	parsed, err := config.Parse(properties, log)
	if err != nil {
		t.Fatal(err)
	}
	broker := server.New(parsed, server.WithLogger(log))
	if err := broker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Close() })
	return broker.Addr("PLAINTEXT")
}

// readOld reads n records of a topic as a sarama of some age does, without their timestamps: its oldest requests have none.
func readOld(t *testing.T, address, topic string, version sarama.KafkaVersion, n int) (out []string) {
	t.Helper()
	consumer, err := sarama.NewConsumer([]string{address}, ofAge(version))
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
	for range n {
		select {
		case m := <-pc.Messages():
			out = append(out, fmt.Sprintf("%d %x=%x %v %v", m.Offset, m.Key, m.Value, m.Key == nil, m.Value == nil))
		case err := <-pc.Errors():
			t.Fatalf("%s: %v", topic, err)
		case <-ctx.Done():
			t.Fatalf("%s: %d of %d records came", topic, len(out), n)
		}
	}
	return out
}

// TestADirectoryOfOldFormatsIsServed: what Apache Kafka stored as magic 0 and 1, however compressed, is there for clients
// of today and of then.
func TestADirectoryOfOldFormatsIsServed(t *testing.T) {
	address := serveOld(t, nil)
	for topic, records := range oldRecords(t) {
		if topic == "v0-lz4" {
			continue // which no client in Go reads; see TestADirectoryOfOldFormatsAndKcat
		}
		t.Run(topic, func(t *testing.T) {
			var want, untimed []string
			for _, r := range records {
				text := r.String()
				want = append(want, text)
				untimed = append(untimed, fmt.Sprint(r.Offset)+text[strings.IndexByte(text, ' '):])
			}
			client := franzAt(t, address, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
			defer client.Close()
			var got []string
			for len(got) < len(want) {
				fetches := client.PollFetches(patient(t))
				if err := fetches.Err(); err != nil {
					t.Fatal(err)
				}
				fetches.EachRecord(func(r *kgo.Record) {
					o := oldRecord{Offset: r.Offset, Timestamp: -1, Key: r.Key, Value: r.Value}
					if !r.Timestamp.IsZero() {
						o.Timestamp = r.Timestamp.UnixMilli()
					}
					got = append(got, o.String())
				})
			}
			if !slices.Equal(got, want) {
				t.Errorf("franz-go reads\n%q, want\n%q", got, want)
			}
			for _, version := range []sarama.KafkaVersion{sarama.V0_8_2_0, sarama.V0_10_0_0, sarama.MaxVersion} {
				if topic == "v1-lz4" && !version.IsAtLeast(sarama.V0_10_0_0) {
					continue // likewise, once converted
				}
				if got := readOld(t, address, topic, version, len(untimed)); !slices.Equal(got, untimed) {
					t.Errorf("sarama %v reads\n%q, want\n%q", version, got, untimed)
				}
			}
		})
	}
}

func TestADirectoryOfOldFormatsAndKcat(t *testing.T) {
	address := serveOld(t, nil)
	all := oldRecords(t)
	for _, topic := range []string{"v0-lz4", "v0-snappy", "v0-compacted", "v1-lz4", "v1-segs"} {
		var want strings.Builder
		for _, r := range all[topic] {
			size := len(r.Value)
			if r.Value == nil {
				size = -1
			}
			fmt.Fprintf(&want, "%d %d\n", r.Offset, size)
		}
		got := kcatAt(t, address, "", "-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q", "-f", "%o %S\n")
		if got != want.String() {
			t.Errorf("%s: kcat reads\n%s, want\n%s", topic, got, want.String())
		}
	}
}
