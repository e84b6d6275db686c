package apache

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Broker is an Apache Kafka 3.9.1 broker.
type Broker struct {
	*Process
	ID      int32
	Addr    string // host:port of its PLAINTEXT listener
	LogDir  string // its only entry of log.dirs
	Started time.Time
}

// BrokerOptions says how to start a broker. What is zero has its default.
type BrokerOptions struct {
	ID        int32
	ZooKeeper string // host:port, with or without chroot
	Dir       string // for configuration and data; a second start with the same finds its data again
	Port      int    // 0 for a free one
	// Properties are added to server.properties or replace what a test broker has there: internal topics
	// with one replica, no initial delay of a group's rebalance.
	Properties map[string]string
	JVM        []string // flags of the virtual machine; a small heap by default
	// NoWait returns as soon as the process runs, for whoever wants to watch it start.
	NoWait bool
}

// StartBroker starts a broker and waits until it serves.
func (i *Installation) StartBroker(o BrokerOptions) (*Broker, error) {
	if len(o.JVM) == 0 {
		o.JVM = []string{"-Xmx512m", "-XX:+UseG1GC", "-Djava.awt.headless=true"}
	}
	return withFreePort(o.Port, func(port int) (*Broker, error) {
		b := &Broker{ID: o.ID, Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), LogDir: filepath.Join(o.Dir, "logs")}
		config := filepath.Join(o.Dir, "server.properties")
		err := writeProperties(config, map[string]string{
			"broker.id":                        fmt.Sprint(o.ID),
			"listeners":                        "PLAINTEXT://" + b.Addr,
			"log.dirs":                         b.LogDir,
			"zookeeper.connect":                o.ZooKeeper,
			"num.partitions":                   "1",
			"offsets.topic.replication.factor": "1",
			"transaction.state.log.replication.factor": "1",
			"transaction.state.log.min.isr":            "1",
			"group.initial.rebalance.delay.ms":         "0",
		}, o.Properties)
		if err != nil {
			return nil, err
		}
		cmd, err := i.command(o.Dir, "INFO", o.JVM, "kafka.Kafka", config)
		if err != nil {
			return nil, err
		}
		b.Started = time.Now()
		if b.Process, err = StartProcess(fmt.Sprintf("broker-%d", o.ID), o.Dir, cmd); err != nil || o.NoWait {
			return b, err
		}
		return b, b.WaitReady(b.ready)
	})
}

// ready asks for Metadata and looks for the broker itself and a controller in it: only then has the
// controller told it of the cluster.
func (b *Broker) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	conn, err := net.DialTimeout("tcp", b.Addr, time.Second)
	if err != nil {
		return err // cheaper than finding out through a client with retries
	}
	_ = conn.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr), kgo.RequestRetries(0))
	if err != nil {
		return err
	}
	defer client.Close()
	answer, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, client)
	if err != nil {
		return err
	}
	if answer.ControllerID < 0 {
		return errors.New("there is no controller yet")
	}
	for _, known := range answer.Brokers {
		if known.NodeID == b.ID {
			return nil
		}
	}
	return fmt.Errorf("broker %d does not know itself yet", b.ID)
}
