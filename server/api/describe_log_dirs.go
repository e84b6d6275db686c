package api

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sys/unix"

	"ottla/logdir"
	"ottla/zkcoord/cluster"
)

// describeLogDirs tells what lies in each log directory, how large it is, and how much room is left.
func (a *API) describeLogDirs(c *call, req *kmsg.DescribeLogDirsRequest) {
	resp := kmsg.NewPtrDescribeLogDirsResponse()
	wanted := wantedPartitions(req.Topics)
	byDir := map[string][]*logdir.Log{}
	for _, l := range a.LogDirs.Logs() {
		if wanted == nil || wanted[l.TopicPartition()] {
			byDir[l.Dir()] = append(byDir[l.Dir()], l)
		}
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

func describedDir(dir string, logs []*logdir.Log) kmsg.DescribeLogDirsResponseDir {
	d := kmsg.NewDescribeLogDirsResponseDir()
	d.Dir = absolute(dir)
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		d.ErrorCode = codeKafkaStorageError
		return d
	}
	d.TotalBytes, d.UsableBytes = int64(fs.Blocks)*int64(fs.Bsize), int64(fs.Bavail)*int64(fs.Bsize)
	slices.SortFunc(logs, func(a, b *logdir.Log) int {
		x, y := a.TopicPartition(), b.TopicPartition()
		if c := strings.Compare(x.Topic, y.Topic); c != 0 {
			return c
		}
		return int(x.Partition) - int(y.Partition)
	})
	for _, l := range logs {
		tp := l.TopicPartition()
		if n := len(d.Topics); n == 0 || d.Topics[n-1].Topic != tp.Topic {
			t := kmsg.NewDescribeLogDirsResponseDirTopic()
			t.Topic = tp.Topic
			d.Topics = append(d.Topics, t)
		}
		t := &d.Topics[len(d.Topics)-1]
		p := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
		// How far a replica lags is known where it follows: behind the high watermark that it was told.
		p.Partition, p.Size, p.OffsetLag = tp.Partition, l.Size(), max(0, l.HighWatermark()-l.LogEndOffset())
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
