package integration

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/integration/apache"
	"ottla/integration/testcluster"
)

// twoDirectories starts two brokers with two log directories each, and a topic that both hold.
func twoDirectories(t *testing.T) (cluster *testcluster.Cluster, dirs map[int][]string) {
	t.Helper()
	var opts []testcluster.Option
	dirs = map[int][]string{}
	for broker := 1; broker <= 2; broker++ {
		dirs[broker] = []string{t.TempDir(), t.TempDir()}
		opts = append(opts, testcluster.WithBrokerSetting(broker, "log.dirs", strings.Join(dirs[broker], ",")))
	}
	cluster = testcluster.Start(t, 2, append(opts, testcluster.WithSetting("log.segment.bytes", "100000"))...)
	cluster.CreateTopic("orders", 1, 2, nil)
	return cluster, dirs
}

// holds tells in which of a broker's directories a partition of orders lies, and whether it is on its way elsewhere.
func holds(t *testing.T, client *kgo.Client, broker int) (dir string, moving bool) {
	t.Helper()
	req := kmsg.NewPtrDescribeLogDirsRequest()
	resp, err := client.Broker(broker).RetriableRequest(patient(t), req)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range resp.(*kmsg.DescribeLogDirsResponse).Dirs {
		for _, topic := range d.Topics {
			for _, p := range topic.Partitions {
				if topic.Topic == "orders" && p.IsFuture {
					moving = true
				} else if topic.Topic == "orders" {
					dir = d.Dir
				}
			}
		}
	}
	return dir, moving
}

// numbers writes ascending numbers to orders, acks=all, and reads them at the same time, until the end. Every one
// comes back once, in order, and nobody meets an error.
type numbers struct {
	stop context.CancelFunc
	wg   sync.WaitGroup
	sent int
}

func startNumbers(t *testing.T, addr string) *numbers {
	ctx, stop := context.WithCancel(patient(t))
	n := &numbers{stop: stop}
	producer := franzAt(t, addr, kgo.DefaultProduceTopic("orders"))
	consumer := franzAt(t, addr, kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	padding := strings.Repeat("x", 1000)
	n.wg.Go(func() {
		for ctx.Err() == nil {
			if err := producer.ProduceSync(patient(t), kgo.StringRecord(fmt.Sprint(n.sent, " ", padding))).FirstErr(); err != nil {
				t.Errorf("number %d: %v", n.sent, err)
				return
			}
			n.sent++
		}
	})
	n.wg.Go(func() {
		for seen := 0; ; {
			fetches := consumer.PollFetches(ctx)
			if err := fetches.Err(); err != nil {
				if !errors.Is(err, context.Canceled) {
					t.Errorf("after %d numbers: %v", seen, err)
				}
				return
			}
			fetches.EachRecord(func(r *kgo.Record) {
				if want := fmt.Sprint(seen, " "); !strings.HasPrefix(string(r.Value), want) || r.Offset != int64(seen) {
					t.Errorf("number %.10s at %d, want %d", r.Value, r.Offset, seen)
				}
				seen++
			})
		}
	})
	return n
}

func (n *numbers) finish() int {
	n.stop()
	n.wg.Wait()
	return n.sent
}

// A replica moves from directory to directory, the leader's and the follower's, under load, and once while its broker
// is killed in the middle.
func TestReplicasMoveBetweenLogDirectories(t *testing.T) {
	cluster, dirs := twoDirectories(t)
	load := startNumbers(t, cluster.Addrs()[0])
	admin := franzAt(t, cluster.Addrs()[0])
	move := func(broker int) (to string) {
		t.Helper()
		from, _ := holds(t, admin, broker)
		for _, d := range dirs[broker] {
			if d != from {
				to = d
			}
		}
		req := kmsg.NewPtrAlterReplicaLogDirsRequest()
		req.Dirs = []kmsg.AlterReplicaLogDirsRequestDir{{Dir: to, Topics: []kmsg.AlterReplicaLogDirsRequestDirTopic{{Topic: "orders", Partitions: []int32{0}}}}}
		resp, err := admin.Broker(broker).RetriableRequest(patient(t), req)
		if err != nil {
			t.Fatal(err)
		}
		if code := resp.(*kmsg.AlterReplicaLogDirsResponse).Topics[0].Partitions[0].ErrorCode; code != 0 {
			t.Fatalf("broker %d: error %d", broker, code)
		}
		return to
	}
	arrived := func(broker int, to string) {
		t.Helper()
		eventually(t, fmt.Sprintf("broker %d has moved orders-0 to %s", broker, to), func() bool {
			dir, moving := holds(t, admin, broker)
			return dir == to && !moving
		})
	}
	for range 3 {
		first, second := move(1), move(2)
		arrived(1, first)
		arrived(2, second)
	}
	to := move(2)
	cluster.Broker(2).Kill()
	cluster.Broker(2).Restart()
	cluster.AwaitISR("orders", 0)
	arrived(2, to)
	n := load.finish()
	if got := readAll(t, cluster.Addrs()[0], "orders", n); got < n {
		t.Errorf("%d of %d", got, n)
	}
}

// Kafka's own tool moves a replica with log_dirs in its plan, throttled, under load.
func TestApacheToolMovesBetweenLogDirectories(t *testing.T) {
	apache.Require(t)
	cluster, dirs := twoDirectories(t)
	load := startNumbers(t, cluster.Addrs()[0])
	admin := franzAt(t, cluster.Addrs()[0])
	from, _ := holds(t, admin, 1)
	to := dirs[1][0]
	if to == from {
		to = dirs[1][1]
	}
	plan := filepath.Join(t.TempDir(), "plan.json")
	write(t, plan, fmt.Sprintf(`{"version":1,"partitions":[{"topic":"orders","partition":0,"replicas":[1,2],"log_dirs":[%q,"any"]}]}`, to))
	says(t, toolAt(t, cluster.Broker(1), apache.ReassignPartitionsCommand, "--reassignment-json-file", plan, "--execute", "--replica-alter-log-dirs-throttle", "20000000"),
		`The replica-alter-dir throttle limit was set to 20000000 B/s`, `Successfully started moving log directory to \S+ for replica orders-0 with broker 1`)
	eventually(t, "the replica is where the plan wants it", func() bool {
		dir, moving := holds(t, admin, 1)
		return dir == to && !moving
	})
	says(t, toolAt(t, cluster.Broker(1), apache.ReassignPartitionsCommand, "--reassignment-json-file", plan, "--verify"),
		`Reassignment of replica orders-0-1 completed successfully`, `Clearing broker-level throttles`)
	n := load.finish()
	if got := readAll(t, cluster.Addrs()[0], "orders", n); got < n {
		t.Errorf("%d of %d", got, n)
	}
}
