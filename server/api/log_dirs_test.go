package api

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

func TestAlterReplicaLogDirs(t *testing.T) {
	r := newRig(t)
	r.create("orders", 1)
	r.create("bills", 1)
	c := r.dial()
	produced(t, c, "orders", records(t, 3, 10))
	orders := cluster.TopicPartition{Topic: "orders"}
	l, _ := r.logs.Log(orders)
	from, to := r.logs.LiveDirs()[0], r.logs.LiveDirs()[1]
	if l.Dir() != from {
		from, to = to, from
	}
	wish := func(dir string, topics ...string) kmsg.AlterReplicaLogDirsRequestDir {
		d := kmsg.AlterReplicaLogDirsRequestDir{Dir: dir}
		for _, topic := range topics {
			d.Topics = append(d.Topics, kmsg.AlterReplicaLogDirsRequestDirTopic{Topic: topic, Partitions: []int32{0}})
		}
		return d
	}
	described := func() kmsg.DescribeLogDirsResponseDirTopicPartition {
		t.Helper()
		req := &kmsg.DescribeLogDirsRequest{Topics: []kmsg.DescribeLogDirsRequestTopic{{Topic: "orders", Partitions: []int32{0}}}}
		for _, d := range ask[*kmsg.DescribeLogDirsResponse](c, req, 4).Dirs {
			if d.Dir == to && len(d.Topics) == 1 {
				return d.Topics[0].Partitions[0]
			}
		}
		return kmsg.DescribeLogDirsResponseDirTopicPartition{Partition: -1}
	}
	r.logs.SetMoveRate(1)
	for version := range int16(3) {
		resp := ask[*kmsg.AlterReplicaLogDirsResponse](c, &kmsg.AlterReplicaLogDirsRequest{Dirs: []kmsg.AlterReplicaLogDirsRequestDir{
			wish("/nowhere", "bills"), wish(from, "orders"), wish(to, "orders", "nobody")}}, version)
		codes := map[string]int16{}
		for _, topic := range resp.Topics {
			codes[topic.Topic] = topic.Partitions[0].ErrorCode
		}
		if len(resp.Topics) != 3 || codes["bills"] != codeLogDirNotFound || codes["orders"] != 0 || codes["nobody"] != codeUnknownTopicOrPartition {
			t.Fatalf("version %d: %v", version, codes)
		}
		if p := described(); !p.IsFuture || p.OffsetLag < 0 || p.OffsetLag > 3 {
			t.Errorf("version %d: the copy is described as %+v", version, p)
		}
	}
	r.logs.SetMoveRate(0)
	for deadline := time.Now().Add(10 * time.Second); described().IsFuture && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if p := described(); p.Partition != 0 || p.IsFuture || p.OffsetLag != 0 || p.Size == 0 {
		t.Errorf("described as %+v", p)
	}
	if l, _ := r.logs.Log(orders); l.Dir() != to {
		t.Errorf("it is in %s", l.Dir())
	}
	produced(t, c, "orders", records(t, 3, 10))
}
