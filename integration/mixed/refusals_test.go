package mixed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ottla/integration/apache"
)

// An Ottla broker that must not join a cluster ends, and says why in words that tell an operator what to do.
func TestOttlaRefusesToStart(t *testing.T) {
	t.Parallel()
	c := start(t, nil, kafka, ottla)
	ends := func(t *testing.T, b *broker, pattern string) {
		t.Helper()
		if err := b.launch(); err != nil {
			t.Fatal(err)
		}
		err := b.process.WaitReady(func() error { return errors.New("it is not to be ready") })
		b.process = nil
		if err == nil || !strings.Contains(err.Error(), "exit status 1") || !regexp.MustCompile(pattern).MatchString(err.Error()) {
			t.Errorf("nothing like %q in: %v", pattern, err)
		}
	}

	c.run("under the id of an Apache Kafka broker that lives", func(t *testing.T) {
		twin := &broker{c: c, id: 1, kind: ottla, dir: t.TempDir(), addr: apache.FreeAddress(t), settings: clusterSettings(2)}
		ends(t, twin, `the broker id is taken: /brokers/ids/1 belongs to session .*`+regexp.QuoteMeta(c.broker(1).addr))
		if err := c.broker(2).knows([]int32{1, 2}); err != nil {
			t.Errorf("the owner was disturbed: %v", err)
		}
	})

	c.run("with the files of another cluster", func(t *testing.T) {
		b := c.broker(2)
		b.stop()
		file := filepath.Join(b.logDir(), "meta.properties")
		ours, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		foreign := regexp.MustCompile(`cluster\.id=\S+`).ReplaceAll(ours, []byte("cluster.id=ThisIsAnotherCluster00"))
		if err := os.WriteFile(file, foreign, 0o644); err != nil {
			t.Fatal(err)
		}
		id, err := c.znodes.get("/cluster/id")
		if err != nil {
			t.Fatal(err)
		}
		here := regexp.MustCompile(`"id":"([^"]+)"`).FindSubmatch(id)
		ends(t, b, fmt.Sprintf(`(?s)%s.*ThisIsAnotherCluster00.*/cluster/id.*%s.*correct zookeeper.connect or log.dirs`,
			regexp.QuoteMeta(b.logDir()), regexp.QuoteMeta(string(here[1]))))
		if err := os.WriteFile(file, ours, 0o644); err != nil {
			t.Fatal(err)
		}
		b.start()
	})
}

// A state znode that nobody can read concerns its partition alone: the controller says so, leaves it as it is,
// and lives.
func TestAGarbledStateIsLeftAlone(t *testing.T) {
	t.Parallel()
	c := start(t, nil, kafka, ottla)
	c.moveController(1)
	c.createTopic("orders", replicas(1, 2), replicas(2, 1))
	path := "/brokers/topics/orders/partitions/0/state"
	before, err := c.znodes.get(path)
	if err != nil {
		t.Fatal(err)
	}
	const garbage = `{"leader":1,"isr":[1,`
	c.znodes.set(path, garbage)
	c.moveController(2)
	c.awaitController(2)
	c.createTopic("payments", replicas(1, 2))
	c.produce(c.broker(2), "payments", 1, 10)
	c.compareReplicas("payments", 1)
	c.awaitLeader("orders", 1, 2)
	if now, err := c.znodes.get(path); err != nil || string(now) != garbage {
		t.Errorf("%s is %q, %v", path, now, err)
	}
	if output := c.broker(2).output(); !regexp.MustCompile(`level=error .*orders-0.*` + regexp.QuoteMeta(path)).MatchString(output) {
		t.Error("the controller does not name the partition and its znode")
	}

	// An operator puts it right; the next controller goes on with it.
	c.znodes.set(path, string(before))
	c.moveController(1)
	c.awaitController(1)
	c.moveController(2)
	c.awaitController(2)
	c.awaitLeader("orders", 0, 1)
	c.produce(c.broker(2), "orders", 2, 10)
	c.compareReplicas("orders", 2)
}
