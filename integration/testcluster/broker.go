package testcluster

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"ottla/server"
	"ottla/server/config"
)

// Broker is one broker of a Cluster. Its methods may be called from any goroutine; Restart, like Start, ends
// the test when it fails, and therefore belongs to the test's own.
type Broker struct {
	cluster  *Cluster
	id       int
	settings map[string]string
	disk     *faultyDisk
	// turn orders Stop, Kill and Restart.
	turn sync.Mutex

	mu struct {
		sync.Mutex
		running *server.Broker // nil while it is stopped
		last    *server.Broker // running, or what ran last
		session handshake      // with ZooKeeper
		expired int64          // the broker epoch whose session ExpireSession has ended; 0 without
	}
}

// startPatience bounds a broker's start, and how long a cluster may need until all of it knows all of it.
const startPatience = 60 * time.Second

func (b *Broker) start() error {
	log := b.cluster.options.logger(b.cluster.t, b.String())
	settings, err := config.Parse(b.settings, log)
	if err != nil {
		return err
	}
	links := b.cluster.links
	running := server.New(settings, server.WithLogger(log), server.WithDisk(b.disk),
		server.WithListen(links.listen(b.node())), server.WithDial(links.dial(b.node(), b.hello)))
	ctx, cancel := context.WithTimeout(context.Background(), startPatience)
	defer cancel()
	if err := running.Start(ctx); err != nil {
		return fmt.Errorf("start %s: %w", b, err)
	}
	b.mu.Lock()
	b.mu.running, b.mu.last = running, running
	b.mu.Unlock()
	b.keepPorts(settings, running)
	return nil
}

// keepPorts has the next start listen where this one does, so that clients find the broker again.
func (b *Broker) keepPorts(c *config.Config, running *server.Broker) {
	var bound []string
	for _, l := range c.Listeners {
		bound = append(bound, l.Name+"://"+running.Addr(l.Name))
	}
	b.settings["listeners"] = strings.Join(bound, ",")
}

func (b *Broker) hello(h handshake) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.session = h
}

// String is how the broker is called in logs.
func (b *Broker) String() string { return "broker " + strconv.Itoa(b.id) }

// ID is broker.id: 1 for the first.
func (b *Broker) ID() int { return b.id }

func (b *Broker) node() node { return node(b.id) }

// Running tells whether the broker runs: it was neither stopped nor killed, or was started again.
func (b *Broker) Running() bool { return b.broker() != nil }

// broker is nil while it is stopped.
func (b *Broker) broker() *server.Broker {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.running
}

// Addr is where the first of the broker's listeners is reached, host:port. It stays the same over a restart.
func (b *Broker) Addr() string {
	first, _, _ := strings.Cut(b.settings["listeners"], ",")
	name, _, _ := strings.Cut(first, "://")
	return b.ListenerAddr(name)
}

// ListenerAddr is where the listener of this name is reached, host:port, or empty if there is none.
func (b *Broker) ListenerAddr(name string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.last == nil {
		return ""
	}
	return b.mu.last.Addr(name)
}

// LogDir is the broker's log.dirs; one directory, unless a setting says otherwise.
func (b *Broker) LogDir() string { return b.settings["log.dirs"] }

// Stop closes the broker as SIGTERM would: leadership handed over, logs flushed and marked clean. A paused
// broker is resumed first, as a stopped process ends only when it is continued.
func (b *Broker) Stop() {
	b.cluster.t.Helper()
	b.turn.Lock()
	defer b.turn.Unlock()
	if err := b.stop(); err != nil {
		b.cluster.t.Errorf("testcluster: stop %s: %v", b, err)
	}
}

func (b *Broker) stop() error {
	running := b.broker()
	if running == nil {
		return nil
	}
	b.cluster.links.resume(b.node())
	err := running.Close()
	b.gone()
	return err
}

// Kill ends the broker as kill -9 would: nothing is flushed, no session is closed, no file is written. Others
// learn of it when its session with ZooKeeper is over (WithSessionTimeout).
func (b *Broker) Kill() {
	b.turn.Lock()
	defer b.turn.Unlock()
	b.kill()
}

func (b *Broker) kill() {
	running := b.broker()
	if running == nil {
		return
	}
	running.Kill()
	b.gone()
	b.cluster.links.resume(b.node()) // who is dead is not frozen
}

func (b *Broker) gone() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.running = nil
}

// Restart starts the broker on the same ports and directories, after Stop or Kill; a broker that runs is
// stopped first. When it returns the broker serves; AwaitReady waits until the others know of it.
func (b *Broker) Restart() {
	b.cluster.t.Helper()
	b.turn.Lock()
	defer b.turn.Unlock()
	err := b.stop()
	if err == nil {
		err = b.start()
	}
	if err != nil {
		b.cluster.t.Fatalf("testcluster: restart %s: %v", b, err)
	}
}
