package mixed

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/integration/apache"
)

// kind says whose broker it is.
type kind string

const (
	kafka kind = "Apache Kafka"
	ottla kind = "Ottla"
)

// broker is a broker's place in the cluster: its id, port and directory stay, whoever runs there.
type broker struct {
	c        *cluster
	id       int32
	kind     kind
	dir      string
	addr     string
	settings map[string]string
	process  *apache.Process // nil while it does not run
	frozen   bool
	outputs  []string // the files with what its processes printed
}

// logDir is the broker's only entry of log.dirs, unless its settings name others.
func (b *broker) logDir() string { return filepath.Join(b.dir, "logs") }

// launch runs the program, and waits for nothing.
func (b *broker) launch() error {
	if b.kind == ottla {
		return b.launchOttla()
	}
	_, port, err := net.SplitHostPort(b.addr)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	running, err := b.c.kafka.StartBroker(apache.BrokerOptions{
		ID: b.id, ZooKeeper: b.c.zooKeeper, Dir: b.dir, Port: n, Properties: b.settings, NoWait: true,
		JVM: []string{"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true"},
	})
	if err != nil {
		return err
	}
	b.process = running.Process
	b.printsTo(fmt.Sprintf("broker-%d.out", b.id))
	return nil
}

func (b *broker) launchOttla() error {
	binary, err := ottlaBinary()
	if err != nil {
		return err
	}
	all := map[string]string{"broker.id": fmt.Sprint(b.id), "listeners": "PLAINTEXT://" + b.addr, "log.dirs": b.logDir(), "zookeeper.connect": b.c.zooKeeper}
	maps.Copy(all, b.settings)
	var lines string
	for key, value := range all {
		lines += key + "=" + value + "\n"
	}
	file := filepath.Join(b.dir, "ottla.properties")
	if err := os.WriteFile(file, []byte(lines), 0o644); err != nil {
		return err
	}
	b.process, err = apache.StartProcess(fmt.Sprintf("ottla-%d", b.id), b.dir, exec.Command(binary, file))
	b.printsTo(fmt.Sprintf("ottla-%d.out", b.id))
	return err
}

func (b *broker) printsTo(name string) {
	if file := filepath.Join(b.dir, name); !slices.Contains(b.outputs, file) {
		b.outputs = append(b.outputs, file)
	}
}

// start runs the broker again, after a kill once ZooKeeper has forgotten its last life: a Kafka broker would
// otherwise refuse to start.
func (b *broker) start() {
	b.c.t.Helper()
	b.awaitUnregistered()
	b.c.startAll(b)
}

// startAs starts the broker as the other kind, on the same files.
func (b *broker) startAs(k kind) {
	b.c.t.Helper()
	b.kind = k
	b.start()
}

// stop ends the broker as SIGTERM does, by a controlled shutdown.
func (b *broker) stop() {
	b.c.t.Helper()
	if err := b.process.Stop(); err != nil {
		b.c.t.Errorf("stop broker %d: %v", b.id, err)
	}
	b.process = nil
}

// kill ends the broker as kill -9 does.
func (b *broker) kill() {
	if b.process != nil {
		b.process.Kill()
		b.process = nil
	}
}

// pause freezes the process until resume.
func (b *broker) pause()  { b.signal(syscall.SIGSTOP, true) }
func (b *broker) resume() { b.signal(syscall.SIGCONT, false) }

func (b *broker) signal(s syscall.Signal, frozen bool) {
	b.c.t.Helper()
	b.frozen = frozen
	if err := syscall.Kill(b.process.Pid(), s); err != nil {
		b.c.t.Fatalf("%v to broker %d: %v", s, b.id, err)
	}
}

func (b *broker) awaitUnregistered() {
	b.c.t.Helper()
	b.c.eventually(fmt.Sprintf("ZooKeeper has forgotten broker %d", b.id), func() error {
		if b.c.znodes.exists(fmt.Sprint("/brokers/ids/", b.id)) {
			return errors.New("it is registered")
		}
		return nil
	})
}

// metadata is what this broker itself, and no other, says of the cluster.
func (b *broker) metadata(topics ...string) (*kmsg.MetadataResponse, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := net.DialTimeout("tcp", b.addr, time.Second)
	if err != nil {
		return nil, err // cheaper than finding out through a client with retries
	}
	_ = conn.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.addr), kgo.RequestRetries(0))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	for _, topic := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(topic)
		req.Topics = append(req.Topics, t)
	}
	return req.RequestWith(ctx, client.SeedBrokers()[0])
}

func (b *broker) knowsItself() error { return b.knows([]int32{b.id}) }

// knows reports whether the broker has been told of a controller and of these brokers.
func (b *broker) knows(ids []int32) error {
	answer, err := b.metadata()
	if err != nil {
		return err
	}
	if answer.ControllerID < 0 {
		return fmt.Errorf("broker %d knows of no controller", b.id)
	}
	for _, id := range ids {
		if !slices.ContainsFunc(answer.Brokers, func(known kmsg.MetadataResponseBroker) bool { return known.NodeID == id }) {
			return fmt.Errorf("broker %d does not know of broker %d", b.id, id)
		}
	}
	return nil
}

// output is the end of what the broker printed, in all its lives.
func (b *broker) output() string {
	const most = 12000
	var all strings.Builder
	for _, file := range b.outputs {
		text, err := os.ReadFile(file)
		if err != nil {
			text = []byte(err.Error())
		}
		fmt.Fprintf(&all, "== %s\n%s\n", filepath.Base(file), text[max(0, len(text)-most):])
	}
	return all.String()
}

// keepOutputs copies what the broker printed to where go test -artifacts keeps it.
func (b *broker) keepOutputs() {
	for _, file := range b.outputs {
		text, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(filepath.Join(b.c.t.ArtifactDir(), filepath.Base(file)), text, 0o644)
		}
		if err != nil {
			b.c.t.Error(err)
		}
	}
}
