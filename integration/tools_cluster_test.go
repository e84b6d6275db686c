package integration

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/integration/apache"
	"ottla/integration/testcluster"
)

// toolAt runs one of Kafka's tools against a broker, and says what it printed.
func toolAt(t *testing.T, b *testcluster.Broker, class string, args ...string) string {
	t.Helper()
	return apache.Tool(t, class, append([]string{"--bootstrap-server", b.Addr()}, args...)...)
}

// Kafka's tools for operators of a cluster, against three brokers of ours: they create, describe, move, verify and elect.
func TestApacheToolsOperateACluster(t *testing.T) {
	apache.Require(t)
	cluster := testcluster.Start(t, 3, testcluster.WithSetting("auto.leader.rebalance.enable", "false"), testcluster.WithSessionTimeout(time.Second))
	first := cluster.Broker(1)
	says(t, toolAt(t, first, apache.TopicCommand, "--create", "--topic", "orders", "--replica-assignment", "1:2,2:3"), "Created topic orders")
	says(t, toolAt(t, first, apache.TopicCommand, "--describe", "--topic", "orders"), `Partition: 1\s+Leader: 2\s+Replicas: 2,3\s+Isr: 2,3`)
	client := franzAt(t, first.Addr(), kgo.MetadataMinAge(50*time.Millisecond))
	produceNumbers(t, client, "orders", 500)

	t.Run("ReassignPartitionsCommand", func(t *testing.T) {
		plan := filepath.Join(t.TempDir(), "plan.json")
		write(t, plan, `{"version":1,"partitions":[{"topic":"orders","partition":0,"replicas":[3,1,2]},{"topic":"orders","partition":1,"replicas":[1,3]}]}`)
		says(t, toolAt(t, first, apache.ReassignPartitionsCommand, "--reassignment-json-file", plan, "--execute", "--throttle", "50000000"),
			`Successfully started partition reassignments for orders-0,orders-1`)
		eventually(t, "the replicas are where the plan wants them", func() bool {
			return fmt.Sprint(cluster.ISR("orders", 0), cluster.ISR("orders", 1)) == "[1 2 3] [1 3]"
		})
		var output string
		eventually(t, "the tool finds it complete", func() bool {
			output = toolAt(t, first, apache.ReassignPartitionsCommand, "--reassignment-json-file", plan, "--verify")
			return !strings.Contains(output, "in progress")
		})
		says(t, output, `(?s)orders-0 is completed.*orders-1 is completed.*Clearing broker-level throttles.*Clearing topic-level throttles`)
		says(t, toolAt(t, first, apache.ReassignPartitionsCommand, "--list"), `No partition reassignments found`)
	})

	t.Run("LeaderElectionCommand", func(t *testing.T) {
		says(t, toolAt(t, first, apache.LeaderElectionCommand, "--election-type", "preferred", "--topic", "orders", "--partition", "0"),
			`Successfully completed leader election \(PREFERRED\) for partitions orders-0|Valid replica already elected`)
		if leader := cluster.AwaitLeader("orders", 0); leader != cluster.Broker(3) {
			t.Errorf("%s leads, and broker 3 is preferred", leader)
		}
		// The only one in sync dies; an operator gives up what only it may have had.
		cluster.Broker(3).Kill()
		cluster.AwaitISR("orders", 1, cluster.Broker(1))
		first.Kill()
		eventually(t, "nobody leads", func() bool { return leaderless(t, cluster.Broker(2), "orders", 1) })
		cluster.Broker(3).Restart()
		cluster.AwaitReady()
		says(t, toolAt(t, cluster.Broker(2), apache.LeaderElectionCommand, "--election-type", "unclean", "--topic", "orders", "--partition", "1"),
			`Successfully completed leader election \(UNCLEAN\) for partitions orders-1`)
		if leader := cluster.AwaitLeader("orders", 1); leader != cluster.Broker(3) {
			t.Errorf("%s leads, and broker 3 is the only replica that lives", leader)
		}
		first.Restart()
		cluster.AwaitReady()
		cluster.AwaitISR("orders", 0)
		cluster.AwaitISR("orders", 1)
	})

	t.Run("ReplicaVerificationTool", func(t *testing.T) {
		produceNumbers(t, client, "orders", 500)
		tool := apache.StartTool(t, "replica-verification", "org.apache.kafka.tools.ReplicaVerificationTool",
			"--broker-list", strings.Join(cluster.Addrs(), ","), "--topics-include", "orders", "--report-interval-ms", "500", "--time", "-2")
		report := regexp.MustCompile(`max lag is (\d+) for partition (\S+) at offset (\d+) among (\d+) partitions`)
		eventually(t, "it has compared both partitions to their ends", func() bool {
			lags := report.FindAllStringSubmatch(tool.Output(), -1)
			if strings.Contains(tool.Output(), "differ") || strings.Contains(tool.Output(), "mismatch") {
				t.Fatalf("it finds a difference:\n%s", tool.Output())
			}
			return len(lags) > 1 && lags[len(lags)-1][1] == "0" && lags[len(lags)-1][4] == "2"
		})
	})
}

// leaderless tells whether this broker says that nobody leads the partition.
func leaderless(t *testing.T, b *testcluster.Broker, topic string, partition int32) bool {
	t.Helper()
	topics, err := kadm.NewClient(franzAt(t, b.Addr())).ListTopics(patient(t), topic)
	return err == nil && topics[topic].Partitions[partition].Leader == -1
}
