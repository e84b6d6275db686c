package mixed

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"ottla/integration/apache"
)

// Kafka's own tools make, grow, move, elect and delete while the controller is of either kind, and ask a
// broker of the other kind.
func TestApacheToolsChangeTopicsUnderEitherController(t *testing.T) {
	t.Parallel()
	for name, kinds := range map[string][]kind{
		"two Kafka and one Ottla": {kafka, kafka, ottla},
		"one Kafka and two Ottla": {kafka, ottla, ottla},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, nil, kinds...)
			for controller, asked := range map[int32]int32{1: 3, 3: 1} {
				c.run(fmt.Sprintf("under the controller of %s, through %s", c.broker(controller).kind, c.broker(asked).kind), func(t *testing.T) {
					c.moveController(controller)
					c.awaitController(controller)
					c.changeTopics(t, c.broker(asked), fmt.Sprint("orders-", controller))
				})
			}
		})
	}
}

// changeTopics takes a topic through its life.
func (c *cluster) changeTopics(t *testing.T, through *broker, topic string) {
	tool := func(class string, args ...string) string {
		t.Helper()
		return apache.Tool(t, class, append([]string{"--bootstrap-server", through.addr}, args...)...)
	}
	says := func(output, pattern string) {
		t.Helper()
		if !regexp.MustCompile(pattern).MatchString(output) {
			t.Errorf("nothing like %q in:\n%s", pattern, output)
		}
	}
	says(tool(apache.TopicCommand, "--create", "--topic", topic, "--replica-assignment", "1:2,2:3"), "Created topic "+topic)
	c.produce(through, topic, 2, 50)
	tool(apache.TopicCommand, "--alter", "--topic", topic, "--partitions", "3", "--replica-assignment", "1:2,2:3,3:1")
	c.awaitLeader(topic, 2, 3)
	c.produce(through, topic, 3, 50)

	plan := filepath.Join(t.TempDir(), "plan.json")
	move := fmt.Sprintf(`{"version":1,"partitions":[{"topic":%q,"partition":0,"replicas":[3,2]},{"topic":%q,"partition":1,"replicas":[1,3]}]}`, topic, topic)
	if err := os.WriteFile(plan, []byte(move), 0o644); err != nil {
		t.Fatal(err)
	}
	says(tool(apache.ReassignPartitionsCommand, "--reassignment-json-file", plan, "--execute", "--throttle", "10000000"), `(?s)Successfully started partition reassignments`)
	c.awaitISR(topic, 0, 2, 3)
	c.awaitISR(topic, 1, 1, 3)
	says(tool(apache.ReassignPartitionsCommand, "--reassignment-json-file", plan, "--verify"), `(?s)partition `+topic+`-0 is completed.*partition `+topic+`-1 is completed.*Clearing topic-level throttles`)
	c.produce(through, topic, 3, 50)

	says(tool(apache.LeaderElectionCommand, "--election-type", "preferred", "--topic", topic, "--partition", "0"),
		`Successfully completed leader election|Valid replica already elected`)
	c.awaitLeader(topic, 0, 3)
	c.compareReplicas(topic, 3)
	says(tool(apache.TopicCommand, "--describe", "--topic", topic), `Partition: 0\s+Leader: 3\s+Replicas: 3,2\s+Isr: (3,2|2,3)`)

	tool(apache.TopicCommand, "--delete", "--topic", topic)
	c.eventually(topic+" is gone everywhere", func() error {
		if c.znodes.exists("/brokers/topics/" + topic) {
			return fmt.Errorf("its znode is there")
		}
		for _, b := range c.brokers {
			left, err := filepath.Glob(filepath.Join(b.logDir(), topic+"-[0-9]"))
			if err != nil || len(left) > 0 {
				return fmt.Errorf("broker %d: %v, %v", b.id, left, err)
			}
		}
		return nil
	})
}
