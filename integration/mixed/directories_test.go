package mixed

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ottla/integration/golden"
)

// goldenDirectory is one that Apache Kafka 3.9.1 wrote long ago: see logdir/testdata.
type goldenDirectory struct {
	archive string
	topics  []string                     // those that are wanted of it; all, if there are none
	configs map[string]map[string]string // of topics
}

const testdata = "../../logdir/testdata"

// seedGolden gives the broker a golden directory, and ZooKeeper what it must know of the topics in it.
func (c *cluster) seedGolden(b *broker, g goldenDirectory) {
	c.t.Helper()
	golden.Unpack(c.t, filepath.Join(testdata, g.archive+".tar.gz"), b.dir, func(name string) bool {
		return len(g.topics) == 0 || filepath.Base(name) == "meta.properties" ||
			slices.ContainsFunc(g.topics, func(topic string) bool { return filepath.Base(filepath.Dir(name)) == topic+"-0" })
	})
	for _, path := range []string{"/cluster", "/brokers", "/brokers/topics", "/config", "/config/topics"} {
		c.znodes.make(path, "")
	}
	c.znodes.make("/cluster/id", fmt.Sprintf(`{"version":"1","id":%q}`, property(c.t, filepath.Join(b.logDir(), "meta.properties"), "cluster.id=")))
	for topic, partitions := range partitionsIn(c.t, b.logDir()) {
		id := property(c.t, filepath.Join(b.logDir(), topic+"-0", "partition.metadata"), "topic_id: ")
		var assignment []string
		for _, p := range partitions {
			assignment = append(assignment, fmt.Sprintf(`"%d":[1]`, p))
		}
		c.znodes.make("/brokers/topics/"+topic, fmt.Sprintf(`{"version":3,"topic_id":%q,"partitions":{%s},"adding_replicas":{},"removing_replicas":{}}`,
			id, strings.Join(assignment, ",")))
	}
	for topic, config := range g.configs {
		text, err := json.Marshal(map[string]any{"version": 1, "config": config})
		if err != nil {
			c.t.Fatal(err)
		}
		c.znodes.make("/config/topics/"+topic, string(text))
	}
}

var partitionName = regexp.MustCompile(`^(.+)-(\d+)$`)

// partitionsIn lists the partitions of each topic in a log directory, but for those that are being deleted or moved.
func partitionsIn(t *testing.T, dir string) map[string][]int32 {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]int32{}
	for _, e := range entries {
		if m := partitionName.FindStringSubmatch(e.Name()); m != nil {
			p, err := strconv.ParseInt(m[2], 10, 32)
			if err != nil {
				t.Fatal(err)
			}
			found[m[1]] = append(found[m[1]], int32(p))
		}
	}
	return found
}

// property is the rest of the line of a file that begins so.
func property(t *testing.T, file, begin string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, begin); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("%s: no line %q", file, begin)
	return ""
}

// goldenRecord is a line of the list that stands beside a golden directory.
type goldenRecord struct {
	Topic                  string
	Partition              int32
	Offset, Timestamp      int64
	Key, Value             []byte
	Headers                [][2]*string
	ProducerID             int64
	ProducerEpoch          int16
	Transactional, Control bool
}

// records are all that a golden directory holds, by topic.
func (g goldenDirectory) records(t *testing.T) map[string][]goldenRecord {
	t.Helper()
	f, err := os.Open(filepath.Join(testdata, g.archive+".expected.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string][]goldenRecord{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r goldenRecord
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		all[r.Topic] = append(all[r.Topic], r)
	}
	if len(all) == 0 {
		t.Fatalf("%s: nothing, %v", f.Name(), lines.Err())
	}
	return all
}
