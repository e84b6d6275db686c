package config

import (
	"testing"

	"github.com/sirupsen/logrus/hooks/test"
)

func TestTheShippedFile(t *testing.T) {
	log, hook := test.NewNullLogger()
	c, err := Load("../../server.properties", nil, log)
	if err != nil {
		t.Fatal(err)
	}
	if e := hook.LastEntry(); e != nil {
		t.Errorf("it warns: %s", e.Message)
	}
	if !c.ZooKeeperEmbedded() || c.EmbeddedZooKeeperDataDir != "data/zookeeper" || c.LogDirs[0] != "data/logs" {
		t.Errorf("ZooKeeper %s in %s, logs in %v", c.ZooKeeperConnect, c.EmbeddedZooKeeperDataDir, c.LogDirs)
	}
}
