package mixed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/integration/apache"
)

// ReassignPartitionsCommand moves replicas with a throttle, from leaders of either kind to followers of the other: they arrive
// slowly, soon once the rate is raised, and --verify leaves nothing of the throttle behind.
func TestReassignmentsAreThrottled(t *testing.T) {
	t.Parallel()
	const fetchMax = 128 << 10
	c := start(t, map[string]string{
		"default.replication.factor": "1", "offsets.topic.replication.factor": "1", "replica.fetch.max.bytes": fmt.Sprint(fetchMax),
	}, kafka, ottla)
	const records, size, rate, topic = 64, 64 << 10, 200 << 10, "orders"
	c.createTopic(topic, replicas(1), replicas(2))
	var all []*kgo.Record
	for p := range int32(2) {
		for range records {
			all = append(all, &kgo.Record{Topic: topic, Partition: p, Value: make([]byte, size)})
		}
	}
	producer, err := kgo.NewClient(kgo.SeedBrokers(c.addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerBatchMaxBytes(size+1000))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	if err := producer.ProduceSync(c.patient(), all...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	// The tool sets all this as well, and moves at once, when brokers may not have heard of it yet.
	c.throttleAll(topic, rate)

	plan := filepath.Join(t.TempDir(), "plan.json")
	move := fmt.Sprintf(`{"version":1,"partitions":[{"topic":%[1]q,"partition":0,"replicas":[1,2]},{"topic":%[1]q,"partition":1,"replicas":[2,1]}]}`, topic)
	if err := os.WriteFile(plan, []byte(move), 0o644); err != nil {
		t.Fatal(err)
	}
	reassign := func(args ...string) string {
		return apache.Tool(t, apache.ReassignPartitionsCommand, append([]string{"--bootstrap-server", c.broker(2).addr, "--reassignment-json-file", plan}, args...)...)
	}
	start := time.Now()
	reassign("--execute", "--throttle", fmt.Sprint(rate))
	for _, id := range []int32{1, 2} {
		c.znodes.says(fmt.Sprint("/config/brokers/", id), fmt.Sprintf(`"leader.replication.throttled.rate":"%d"`, rate), "")
	}
	c.znodes.says("/config/topics/"+topic, `follower.replication.throttled.replicas`, "")
	time.Sleep(time.Until(start.Add(6 * time.Second)))
	for p, follower := range map[int32]int32{0: 2, 1: 1} {
		var copied int64
		c.eventually(fmt.Sprintf("broker %d copies partition %d", follower, p), func() error {
			if copied = c.logBytes(follower, topic, p); copied == 0 {
				return errors.New("there is nothing yet")
			}
			return nil
		})
		// Nothing else than the throttle holds them up: four megabytes are a matter of a moment.
		limit := int64(1.5*rate*time.Since(start).Seconds()) + 2*fetchMax // the clock is read after the files
		t.Logf("%s has copied %d bytes of partition %d within %v, at %d a second", c.broker(follower).kind, copied, p, time.Since(start), rate)
		if copied > limit && limit < records*size {
			t.Errorf("that is more than %d", limit)
		}
	}
	raised := time.Now()
	reassign("--execute", "--additional", "--throttle", "100000000")
	for p := range int32(2) {
		c.awaitISR(topic, p, 1, 2)
	}
	t.Logf("in sync %v after the rate was raised", time.Since(raised))
	if out := reassign("--verify"); !strings.Contains(out, "Clearing broker-level throttles") || !strings.Contains(out, "Clearing topic-level throttles") {
		t.Errorf("verify says:\n%s", out)
	}
	for _, path := range []string{"/config/brokers/1", "/config/brokers/2", "/config/topics/" + topic} {
		c.znodes.says(path, `"config":{}`, "")
	}
	c.compareReplicas(topic, 2)
}

// throttleAll throttles every replica of a topic, and waits until the brokers obey: they take notices of settings in their
// order, and the last one of them shows when they describe themselves.
func (c *cluster) throttleAll(topic string, rate int) {
	c.t.Helper()
	var configs []kadm.AlterConfig
	for _, side := range []string{"leader", "follower"} {
		configs = append(configs, kadm.AlterConfig{Name: side + ".replication.throttled.replicas", Value: kadm.StringPtr("*")})
	}
	if altered, err := c.admin.AlterTopicConfigs(c.patient(), configs, topic); err != nil || altered[0].Err != nil {
		c.t.Fatal(altered, err)
	}
	for _, b := range c.brokers {
		configs = nil
		for _, side := range []string{"leader", "follower"} {
			configs = append(configs, kadm.AlterConfig{Name: side + ".replication.throttled.rate", Value: kadm.StringPtr(fmt.Sprint(rate))})
		}
		if altered, err := c.admin.AlterBrokerConfigs(c.patient(), configs, b.id); err != nil || altered[0].Err != nil {
			c.t.Fatal(altered, err)
		}
		c.eventually(fmt.Sprintf("broker %d knows of the rate", b.id), func() error {
			described, err := c.admin.DescribeBrokerConfigs(c.patient(), b.id)
			if err != nil {
				return err
			}
			for _, config := range described[0].Configs {
				if config.Key == "follower.replication.throttled.rate" {
					return nil
				}
			}
			return errors.New("it does not")
		})
	}
}

// logBytes is how much of a partition lies on a broker's disk.
func (c *cluster) logBytes(id int32, topic string, partition int32) (bytes int64) {
	c.t.Helper()
	files, err := filepath.Glob(filepath.Join(c.broker(id).logDir(), fmt.Sprintf("%s-%d", topic, partition), "*.log"))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			c.t.Fatal(err)
		}
		bytes += info.Size()
	}
	return bytes
}
