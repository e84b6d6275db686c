package api

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sys/unix"

	"ottla/zkcoord/cluster"
)

// describeLogDirs tells what lies in each log directory, how large it is, and how much room is left.
func (a *API) describeLogDirs(c *call, req *kmsg.DescribeLogDirsRequest) {
	resp := kmsg.NewPtrDescribeLogDirsResponse()
	wanted := wantedPartitions(req.Topics)
	byDir := map[string][]heldReplica{}
	hold := func(dir string, tp cluster.TopicPartition, size, lag int64, future bool) {
		if wanted == nil || wanted[tp] {
			byDir[dir] = append(byDir[dir], heldReplica{tp, size, lag, future})
		}
	}
	for _, l := range a.LogDirs.Logs() {
		// How far a replica lags is known where it follows: behind the high watermark that it was told.
		hold(l.Dir(), l.TopicPartition(), l.Size(), max(0, l.HighWatermark()-l.LogEndOffset()), false)
	}
	for _, mv := range a.LogDirs.Moves() {
		hold(mv.Destination(), mv.TopicPartition(), mv.Size(), mv.Lag(), true)
	}
	for _, dir := range a.LogDirs.LiveDirs() {
		resp.Dirs = append(resp.Dirs, describedDir(dir, byDir[dir]))
	}
	for _, dir := range a.LogDirs.OfflineDirs() {
		d := kmsg.NewDescribeLogDirsResponseDir()
		d.Dir, d.ErrorCode = absolute(dir), codeKafkaStorageError
		resp.Dirs = append(resp.Dirs, d)
	}
	c.reply(resp)
}

// heldReplica is a log in a directory, or a copy that another one is moved into, and by how many offsets it lags.
type heldReplica struct {
	cluster.TopicPartition
	size, lag int64
	future    bool
}

// wantedPartitions is nil for all.
func wantedPartitions(topics []kmsg.DescribeLogDirsRequestTopic) map[cluster.TopicPartition]bool {
	if topics == nil {
		return nil
	}
	wanted := map[cluster.TopicPartition]bool{}
	for _, t := range topics {
		for _, p := range t.Partitions {
			wanted[cluster.TopicPartition{Topic: t.Topic, Partition: p}] = true
		}
	}
	return wanted
}

func describedDir(dir string, held []heldReplica) kmsg.DescribeLogDirsResponseDir {
	d := kmsg.NewDescribeLogDirsResponseDir()
	d.Dir = absolute(dir)
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		d.ErrorCode = codeKafkaStorageError
		return d
	}
	d.TotalBytes, d.UsableBytes = int64(fs.Blocks)*int64(fs.Bsize), int64(fs.Bavail)*int64(fs.Bsize)
	slices.SortFunc(held, func(a, b heldReplica) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	for _, h := range held {
		if n := len(d.Topics); n == 0 || d.Topics[n-1].Topic != h.Topic {
			t := kmsg.NewDescribeLogDirsResponseDirTopic()
			t.Topic = h.Topic
			d.Topics = append(d.Topics, t)
		}
		t := &d.Topics[len(d.Topics)-1]
		p := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
		p.Partition, p.Size, p.OffsetLag, p.IsFuture = h.Partition, h.size, h.lag, h.future
		t.Partitions = append(t.Partitions, p)
	}
	return d
}

// absolute is a directory as Kafka names it, whatever the file says.
func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}
