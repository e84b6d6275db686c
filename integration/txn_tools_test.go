package integration

import (
	"regexp"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/integration/apache"
	"ottla/integration/testcluster"
)

// The Java client's transactions, with aborts at random, as Apache Kafka's own system tests run them.
func TestApacheTransactionalMessageCopier(t *testing.T) {
	apache.Require(t)
	cluster := testcluster.Start(t, 1)
	createTopics(t, cluster.Addrs(), 1, 1, "in", "out")
	const numbers = 1000
	produceNumbers(t, franzAt(t, cluster.Addrs()[0]), "in", numbers)
	printed := apache.Tool(t, "org.apache.kafka.tools.TransactionalMessageCopier", "--broker-list", cluster.Addrs()[0],
		"--input-topic", "in", "--input-partition", "0", "--output-topic", "out", "--max-messages", "1000", "--consumer-group", "copier",
		"--transaction-size", "50", "--transactional-id", "java-copier", "--enable-random-aborts", "--group-mode", "--use-group-metadata")
	if !strings.Contains(printed, `"stage":"ShutdownComplete"`) {
		t.Errorf("the copier has not come to its end:\n%s", printed)
	}
	committedNumbers(t, cluster.Addrs(), "out", numbers)
}

// kafka-transactions shows open transactions, finds one that hangs, of which no coordinator knows, and aborts that by hand.
func TestApacheTransactionsCommand(t *testing.T) {
	apache.Require(t)
	// Nobody asks after partitions, as before KIP-890: so a batch may come behind the marker of its transaction.
	cluster := testcluster.Start(t, 1, testcluster.WithSetting("transaction.partition.verification.enable", "false"))
	createTopics(t, cluster.Addrs(), 1, 1, "orders", "payments")
	producer := franzAt(t, cluster.Addrs()[0], kgo.TransactionalID("open"), kgo.DefaultProduceTopic("payments"))
	if err := producer.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := producer.ProduceSync(patient(t), kgo.StringRecord("pending")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	const command = "org.apache.kafka.tools.TransactionsCommand"
	server := []string{"--bootstrap-server", cluster.Addrs()[0]}
	says := func(pattern string, args ...string) {
		t.Helper()
		if out := apache.Tool(t, command, append(server[:2:2], args...)...); !regexp.MustCompile(pattern).MatchString(out) {
			t.Errorf("%v: nothing like %q in:\n%s", args, pattern, out)
		}
	}
	says(`open\s+1\s+0\s+Ongoing`, "list")
	says(`1\s+open\s+0\s+0\s+Ongoing\s+\d+\s+\d+\s+\d+\s+payments-0`, "describe", "--transactional-id", "open")
	says(`(?m)^0\s+0\s+-1\s+0\s+\d+\s+0\s`, "describe-producers", "--topic", "payments", "--partition", "0")
	e := &edgeCase{t: t, addr: cluster.Addrs()[0]}
	if code := e.settled(func() int16 { return e.produce(0, 0, producerEpoch{4711, 3}, 11) }); code != 0 {
		t.Fatal(kerr.ErrorForCode(code))
	}
	says(`(?m)^Topic\s.*\norders\s+0\s+4711\s+3\s+-1\s+0\s+\d+\s+\d+\s*\z`, "find-hanging", "--broker-id", "1", "--max-transaction-timeout", "0")
	says(``, "abort", "--topic", "orders", "--partition", "0", "--start-offset", "0")
	reader := franzAt(t, cluster.Addrs()[0], kgo.ConsumeTopics("orders"), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	produceNumbers(t, franzAt(t, cluster.Addrs()[0]), "orders", 1)
	// It would wait for ever if the transaction were still open.
	if got := reader.PollFetches(patient(t)).Records(); len(got) != 1 || string(got[0].Value) != "value 0" {
		t.Errorf("read %d records", len(got))
	}
}
