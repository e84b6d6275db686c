package logdir

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ottla/logdir/disk"
	"ottla/zkcoord/cluster"
)

// Meta is what meta.properties says of a log directory: whose it is.
type Meta struct {
	Dir       string
	BrokerID  cluster.BrokerID
	ClusterID string
	// OK is false for a directory that has no meta.properties yet.
	OK bool
}

// ErrMeta says that a directory belongs to another broker or cluster, or does not say to whom.
var ErrMeta = errors.New("log directory of another broker or cluster")

// ReadMeta reads meta.properties of each directory, before the broker knows its own id and cluster. One
// that cannot be read is an error; one that is missing is not.
func ReadMeta(fsys disk.FS, dirs []string) ([]Meta, error) {
	out := make([]Meta, 0, len(dirs))
	for _, dir := range dirs {
		m, err := readMeta(fsys, dir)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

func readMeta(fsys disk.FS, dir string) (Meta, error) {
	m := Meta{Dir: dir, BrokerID: cluster.NoBroker}
	name := filepath.Join(dir, metaFile)
	b, err := fsys.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	properties := parseProperties(b)
	id, err := strconv.ParseInt(properties["broker.id"], 10, 32)
	if err != nil {
		return m, fmt.Errorf("%s: broker.id %q: %w", name, properties["broker.id"], ErrMeta)
	}
	if v := properties["version"]; v != "0" {
		return m, fmt.Errorf("%s: version %q, want 0 (the ZooKeeper mode): %w", name, v, ErrMeta)
	}
	m.BrokerID, m.ClusterID, m.OK = cluster.BrokerID(id), properties["cluster.id"], true
	return m, nil
}

// parseProperties reads as much of Java's format as meta.properties uses: comments, key=value, and
// backslashes before what would otherwise mean something.
func parseProperties(b []byte) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		out[strings.TrimSpace(key)] = strings.ReplaceAll(strings.TrimSpace(value), `\`, "")
	}
	return out
}

func writeMeta(fsys disk.FS, m Meta) error {
	b := fmt.Appendf(nil, "#\n#%s\nbroker.id=%d\nversion=0\ncluster.id=%s\n",
		time.Now().Format("Mon Jan 02 15:04:05 MST 2006"), m.BrokerID, m.ClusterID)
	return writeFile(fsys, filepath.Join(m.Dir, metaFile), b, true)
}

// claimMeta checks that the directory is ours, or makes it so.
func claimMeta(fsys disk.FS, dir string, id cluster.BrokerID, clusterID string) error {
	m, err := readMeta(fsys, dir)
	if err != nil {
		return err
	}
	if !m.OK {
		return writeMeta(fsys, Meta{Dir: dir, BrokerID: id, ClusterID: clusterID})
	}
	if m.BrokerID != id {
		return fmt.Errorf("%s says broker.id=%d, this broker is %d: %w", filepath.Join(dir, metaFile), m.BrokerID, id, ErrMeta)
	}
	if m.ClusterID != clusterID {
		return fmt.Errorf("%s says cluster.id=%s, this cluster is %s: %w", filepath.Join(dir, metaFile), m.ClusterID, clusterID, ErrMeta)
	}
	return nil
}

func encodePartitionMeta(id cluster.TopicID) []byte {
	return fmt.Appendf(nil, "version: 0\ntopic_id: %s", id)
}

// parsePartitionMeta reads partition.metadata.
func parsePartitionMeta(b []byte) (cluster.TopicID, error) {
	var id cluster.TopicID
	version, found := "", ""
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch strings.TrimSpace(key) {
		case "version":
			version = strings.TrimSpace(value)
		case "topic_id":
			found = strings.TrimSpace(value)
		}
	}
	if version != "0" {
		return id, fmt.Errorf("%s: version %q: %w", partitionMetaFile, version, ErrCorruptCheckpoint)
	}
	id, err := cluster.ParseTopicID(found)
	if err != nil {
		return id, fmt.Errorf("%s: %w: %w", partitionMetaFile, ErrCorruptCheckpoint, err)
	}
	return id, nil
}
