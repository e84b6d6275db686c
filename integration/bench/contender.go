package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"ottla/integration/apache"
)

// server is one running contender.
type server struct {
	*apache.Process
	name     string // as a reader knows it
	place    place
	addr     string
	data     string    // the directory with a file or directory for each partition
	launched time.Time // just before exec
}

// place says where a broker runs and as whom. One started again at the same place finds its data there.
type place struct {
	id        int
	dir       string
	zooKeeper string            // with its chroot; empty for Ottla's embedded one
	port      int               // 0 for a free one
	settings  map[string]string // beside or instead of brokerSettings
}

// kafkaJVM are the flags a small broker is usually started with.
var kafkaJVM = []string{
	"-Xmx1g", "-Xms1g", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
	"-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true",
}

// brokerSettings are those that both brokers share. Deleted topics go at once, or the disk would fill; the cleaner
// looks for work often, so that what is measured is not when it next looks.
func brokerSettings() map[string]string {
	return map[string]string{
		"num.partitions":                           "1",
		"offsets.topic.replication.factor":         "1",
		"transaction.state.log.replication.factor": "1",
		"transaction.state.log.min.isr":            "1",
		"group.initial.rebalance.delay.ms":         "0",
		"log.segment.delete.delay.ms":              "100",
		"log.cleaner.backoff.ms":                   "100",
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

// start execs a contender with new directories, a broker in a chroot of its own.
func (l *launcher) start(contender, zooKeeper string) (*server, error) {
	dir, err := l.freshDir(contender)
	if err != nil {
		return nil, err
	}
	if contender == bareName {
		return l.startBare(dir)
	}
	if zooKeeper != "" {
		zooKeeper += "/" + filepath.Base(dir)
	}
	return l.startAt(contender, place{id: 1, dir: dir, zooKeeper: zooKeeper})
}

// startAt execs a broker at a place.
func (l *launcher) startAt(contender string, at place) (*server, error) {
	if at.port == 0 {
		ports, err := apache.FreePorts(1)
		if err != nil {
			return nil, err
		}
		at.port = ports[0]
	}
	settings := brokerSettings()
	maps.Copy(settings, at.settings)
	if contender == kafkaName {
		return l.startKafka(at, settings)
	}
	return l.startOttla(at, settings)
}

func (l *launcher) startKafka(at place, settings map[string]string) (*server, error) {
	b, err := l.kafka.StartBroker(apache.BrokerOptions{
		ID: int32(at.id), ZooKeeper: at.zooKeeper, Dir: at.dir, Port: at.port, JVM: kafkaJVM, Properties: settings, NoWait: true,
	})
	if err != nil {
		return nil, err
	}
	return &server{Process: b.Process, name: contenderTitle(kafkaName), place: at, addr: b.Addr, data: b.LogDir, launched: b.Started}, nil
}

func (l *launcher) startOttla(at place, settings map[string]string) (*server, error) {
	s := &server{name: contenderTitle(ottlaName), place: at, addr: apache.Loopback(at.port), data: filepath.Join(at.dir, "logs")}
	settings["broker.id"] = fmt.Sprint(at.id)
	settings["listeners"] = "PLAINTEXT://" + s.addr
	settings["log.dirs"] = s.data
	if settings["zookeeper.connect"] = at.zooKeeper; at.zooKeeper == "" {
		ports, err := apache.FreePorts(1)
		if err != nil {
			return nil, err
		}
		settings["zookeeper.connect"] = "embedded"
		settings["embedded.zookeeper.address"] = apache.Loopback(ports[0])
	}
	var lines strings.Builder
	for key, value := range settings {
		fmt.Fprintf(&lines, "%s=%s\n", key, value)
	}
	file := filepath.Join(at.dir, "server.properties")
	err := os.WriteFile(file, []byte(lines.String()), 0o644)
	if err != nil {
		return nil, err
	}
	s.launched = time.Now()
	s.Process, err = apache.StartProcess("ottla", at.dir, exec.Command(l.ottla, file))
	return s, err
}

// startBare execs this program as the bare loop.
func (l *launcher) startBare(dir string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ports, err := apache.FreePorts(1)
	if err != nil {
		return nil, err
	}
	s := &server{name: contenderTitle(bareName), addr: apache.Loopback(ports[0]), data: dir, launched: time.Now()}
	s.Process, err = apache.StartProcess("bare", dir, exec.Command(self, "-serve-bare", s.addr, "-dir", dir))
	return s, err
}

// waitForMetadata returns how long after its exec the server gave its first Metadata answer that names a
// broker.
func (s *server) waitForMetadata() (took time.Duration, err error) {
	err = s.WaitReady(func() error {
		known, err := metadataOf(s.addr)
		took = time.Since(s.launched)
		if err == nil && len(known.Brokers) == 0 {
			err = errors.New("no broker is known yet")
		}
		return err
	})
	return took, err
}

// end stops the server, however it is.
func (s *server) end() { s.Kill() }
