package integration

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/integration/apache"
	"ottla/integration/testcluster"
)

// says expects each pattern in what a tool has printed.
func says(t *testing.T, output string, patterns ...string) {
	t.Helper()
	for _, pattern := range patterns {
		if !regexp.MustCompile(pattern).MatchString(output) {
			t.Errorf("nothing like %q in:\n%s", pattern, output)
		}
	}
}

// Apache Kafka's own command-line tools, unchanged, against one broker.
func TestApacheToolsWork(t *testing.T) {
	apache.Require(t)
	cluster := testcluster.Start(t, 1)
	server := []string{"--bootstrap-server", cluster.Addrs()[0]}
	tool := func(t *testing.T, class string, args ...string) string {
		t.Helper()
		return apache.Tool(t, class, append(server[:2:2], args...)...)
	}

	says(t, tool(t, apache.TopicCommand, "--create", "--topic", "orders", "--partitions", "3", "--config", "retention.ms=3600000"), "Created topic orders")
	says(t, tool(t, apache.TopicCommand, "--describe", "--topic", "orders"),
		`Topic: orders\s+TopicId: \S{22}\s+PartitionCount: 3\s+ReplicationFactor: 1\s+Configs: .*retention.ms=3600000`,
		`Topic: orders\s+Partition: 2\s+Leader: 1\s+Replicas: 1\s+Isr: 1`)
	tool(t, apache.TopicCommand, "--alter", "--topic", "orders", "--partitions", "4")
	says(t, tool(t, apache.TopicCommand, "--list"), `(?m)^orders$`)

	t.Run("ConfigCommand", func(t *testing.T) {
		says(t, tool(t, apache.ConfigCommand, "--alter", "--entity-type", "topics", "--entity-name", "orders", "--add-config", "max.message.bytes=2000000"), "Completed updating config for topic orders")
		says(t, tool(t, apache.ConfigCommand, "--describe", "--entity-type", "topics", "--entity-name", "orders"), `max.message.bytes=2000000 sensitive=false synonyms=\{DYNAMIC_TOPIC_CONFIG:max.message.bytes=2000000`)
		says(t, tool(t, apache.ConfigCommand, "--alter", "--entity-type", "brokers", "--entity-default", "--add-config", "log.retention.ms=7200000"), "Completed updating default config for brokers")
		says(t, tool(t, apache.ConfigCommand, "--describe", "--entity-type", "brokers", "--entity-name", "1", "--all"), `log.retention.ms=7200000 sensitive=false synonyms=\{DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=7200000`)
	})

	t.Run("console producer and consumer", func(t *testing.T) {
		apache.ToolWithInput(t, strings.NewReader("k1:eins\nk2:zwei\nk3:drei\n"), apache.ConsoleProducer,
			append(server[:2:2], "--topic", "orders", "--property", "parse.key=true", "--property", "key.separator=:")...)
		got := tool(t, apache.ConsoleConsumer, "--topic", "orders", "--group", "readers", "--from-beginning", "--max-messages", "3", "--timeout-ms", "60000")
		says(t, got, `(?m)^eins$`, `(?m)^zwei$`, `(?m)^drei$`)
	})

	t.Run("ConsumerGroupCommand", func(t *testing.T) {
		says(t, tool(t, apache.ConsumerGroupCommand, "--list"), `(?m)^readers$`)
		says(t, tool(t, apache.ConsumerGroupCommand, "--describe", "--group", "readers"), `readers\s+orders\s+\d\s+\d\s+\d\s+0`)
		says(t, tool(t, apache.ConsumerGroupCommand, "--describe", "--group", "readers", "--state"), `Empty`)
		says(t, tool(t, apache.ConsumerGroupCommand, "--reset-offsets", "--group", "readers", "--topic", "orders", "--to-earliest", "--execute"), `readers\s+orders\s+\d\s+0`)
		says(t, tool(t, apache.ConsumerGroupCommand, "--delete", "--group", "readers"), `(?i)deletion of requested consumer groups.*success`)
	})

	t.Run("GetOffsetShell", func(t *testing.T) {
		got := tool(t, apache.GetOffsetShell, "--topic", "orders")
		total := 0
		for _, line := range strings.Fields(got) {
			var n int
			if _, err := fmt.Sscanf(line[strings.LastIndex(line, ":")+1:], "%d", &n); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			total += n
		}
		if total != 3 {
			t.Errorf("the ends add up to %d, want 3:\n%s", total, got)
		}
	})

	t.Run("VerifiableProducer and VerifiableConsumer", func(t *testing.T) {
		tool(t, apache.TopicCommand, "--create", "--topic", "verified", "--partitions", "1")
		says(t, tool(t, apache.VerifiableProducer, "--topic", "verified", "--max-messages", "1000", "--acks", "-1"), `"sent":1000,"acked":1000`)
		says(t, tool(t, apache.VerifiableConsumer, "--topic", "verified", "--group-id", "verifiers", "--max-messages", "1000", "--reset-policy", "earliest"),
			`"name":"partitions_assigned"`, `"name":"records_consumed"`, `"offset":1000.*"success":true|"success":true.*"offset":1000`)
	})

	t.Run("ProducerPerformance and ConsumerPerformance", func(t *testing.T) {
		says(t, apache.Tool(t, apache.ProducerPerformance, "--topic", "orders", "--num-records", "20000", "--record-size", "100", "--throughput", "-1",
			"--producer-props", "bootstrap.servers="+cluster.Addrs()[0], "acks=all"), `20000 records sent`)
		says(t, tool(t, apache.ConsumerPerformance, "--topic", "orders", "--messages", "20000", "--timeout", "60000"), `, 2000\d,`)
	})

	t.Run("DeleteRecordsCommand, LogDirsCommand, BrokerApiVersionsCommand", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "delete.json")
		write(t, file, `{"partitions":[{"topic":"verified","partition":0,"offset":10}],"version":1}`)
		says(t, tool(t, apache.DeleteRecordsCommand, "--offset-json-file", file), `verified-0\s+low_watermark: 10`)
		says(t, tool(t, apache.LogDirsCommand, "--describe", "--topic-list", "verified"), `"partition":"verified-0"`)
		says(t, tool(t, apache.BrokerAPIVersionsCommand), `Produce\(0\): .*\[usable: 11\]`, `Fetch\(1\): .*\[usable: 17\]`)
	})

	tool(t, apache.TopicCommand, "--delete", "--topic", "orders")
	eventually(t, "orders is gone", func() bool { return !strings.Contains(tool(t, apache.TopicCommand, "--list"), "orders") })
}

// A directory that Ottla wrote, with every kind of file, is read by Kafka's own tool, and nothing is wrong with it.
func TestApacheReadsOurSegments(t *testing.T) {
	apache.Require(t)
	cluster := testcluster.Start(t, 1)
	admin := saramaAdmin(t, cluster)
	createTopic(t, admin, "orders", 1, map[string]string{"segment.bytes": "20000", "index.interval.bytes": "500"})
	client := franzClient(t, cluster, kgo.ProducerBatchCompression(kgo.NoCompression()))
	produceNumbers(t, client, "orders", 2000)
	dir := cluster.Broker(1).LogDir()
	cluster.Broker(1).Stop()

	logs, err := filepath.Glob(filepath.Join(dir, "orders-0", "*.log"))
	if err != nil || len(logs) < 2 {
		t.Fatalf("segments %v, %v: want several", logs, err)
	}
	for _, log := range logs {
		base := strings.TrimSuffix(log, ".log")
		output := apache.Tool(t, apache.DumpLogSegments, "--deep-iteration", "--files", log)
		if strings.Contains(output, "isvalid: false") || !strings.Contains(output, "isvalid: true") {
			t.Errorf("%s:\n%s", log, output)
		}
		for _, index := range []string{base + ".index", base + ".timeindex"} {
			output := apache.Tool(t, apache.DumpLogSegments, "--verify-index-only", "--files", index)
			if strings.Contains(output, "Mismatch") || strings.Contains(output, "not") {
				t.Errorf("%s:\n%s", index, output)
			}
		}
	}
	// The broker itself is a stricter reader: it loads the directory without recovery and serves it.
	kafka := restartAsApache(t, cluster)
	if got := readAll(t, kafka.Addr, "orders", 2000); got != 2000 {
		t.Errorf("Apache Kafka serves %d of 2000 records", got)
	}
}

// restartAsApache starts Apache Kafka on the directory and port of the cluster's stopped broker.
func restartAsApache(t *testing.T, cluster *testcluster.Cluster) *apache.Broker {
	t.Helper()
	return apache.StartBroker(t, apache.BrokerOptions{ID: 1, ZooKeeper: cluster.ZooKeeper(), Properties: map[string]string{"log.dirs": cluster.Broker(1).LogDir()}})
}

func TestADirectoryMovesToApacheAndBack(t *testing.T) {
	apache.Require(t)
	cluster := testcluster.Start(t, 1)
	createTopic(t, saramaAdmin(t, cluster), "orders", 1, nil)
	produceNumbers(t, franzClient(t, cluster), "orders", 100)
	cluster.Broker(1).Stop()

	kafka := restartAsApache(t, cluster)
	client := franzAt(t, kafka.Addr)
	produceNumbers(t, client, "orders", 100)
	client.Close()
	if err := kafka.Stop(); err != nil {
		t.Fatal(err)
	}
	cluster.Broker(1).Restart()
	if got := readAll(t, cluster.Addrs()[0], "orders", 200); got != 200 {
		t.Errorf("%d of 200 records are there after the way to Apache Kafka and back", got)
	}
}
