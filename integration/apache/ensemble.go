package apache

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Ensemble is several Apache ZooKeeper servers that elect a leader among them. Each can be killed and started
// again on its own; they serve while more than half of them run.
type Ensemble struct {
	// Members by their numbers, from 0. One that was killed stays in the list until it is started again.
	Members      []*ZooKeeper
	installation *Installation
	options      []ZooKeeperOptions
}

// StartEnsemble starts so many servers that end with the test, and waits until each serves. properties are
// added to the configuration of every one.
func StartEnsemble(t testing.TB, members int, properties map[string]string) *Ensemble {
	t.Helper()
	e := &Ensemble{installation: Require(t), Members: make([]*ZooKeeper, members)}
	ports, err := FreePorts(3 * members)
	if err != nil {
		t.Fatal(err)
	}
	everyone := map[string]string{"initLimit": "20", "syncLimit": "10"}
	for n := range members {
		everyone[fmt.Sprint("server.", n+1)] = fmt.Sprintf("127.0.0.1:%d:%d", ports[3*n+1], ports[3*n+2])
	}
	maps.Copy(everyone, properties)
	dir := t.TempDir()
	t.Cleanup(func() { e.end(t) })
	for n := range members {
		o := ZooKeeperOptions{Dir: filepath.Join(dir, fmt.Sprint("zookeeper-", n+1)), Port: ports[3*n], Properties: everyone}
		data := filepath.Join(o.Dir, "data")
		err := errors.Join(os.MkdirAll(data, 0o755), os.WriteFile(filepath.Join(data, "myid"), []byte(strconv.Itoa(n+1)), 0o644))
		if err != nil {
			t.Fatal(err)
		}
		e.options = append(e.options, o)
	}
	for n := range members {
		if err := e.launch(n); err != nil {
			t.Fatalf("Apache ZooKeeper %d: %v", n, err)
		}
	}
	for n, z := range e.Members {
		if err := z.WaitReady(z.serves); err != nil {
			t.Fatalf("Apache ZooKeeper %d: %v", n, err)
		}
	}
	return e
}

func (e *Ensemble) launch(n int) (err error) {
	o := e.options[n]
	e.Members[n], err = e.installation.launchZooKeeper(o, o.Port, "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
	return err
}

// Restart starts a server that was killed, on its data. It waits for nothing: without a quorum it cannot serve.
func (e *Ensemble) Restart(t testing.TB, n int) {
	t.Helper()
	if err := e.launch(n); err != nil {
		t.Fatalf("Apache ZooKeeper %d: %v", n, err)
	}
}

// AwaitServing waits until these servers serve.
func (e *Ensemble) AwaitServing(t testing.TB, members ...int) {
	t.Helper()
	for _, n := range members {
		if err := e.Members[n].WaitReady(e.Members[n].serves); err != nil {
			t.Fatalf("Apache ZooKeeper %d: %v", n, err)
		}
	}
}

// Connect is the ensemble in zookeeper.connect.
func (e *Ensemble) Connect() string {
	var all []string
	for _, z := range e.Members {
		all = append(all, z.Addr)
	}
	return strings.Join(all, ",")
}

// Leader is the number of the server that leads, or -1 while none says so.
func (e *Ensemble) Leader() int {
	for n, z := range e.Members {
		if answer, err := z.Command("srvr"); err == nil && strings.Contains(answer, "Mode: leader") {
			return n
		}
	}
	return -1
}

// ServerOf is the number of the server that a session's client is connected to, or -1 while it is to none.
func (e *Ensemble) ServerOf(session int64) int {
	wanted := regexp.MustCompile(fmt.Sprintf(`sid=0x%x,`, session))
	for n, z := range e.Members {
		if answer, err := z.Command("cons"); err == nil && wanted.MatchString(answer) {
			return n
		}
	}
	return -1
}

// serves asks whether the server is part of a quorum: without one it answers "ruok", but no client.
func (z *ZooKeeper) serves() error {
	answer, err := z.Command("srvr")
	if err == nil && !strings.Contains(answer, "Mode: ") {
		err = fmt.Errorf("srvr is answered %q", answer)
	}
	return err
}

func (e *Ensemble) end(t testing.TB) {
	for _, z := range e.Members {
		if z != nil {
			z.Kill()
			showIfFailed(t, z.Process)
		}
	}
}
