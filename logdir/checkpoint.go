package logdir

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ottla/logdir/disk"
	"ottla/zkcoord/cluster"
)

// Checkpoint files of a log directory and of a partition's.
const (
	recoveryPointFile    = "recovery-point-offset-checkpoint"
	logStartFile         = "log-start-offset-checkpoint"
	highWatermarkFile    = "replication-offset-checkpoint"
	cleanerFile          = "cleaner-offset-checkpoint"
	leaderEpochFile      = "leader-epoch-checkpoint"
	partitionMetaFile    = "partition.metadata"
	cleanShutdownFile    = ".kafka_cleanshutdown"
	lockFile             = ".lock"
	metaFile             = "meta.properties"
	cleanShutdownContent = `{"version":0,"brokerEpoch":-1}`
)

// ErrCorruptCheckpoint says that a checkpoint file cannot be believed.
var ErrCorruptCheckpoint = errors.New("corrupt checkpoint")

// writeFile replaces a small file as a whole: a crash leaves the old one or the new one. With sync it
// is durable when writeFile returns.
func writeFile(fsys disk.FS, name string, content []byte, sync bool) error {
	tmp := name + suffixTmp
	f, err := fsys.Create(tmp)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	if err == nil && sync {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", tmp, err)
	}
	if err := fsys.Rename(tmp, name); err != nil {
		return err
	}
	if sync {
		return fsys.SyncDir(filepath.Dir(name))
	}
	return nil
}

// checkpointLines checks version and count of a checkpoint's text and returns the lines after them.
func checkpointLines(b []byte) ([]string, error) {
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	if len(lines) < 2 || lines[0] != "0" {
		return nil, fmt.Errorf("begins with %q, want version 0 and a count: %w", lines[0], ErrCorruptCheckpoint)
	}
	n, err := strconv.Atoi(lines[1])
	if err != nil || n != len(lines)-2 {
		return nil, fmt.Errorf("announces %q entries and has %d: %w", lines[1], len(lines)-2, ErrCorruptCheckpoint)
	}
	return lines[2:], nil
}

func encodeOffsets(offsets map[cluster.TopicPartition]int64) []byte {
	keys := make([]cluster.TopicPartition, 0, len(offsets))
	for tp := range offsets {
		keys = append(keys, tp)
	}
	slices.SortFunc(keys, compareTopicPartitions)
	b := fmt.Appendf(nil, "0\n%d\n", len(keys))
	for _, tp := range keys {
		b = fmt.Appendf(b, "%s %d %d\n", tp.Topic, tp.Partition, offsets[tp])
	}
	return b
}

func compareTopicPartitions(a, b cluster.TopicPartition) int {
	if c := strings.Compare(a.Topic, b.Topic); c != 0 {
		return c
	}
	return int(a.Partition) - int(b.Partition)
}

func parseOffsets(b []byte) (map[cluster.TopicPartition]int64, error) {
	lines, err := checkpointLines(b)
	if err != nil {
		return nil, err
	}
	out := make(map[cluster.TopicPartition]int64, len(lines))
	for _, line := range lines {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			return nil, fmt.Errorf("line %q: %w", line, ErrCorruptCheckpoint)
		}
		partition, err := strconv.ParseInt(fields[1], 10, 32)
		offset, err2 := strconv.ParseInt(fields[2], 10, 64)
		if err != nil || err2 != nil || partition < 0 {
			return nil, fmt.Errorf("line %q: %w", line, ErrCorruptCheckpoint)
		}
		out[cluster.TopicPartition{Topic: fields[0], Partition: int32(partition)}] = offset
	}
	return out, nil
}

// readOffsets reads a checkpoint file; one that is missing is empty.
func readOffsets(fsys disk.FS, name string) (map[cluster.TopicPartition]int64, error) {
	b, err := fsys.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return map[cluster.TopicPartition]int64{}, nil
	}
	if err != nil {
		return nil, err
	}
	offsets, err := parseOffsets(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return offsets, nil
}
