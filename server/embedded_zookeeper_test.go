package server

import (
	"path/filepath"
	"strings"
	"testing"
)

// What a first try meets on a machine on which a ZooKeeper runs already.
func TestAnEmbeddedZooKeeperThatCannotStartNamesItsSettings(t *testing.T) {
	there := startZooKeeper(t)
	dir := t.TempDir()
	b := newBroker(t, there, map[string]string{
		"zookeeper.connect": "embedded", "embedded.zookeeper.address": there.Addr(), "log.dirs": filepath.Join(dir, "logs"),
	})
	err := b.Start(t.Context())
	for _, want := range []string{"embedded.zookeeper.address=" + there.Addr(), "embedded.zookeeper.data.dir=" + filepath.Join(dir, "zookeeper"), "in use"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
