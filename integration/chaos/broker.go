package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"ottla/integration/apache"
)

// kind is whose program a broker runs.
type kind string

const (
	ottla kind = "ottla"
	kafka kind = "apache"
)

// sessionTimeout is how long ZooKeeper waits for a broker. Three times as long as a busy machine may stop it.
const sessionTimeout = 4 * time.Second

// broker is one broker of the cluster: its place, and the process that runs there now.
type broker struct {
	id      node
	kind    kind
	dir     string // configuration, data, output
	port    int    // of its listener
	proxy   *proxy // in front of it
	process *apache.Process
}

// kafkaJVM makes virtual machines small and quick to start: three of them share the machine with the clients.
var kafkaJVM = []string{"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true"}

// settings are those of a broker of either kind.
func (b *broker) settings(zooKeeper string) map[string]string {
	ms := func(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }
	return map[string]string{
		"broker.id":                                fmt.Sprint(int(b.id)),
		"listeners":                                "PLAINTEXT://" + apache.Loopback(b.port),
		"advertised.listeners":                     "PLAINTEXT://" + b.proxy.addr(),
		"log.dirs":                                 filepath.Join(b.dir, "logs"),
		"zookeeper.connect":                        zooKeeper,
		"zookeeper.session.timeout.ms":             ms(sessionTimeout),
		"zookeeper.connection.timeout.ms":          "60000",
		"default.replication.factor":               "3",
		"min.insync.replicas":                      "2",
		"auto.create.topics.enable":                "false",
		"offsets.topic.replication.factor":         "3",
		"offsets.topic.num.partitions":             "3",
		"transaction.state.log.replication.factor": "3",
		"transaction.state.log.min.isr":            "2",
		"transaction.state.log.num.partitions":     "3",
		// A transaction of which nobody knows any more shall not hold up readers for long.
		"transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
		"group.initial.rebalance.delay.ms":                            "0",
		"broker.rack":                                                 rack(b.id), // a reader that has one reads from followers
		"replica.selector.class":                                      "org.apache.kafka.common.replica.RackAwareReplicaSelector",
		"replica.lag.time.max.ms":                                     ms(sessionTimeout),
		// Leaders come back to where they were, so that the next fault meets some everywhere.
		"leader.imbalance.check.interval.seconds": "5",
		// Over a cut link answers do not come; a broker shall find out within a fault.
		"replica.socket.timeout.ms":    "3000",
		"controller.socket.timeout.ms": "3000",
		// The cleaner's default buffer is half of a heap of this size.
		"log.cleaner.dedupe.buffer.size": "8388608",
	}
}

func rack(id node) string { return fmt.Sprintf("rack-%d", int(id)) }

// start runs the broker's program and returns at once.
func (b *broker) start(c *cluster) (err error) {
	settings := b.settings(c.zooKeeperProxy.addr())
	switch b.kind {
	case kafka:
		var running *apache.Broker
		running, err = c.apache.StartBroker(apache.BrokerOptions{
			ID: int32(b.id), ZooKeeper: settings["zookeeper.connect"], Dir: b.dir, Port: b.port, Properties: settings, JVM: kafkaJVM, NoWait: true,
		})
		if err == nil {
			b.process = running.Process
		}
	case ottla:
		var text strings.Builder
		for _, key := range slices.Sorted(maps.Keys(settings)) {
			fmt.Fprintf(&text, "%s=%s\n", key, settings[key])
		}
		file := filepath.Join(b.dir, "server.properties")
		if err = os.WriteFile(file, []byte(text.String()), 0o644); err == nil {
			b.process, err = apache.StartProcess(fmt.Sprintf("broker-%d", int(b.id)), b.dir, exec.Command(c.ottla, file))
		}
	}
	if err != nil {
		return fmt.Errorf("start %v: %w", b.id, err)
	}
	c.links.own(b.process.Pid(), b.id)
	return nil
}

// running reports whether the process lives, frozen or not.
func (b *broker) running() bool {
	return b.process != nil && syscall.Kill(b.process.Pid(), 0) == nil
}

// kill ends the process as kill -9 does.
func (b *broker) kill() {
	b.process.Kill()
	b.process = nil
}

func (b *broker) freeze() error { return syscall.Kill(b.process.Pid(), syscall.SIGSTOP) }
func (b *broker) thaw() error   { return syscall.Kill(b.process.Pid(), syscall.SIGCONT) }

// lastWords are the end of what the broker has printed, over all its lives.
func (b *broker) lastWords(lines int) string {
	text, err := os.ReadFile(filepath.Join(b.dir, fmt.Sprintf("broker-%d.out", int(b.id))))
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
