package apache

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"
)

// ZooKeeper is a standalone Apache ZooKeeper 3.8.4 server.
type ZooKeeper struct {
	*Process
	Addr string // host:port, for zookeeper.connect
}

// ZooKeeperOptions says how to start a ZooKeeper. What is zero has its default.
type ZooKeeperOptions struct {
	Dir        string            // for configuration and data; a second start with the same finds its data again
	Port       int               // 0 for a free one
	Properties map[string]string // more lines of its configuration
}

// StartZooKeeper starts a ZooKeeper and waits until it serves.
func (i *Installation) StartZooKeeper(o ZooKeeperOptions) (*ZooKeeper, error) {
	return withFreePort(o.Port, func(port int) (*ZooKeeper, error) {
		z, err := i.launchZooKeeper(o, port, "-Xmx256m")
		if err != nil {
			return nil, err
		}
		return z, z.WaitReady(z.ready)
	})
}

// launchZooKeeper runs a server, and waits for nothing.
func (i *Installation) launchZooKeeper(o ZooKeeperOptions, port int, jvm ...string) (*ZooKeeper, error) {
	settings := map[string]string{
		"tickTime": "2000", "dataDir": filepath.Join(o.Dir, "data"),
		"clientPort": fmt.Sprint(port), "clientPortAddress": "127.0.0.1",
		"admin.enableServer": "false", "maxClientCnxns": "0", "4lw.commands.whitelist": "*",
	}
	config := filepath.Join(o.Dir, "zookeeper.properties")
	if err := writeProperties(config, settings, o.Properties); err != nil {
		return nil, err
	}
	cmd, err := i.command(o.Dir, "INFO", jvm, "org.apache.zookeeper.server.quorum.QuorumPeerMain", config)
	if err != nil {
		return nil, err
	}
	p, err := StartProcess("zookeeper", o.Dir, cmd)
	if err != nil {
		return nil, err
	}
	return &ZooKeeper{p, fmt.Sprintf("127.0.0.1:%d", port)}, nil
}

// ready asks for "ruok": right after its port has opened a server serves nobody yet.
func (z *ZooKeeper) ready() error {
	answer, err := z.Command("ruok")
	if err == nil && answer != "imok" {
		err = fmt.Errorf("ruok is answered %q", answer)
	}
	return err
}

// Command sends a four-letter command, as "srvr" or "wchs", and returns the answer.
func (z *ZooKeeper) Command(command string) (string, error) {
	conn, err := net.DialTimeout("tcp", z.Addr, time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(conn, command); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(conn)
	return string(answer), err
}

// withFreePort calls start with a port, a free one if none is given. Between finding it and listening on it
// another process may take it, so that a start which fails is tried again with another port.
func withFreePort[T any](port int, start func(port int) (T, error)) (T, error) {
	if port != 0 {
		return start(port)
	}
	for attempt := 1; ; attempt++ {
		ports, err := FreePorts(1)
		if err != nil {
			var none T
			return none, err
		}
		server, err := start(ports[0])
		if err == nil || attempt == 3 || !errors.Is(err, errEnded) {
			return server, err
		}
	}
}

// writeProperties writes settings, those of more above those of the first map.
func writeProperties(file string, settings, more map[string]string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	lines := []byte{}
	for key, value := range settings {
		if _, ok := more[key]; !ok {
			lines = fmt.Appendf(lines, "%s=%s\n", key, value)
		}
	}
	for key, value := range more {
		lines = fmt.Appendf(lines, "%s=%s\n", key, value)
	}
	return os.WriteFile(file, lines, 0o644)
}
