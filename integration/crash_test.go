package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/integration/apache"
)

// process is the real program with its embedded ZooKeeper, as a user starts it.
type process struct {
	t         *testing.T
	binary    string
	dir       string
	addr, zoo string
	cmd       *exec.Cmd
	log       *os.File
}

func newProcess(t *testing.T) *process {
	t.Helper()
	p := &process{t: t, dir: t.TempDir(), addr: apache.FreeAddress(t), zoo: apache.FreeAddress(t)}
	p.binary = filepath.Join(p.dir, "ottla")
	if out, err := exec.CommandContext(patient(t), "go", "build", "-o", p.binary, "ottla").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	var err error
	if p.log, err = os.Create(filepath.Join(p.dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		_ = p.log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(p.log.Name())
			t.Logf("the broker's log:\n%s", text)
		}
	})
	return p
}

func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.binary, "../server.properties",
		"--override", "listeners=PLAINTEXT://"+p.addr, "--override", "advertised.listeners=PLAINTEXT://"+p.addr,
		"--override", "log.dirs="+filepath.Join(p.dir, "logs"), "--override", "embedded.zookeeper.address="+p.zoo,
		"--override", "web.listener=")
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
}

// kill is kill -9: no handler of the process runs.
func (p *process) kill() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		p.cmd = nil
	}
}

// Ten times the process is killed while records arrive. Every record that was acknowledged is there, under
// the offset it was acknowledged with; none is there twice; offsets have no gap.
func TestKilledUnderLoadLosesNothingAcknowledged(t *testing.T) {
	p := newProcess(t)
	p.start()
	client, err := kgo.NewClient(kgo.SeedBrokers(p.addr), kgo.DefaultProduceTopic("orders"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	const partitions = 3
	ctx := patient(t)
	admin := kadm.NewClient(client)
	eventually(t, "the topic can be made", func() bool {
		made, err := admin.CreateTopic(ctx, partitions, 1, map[string]*string{"segment.bytes": kadm.StringPtr("65536")}, "orders")
		return err == nil && made.Err == nil
	})

	type place struct {
		partition int32
		offset    int64
	}
	var mu sync.Mutex
	acknowledged := map[place]string{}
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(acknowledged) }

	produceCtx, stop := context.WithCancel(context.Background())
	var producing sync.WaitGroup
	producing.Go(func() {
		for i := 0; produceCtx.Err() == nil; i++ {
			client.Produce(produceCtx, &kgo.Record{Partition: int32(i % partitions), Value: fmt.Append(nil, i)}, func(r *kgo.Record, err error) {
				if err == nil {
					mu.Lock()
					acknowledged[place{r.Partition, r.Offset}] = string(r.Value)
					mu.Unlock()
				}
			})
		}
	})
	for range 10 {
		before := count()
		eventually(t, "records are acknowledged", func() bool { return count() > before+500 })
		p.kill()
		p.start()
	}
	before := count()
	eventually(t, "records are acknowledged after the last start", func() bool { return count() > before+500 })
	stop()
	producing.Wait()
	if err := client.Flush(ctx); err != nil {
		t.Fatal(err)
	}

	ends, err := admin.ListEndOffsets(ctx, "orders")
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := kgo.NewClient(kgo.SeedBrokers(p.addr), kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	next, values := map[int32]int64{}, map[string]place{}
	for left := true; left; {
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at := place{r.Partition, r.Offset}
			if r.Offset != next[r.Partition] {
				t.Fatalf("orders-%d: offset %d follows %d", r.Partition, r.Offset, next[r.Partition]-1)
			}
			next[r.Partition]++
			if first, twice := values[string(r.Value)]; twice {
				t.Errorf("record %s is there twice, at %v and %v", r.Value, first, at)
			}
			values[string(r.Value)] = at
			if want, ok := acknowledged[at]; ok && want != string(r.Value) {
				t.Errorf("%v was acknowledged for record %s and holds %s", at, want, r.Value)
			}
			delete(acknowledged, at)
		})
		left = false
		for partition, end := range ends["orders"] {
			left = left || next[partition] < end.Offset
		}
	}
	if len(acknowledged) > 0 {
		t.Errorf("%d acknowledged records are lost: %v", len(acknowledged), acknowledged)
	}
}
