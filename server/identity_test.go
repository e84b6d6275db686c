package server

import (
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"ottla/server/config"
	"ottla/zkcoord/zkserver"
)

func quietLog() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

func startZooKeeper(t *testing.T) *zkserver.Server {
	t.Helper()
	zk, err := zkserver.Start(zkserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = zk.Close() })
	return zk
}

// newBroker is a broker on a free port that has not started yet.
func newBroker(t *testing.T, zk *zkserver.Server, settings map[string]string) *Broker {
	t.Helper()
	all := map[string]string{"listeners": "PLAINTEXT://127.0.0.1:0", "zookeeper.connect": zk.Addr()}
	maps.Copy(all, settings)
	c, err := config.Parse(all, quietLog())
	if err != nil {
		t.Fatal(err)
	}
	return New(c, WithLogger(quietLog()))
}

func mustStart(t *testing.T, b *Broker) {
	t.Helper()
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
}

func TestABrokerRefusesDirectoriesThatAreNotItsOwn(t *testing.T) {
	zk := startZooKeeper(t)
	dirs := t.TempDir()
	first, second := filepath.Join(dirs, "first"), filepath.Join(dirs, "second")
	for id, dir := range map[string]string{"1": first, "2": second} {
		b := newBroker(t, zk, map[string]string{"broker.id": id, "log.dirs": dir})
		mustStart(t, b)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	other := startZooKeeper(t)
	for name, tc := range map[string]struct {
		zk       *zkserver.Server
		settings map[string]string
		says     []string
	}{
		"another broker's": {zk, map[string]string{"broker.id": "2", "log.dirs": first},
			[]string{"broker.id=2", first, "broker 1", "set broker.id=1"}},
		"two brokers'": {zk, map[string]string{"broker.id": "1", "log.dirs": first + "," + second},
			[]string{first + " belongs to broker 1", second + " to broker 2"}},
		"another cluster's": {other, map[string]string{"broker.id": "1", "log.dirs": first},
			[]string{"cluster id", first, other.Addr(), "correct zookeeper.connect or log.dirs"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBroker(t, tc.zk, tc.settings)
			err := b.Start(t.Context())
			if err == nil {
				_ = b.Close()
				t.Fatal("it started")
			}
			for _, want := range tc.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q: %v", want, err)
				}
			}
		})
	}
}

func TestAGeneratedBrokerIDIsKept(t *testing.T) {
	zk := startZooKeeper(t)
	dir := t.TempDir()
	settings := map[string]string{"broker.id": "-1", "log.dirs": dir}
	b := newBroker(t, zk, settings)
	mustStart(t, b)
	id := b.ID()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	again := newBroker(t, zk, settings)
	mustStart(t, again)
	another := newBroker(t, zk, map[string]string{"broker.id": "-1", "log.dirs": t.TempDir()})
	mustStart(t, another)
	if id <= 1000 || again.ID() != id || another.ID() == id {
		t.Errorf("ids %v, then %v, and %v for another: want one above reserved.broker.max.id that stays", id, again.ID(), another.ID())
	}
}

// A killed broker's registration stays in ZooKeeper until its session expires. Its directory remembers the
// session, so the next start replaces it at once instead of waiting.
func TestAKilledBrokerDoesNotWaitForItsOwnSession(t *testing.T) {
	zk := startZooKeeper(t)
	settings := map[string]string{"broker.id": "1", "log.dirs": t.TempDir(), "zookeeper.session.timeout.ms": "40000"}
	b := newBroker(t, zk, settings)
	mustStart(t, b)
	epoch := b.epoch.Load()
	b.Kill()
	began := time.Now()
	again := newBroker(t, zk, settings)
	mustStart(t, again)
	if waited := time.Since(began); waited > 30*time.Second {
		t.Errorf("it took %v: it has waited for its own session to expire", waited)
	}
	if again.epoch.Load() <= epoch {
		t.Errorf("epoch %d after %d: it must rise", again.epoch.Load(), epoch)
	}
}

func TestABadStartLeavesNothingOpen(t *testing.T) {
	zk := startZooKeeper(t)
	dir := t.TempDir()
	first := newBroker(t, zk, map[string]string{"broker.id": "1", "log.dirs": dir})
	mustStart(t, first)
	// The directory is locked by the first; what the second had opened until then is closed again.
	second := newBroker(t, zk, map[string]string{"broker.id": "1", "log.dirs": dir})
	if err := second.Start(t.Context()); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("two brokers in one directory: %v", err)
	}
	if got := len(zk.Sessions()); got != 1 {
		t.Errorf("%d sessions are open, want that of the first broker only", got)
	}
}

func TestTheSessionFileIsRead(t *testing.T) {
	dir := t.TempDir()
	if got := readSession(dir); got != 0 {
		t.Errorf("without a file: %d", got)
	}
	if err := writeSession(dir, -7); err != nil || readSession(dir) != -7 {
		t.Errorf("read back %d, %v", readSession(dir), err)
	}
	if err := os.WriteFile(filepath.Join(dir, sessionFile), []byte("garbage"), 0o644); err != nil || readSession(dir) != 0 {
		t.Errorf("garbage is read as %d, %v", readSession(dir), err)
	}
}
