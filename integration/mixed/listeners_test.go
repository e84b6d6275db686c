package mixed

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/integration/apache"
)

// Each broker has a listener for clients, one for brokers and one for the controller. Brokers of both kinds keep them apart,
// whoever is the controller, and tell each client of the listener that it came by.
func TestListenersAreKeptApart(t *testing.T) {
	t.Parallel()
	c := prepare(t, map[string]string{
		"listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,BROKERS:PLAINTEXT,CONTROL:PLAINTEXT",
		"inter.broker.listener.name":     "BROKERS", "control.plane.listener.name": "CONTROL",
	}, kafka, ottla)
	toBrokers, toControl := make(map[int32]*tap, 2), make(map[int32]*tap, 2)
	for _, b := range c.brokers {
		brokers, control := apache.FreeAddress(t), apache.FreeAddress(t)
		toBrokers[b.id], toControl[b.id] = startTap(t, brokers), startTap(t, control)
		b.settings["listeners"] = fmt.Sprintf("PLAINTEXT://%s,BROKERS://%s,CONTROL://%s", b.addr, brokers, control)
		b.settings["advertised.listeners"] = fmt.Sprintf("PLAINTEXT://%s,BROKERS://%s,CONTROL://%s", b.addr, toBrokers[b.id].addr, toControl[b.id].addr)
	}
	c.begin()
	for _, controller := range []int32{1, 2} {
		leader := 3 - controller
		c.run(fmt.Sprintf("under the controller of %s, led by %s", c.broker(controller).kind, c.broker(leader).kind), func(t *testing.T) {
			c.moveController(controller)
			c.awaitController(controller)
			topic := fmt.Sprint("orders-", controller)
			c.createTopic(topic, replicas(leader))
			c.move(topic, 0, leader, controller) // the leader asks the controller for the larger ISR
			c.produce(c.broker(1), topic, 1, 100)
			c.compareReplicas(topic, 1)
			c.move(topic, 0, controller) // and nobody else, so that the other one's replica is stopped
		})
	}
	c.run("clients", func(t *testing.T) {
		advertised := map[string]map[int32]string{"PLAINTEXT": {}, "BROKERS": {}, "CONTROL": {}}
		for _, b := range c.brokers {
			advertised["PLAINTEXT"][b.id], advertised["BROKERS"][b.id], advertised["CONTROL"][b.id] = b.addr, toBrokers[b.id].addr, toControl[b.id].addr
		}
		for listener, addrs := range advertised {
			for id, addr := range addrs {
				if got := brokersToldAt(t, addr); !maps.Equal(got, addrs) {
					t.Errorf("%s tells who comes by %s of %v, want %v", c.broker(id).kind, listener, got, addrs)
				}
			}
		}
	})
	const fetch, leaderAndISR, stopReplica, updateMetadata, alterPartition = 1, 4, 5, 6, 56
	for _, b := range c.brokers {
		// What it was asked as the controller, or by the controller, came by one way, all else of brokers by the other.
		control := []int16{leaderAndISR, stopReplica, updateMetadata, alterPartition}
		c.eventually(fmt.Sprintf("broker %d (%s) is asked %v by CONTROL", b.id, b.kind, control), func() error {
			if asked := toControl[b.id].keys(slices.Concat(control, []int16{fetch})...); !slices.Equal(asked, control) {
				return fmt.Errorf("it was asked %v", asked)
			}
			return nil
		})
		if asked := toBrokers[b.id].keys(fetch, leaderAndISR, stopReplica, updateMetadata, alterPartition); !slices.Equal(asked, []int16{fetch}) {
			t.Errorf("broker %d (%s) was asked %v by BROKERS", b.id, b.kind, asked)
		}
	}
	for _, way := range []map[int32]*tap{toControl, toBrokers} {
		for _, key := range []int16{fetch, leaderAndISR, stopReplica, updateMetadata, alterPartition} {
			if ofOttla, ofKafka := way[1].versions(key), way[2].versions(key); !slices.Equal(ofOttla, ofKafka) {
				t.Errorf("%s: Ottla sends versions %v, Kafka %v", kmsg.NameForKey(key), ofOttla, ofKafka)
			}
		}
	}
}

// brokersToldAt is the addresses that a broker tells those who come by some address of its.
func brokersToldAt(t *testing.T, addr string) map[int32]string {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	answer, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, client.SeedBrokers()[0])
	if err != nil {
		t.Fatal(err)
	}
	told := make(map[int32]string)
	for _, b := range answer.Brokers {
		told[b.NodeID] = net.JoinHostPort(b.Host, fmt.Sprint(b.Port))
	}
	return told
}

// tap stands before a listener and notes which requests go to it. It owns goroutines until the end of the test.
type tap struct {
	addr, to string
	wg       sync.WaitGroup
	mu       sync.Mutex
	seen     map[int16]map[int16]bool // versions by API key
	conns    map[net.Conn]bool
	closed   bool
}

func startTap(t *testing.T, to string) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{addr: l.Addr().String(), to: to, seen: make(map[int16]map[int16]bool), conns: make(map[net.Conn]bool)}
	p.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.pass(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		p.closed = true
		for conn := range p.conns {
			_ = conn.Close()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

// keys are those of the given API keys that were seen, in the given order.
func (p *tap) keys(of ...int16) []int16 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(of, func(key int16) bool { return len(p.seen[key]) == 0 })
}

// versions are those in which requests of a kind were seen.
func (p *tap) versions(key int16) []int16 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.seen[key]))
}

// hold has a connection closed at the end, or at once.
func (p *tap) hold(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns[conn] = true; p.closed {
		_ = conn.Close()
	}
}

func (p *tap) pass(from net.Conn) {
	defer from.Close()
	p.hold(from)
	to, err := net.DialTimeout("tcp", p.to, time.Second)
	if err != nil {
		return
	}
	defer to.Close()
	p.hold(to)
	p.wg.Go(func() {
		_, _ = io.Copy(from, to)
		_ = from.Close()
	})
	_ = p.requests(from, to)
}

// requests hands frames on, and notes their API keys.
func (p *tap) requests(from io.Reader, to io.Writer) error {
	for {
		var head [8]byte
		if _, err := io.ReadFull(from, head[:]); err != nil {
			return err
		}
		size := int64(binary.BigEndian.Uint32(head[:4]))
		key, version := int16(binary.BigEndian.Uint16(head[4:])), int16(binary.BigEndian.Uint16(head[6:]))
		p.mu.Lock()
		if p.seen[key] == nil {
			p.seen[key] = make(map[int16]bool)
		}
		p.seen[key][version] = true
		p.mu.Unlock()
		if _, err := to.Write(head[:]); err != nil {
			return err
		}
		if n, err := io.CopyN(to, from, size-4); err != nil || n < size-4 {
			return errors.Join(err, io.ErrUnexpectedEOF)
		}
	}
}
