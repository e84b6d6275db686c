package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/integration/apache"
)

// server is one running contender.
type server struct {
	*apache.Process
	name     string
	addr     string
	data     string       // the directory with a file or directory for each partition
	launched time.Time    // just before exec
	admin    *kadm.Client // nil for the bare loop, which makes topics by itself
}

// kafkaJVM are the flags a small broker is usually started with.
var kafkaJVM = []string{
	"-Xmx1g", "-Xms1g", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
	"-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true",
}

// brokerSettings are those that both brokers share. Deleted topics go at once, or the disk would fill.
func brokerSettings() map[string]string {
	return map[string]string{
		"num.partitions":                           "1",
		"offsets.topic.replication.factor":         "1",
		"transaction.state.log.replication.factor": "1",
		"transaction.state.log.min.isr":            "1",
		"group.initial.rebalance.delay.ms":         "0",
		"log.segment.delete.delay.ms":              "100",
	}
}

// launcher starts contenders in directories of their own.
type launcher struct {
	dir    string
	kafka  *apache.Installation
	ottla  string // the binary
	starts int
}

func (l *launcher) freshDir(name string) (string, error) {
	l.starts++
	dir := filepath.Join(l.dir, fmt.Sprintf("%s-%d", name, l.starts))
	return dir, os.MkdirAll(dir, 0o755)
}

func (l *launcher) startZooKeeper() (*apache.ZooKeeper, error) {
	dir, err := l.freshDir("zookeeper")
	if err != nil {
		return nil, err
	}
	return l.kafka.StartZooKeeper(apache.ZooKeeperOptions{Dir: dir})
}

// startKafka execs a broker with new directories in a chroot of its own.
func (l *launcher) startKafka(zk string) (*server, error) {
	dir, err := l.freshDir("kafka")
	if err != nil {
		return nil, err
	}
	b, err := l.kafka.StartBroker(apache.BrokerOptions{
		ID: 1, ZooKeeper: zk + "/" + filepath.Base(dir), Dir: dir, JVM: kafkaJVM, Properties: brokerSettings(), NoWait: true,
	})
	if err != nil {
		return nil, err
	}
	return &server{Process: b.Process, name: "Apache Kafka", addr: b.Addr, data: b.LogDir, launched: b.Started}, nil
}

// startOttla execs a broker likewise. With zk empty it runs its embedded ZooKeeper.
func (l *launcher) startOttla(zk string) (*server, error) {
	dir, err := l.freshDir("ottla")
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	settings := brokerSettings()
	settings["broker.id"] = "1"
	settings["listeners"] = "PLAINTEXT://" + ports[0]
	settings["log.dirs"] = filepath.Join(dir, "logs")
	if settings["zookeeper.connect"] = zk + "/" + filepath.Base(dir); zk == "" {
		settings["zookeeper.connect"] = "embedded"
		settings["embedded.zookeeper.address"] = ports[1]
	}
	var lines strings.Builder
	for key, value := range settings {
		fmt.Fprintf(&lines, "%s=%s\n", key, value)
	}
	file := filepath.Join(dir, "server.properties")
	if err := os.WriteFile(file, []byte(lines.String()), 0o644); err != nil {
		return nil, err
	}
	s := &server{name: "Ottla", addr: ports[0], data: settings["log.dirs"], launched: time.Now()}
	s.Process, err = apache.StartProcess("ottla", dir, exec.Command(l.ottla, file))
	return s, err
}

// startBare execs this program as the bare loop.
func (l *launcher) startBare() (*server, error) {
	dir, err := l.freshDir("bare")
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	s := &server{name: "bare loop", addr: ports[0], data: dir, launched: time.Now()}
	s.Process, err = apache.StartProcess("bare", dir, exec.Command(self, "-serve-bare", ports[0], "-dir", dir))
	return s, err
}

// freePorts returns addresses on loopback where nobody listens now.
func freePorts(n int) ([]string, error) {
	var addrs []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}

// waitForMetadata returns how long after its exec the server gave its first Metadata answer that names a
// broker.
func (s *server) waitForMetadata() (time.Duration, error) {
	var took time.Duration
	err := s.WaitReady(func() error {
		c, err := dial(s.addr)
		if err != nil {
			return err
		}
		defer c.Close()
		request := beginRequest(metadataKey, metadataVersion)
		request = endFrame(append(request, 0, 0, 0, 0)) // of no topic
		answer, err := c.roundTrip(request)
		if err != nil {
			return err
		}
		if w := (walk{b: answer}); w.int32() < 1 {
			return errors.New("no broker is known yet")
		}
		took = time.Since(s.launched)
		return nil
	})
	return took, err
}

// connectAdmin makes the client that creates topics.
func (s *server) connectAdmin() error {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.addr))
	if err != nil {
		return err
	}
	s.admin = kadm.NewClient(client)
	return nil
}

// createTopic makes a topic and waits until each partition has a leader.
func (s *server) createTopic(ctx context.Context, topic string, partitions int32) error {
	if s.admin == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if _, err := s.admin.CreateTopic(ctx, partitions, 1, nil, topic); err != nil {
		return fmt.Errorf("%s: create %s: %w", s.name, topic, err)
	}
	for {
		topics, err := s.admin.ListTopics(ctx, topic)
		if err != nil {
			return fmt.Errorf("%s: metadata of %s: %w", s.name, topic, err)
		}
		led := func(p kadm.PartitionDetail) bool { return p.Leader >= 0 && p.Err == nil }
		found := topics[topic].Partitions.Sorted()
		if len(found) == int(partitions) && !slices.ContainsFunc(found, func(p kadm.PartitionDetail) bool { return !led(p) }) {
			return nil
		}
	}
}

// deleteTopic gives the disk back, and waits until the files are gone, since removing gigabytes keeps the
// machine busy.
func (s *server) deleteTopic(ctx context.Context, topic string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var err error
	if s.admin != nil {
		_, err = s.admin.DeleteTopic(ctx, topic)
	} else {
		err = s.forgetTopics()
	}
	for err == nil {
		var left []string
		if left, err = filepath.Glob(filepath.Join(s.data, topic+"-*")); len(left) == 0 {
			break
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			err = fmt.Errorf("%d files or directories are left: %w", len(left), ctx.Err())
		}
	}
	if err != nil {
		return fmt.Errorf("%s: delete %s: %w", s.name, topic, err)
	}
	return nil
}

// forgetTopics tells the bare loop to remove all it has.
func (s *server) forgetTopics() error {
	c, err := dial(s.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.roundTrip(endFrame(beginRequest(forgetKey, 0)))
	return err
}

// end stops the server, however it is.
func (s *server) end() {
	if s.admin != nil {
		s.admin.Close()
	}
	s.Kill()
}
