package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"ottla/logdir"
	"ottla/logdir/disk"
	"ottla/server/config"
	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// knownIdentity is what meta.properties of the log directories say this broker is.
type knownIdentity struct {
	broker    cluster.BrokerID // NoBroker when no directory says
	clusterID string           // "" when no directory says
	dir       string           // the directory that says so
}

// readIdentity reads meta.properties before anything is touched: directories of two brokers or two
// clusters mean that somebody mixed up disks, and nobody but an operator can put that right.
func readIdentity(fs disk.FS, dirs []string) (knownIdentity, error) {
	known := knownIdentity{broker: cluster.NoBroker}
	metas, err := logdir.ReadMeta(fs, dirs)
	if err != nil {
		return known, err
	}
	for _, m := range metas {
		if !m.OK {
			continue
		}
		if known.dir == "" {
			known = knownIdentity{m.BrokerID, m.ClusterID, m.Dir}
			continue
		}
		if m.BrokerID != known.broker {
			return known, fmt.Errorf("log.dirs: %s belongs to broker %d, %s to broker %d: one broker's directories only", known.dir, known.broker, m.Dir, m.BrokerID)
		}
		if m.ClusterID != known.clusterID {
			return known, fmt.Errorf("log.dirs: %s belongs to cluster %s, %s to cluster %s: one cluster's directories only", known.dir, known.clusterID, m.Dir, m.ClusterID)
		}
	}
	return known, nil
}

// brokerID is broker.id, or the one that the directories remember, or one made through /brokers/seqid.
func brokerID(ctx context.Context, c *config.Config, known knownIdentity, zk *zkcoord.Client) (cluster.BrokerID, error) {
	configured := cluster.BrokerID(c.BrokerID)
	switch {
	case configured >= 0 && known.broker != cluster.NoBroker && known.broker != configured:
		return 0, fmt.Errorf("broker.id=%d: meta.properties in %s says that these are the logs of broker %d; set broker.id=%d, or log.dirs to the directories of broker %d",
			configured, known.dir, known.broker, known.broker, configured)
	case configured >= 0:
		return configured, nil
	case known.broker != cluster.NoBroker:
		return known.broker, nil
	}
	return zk.NextBrokerID(ctx, c.ReservedMaxID)
}

// checkCluster refuses logs of another cluster: they would be served under names they do not belong to.
func checkCluster(known knownIdentity, clusterID string, c *config.Config) error {
	if known.clusterID == "" || known.clusterID == clusterID {
		return nil
	}
	return fmt.Errorf("cluster id: meta.properties in %s says %s, /cluster/id in ZooKeeper at %s says %s; correct zookeeper.connect or log.dirs, "+
		"and only if the logs may be lost begin with empty directories", known.dir, known.clusterID, c.ZooKeeperConnect, clusterID)
}

// sessionFile remembers the ZooKeeper session that this directory's broker registered under, so that after
// a crash it recognises its own registration. Apache Kafka takes no notice of it.
const sessionFile = "zookeeper-session"

func readSession(dir string) int64 {
	text, err := os.ReadFile(filepath.Join(dir, sessionFile))
	if err != nil {
		return 0
	}
	id, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0 // the registration then has to expire
	}
	return id
}

func writeSession(dir string, id int64) error {
	file := filepath.Join(dir, sessionFile)
	text := strconv.FormatInt(id, 10) + "\n"
	return errors.Join(os.WriteFile(file+".tmp", []byte(text), 0o644), os.Rename(file+".tmp", file))
}
