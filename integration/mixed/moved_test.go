package mixed

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/zkserver"
)

// life is one time that a broker runs on the directories, and how it ends.
type life struct {
	kind   kind
	killed bool // by kill -9, with a transaction open and records on their way; otherwise it is stopped
}

func (l life) String() string {
	if l.killed {
		return string(l.kind) + ", killed"
	}
	return string(l.kind) + ", stopped"
}

// Two log directories pass from hand to hand. Whoever has them serves every record that the others have left, adds its own,
// and leaves: cleanly, or by kill -9, in the middle of a transaction and of a replica's way from one directory to the other.
// Each time Kafka's DumpLogSegments looks through what is left.
func TestDirectoriesMoveBetweenKinds(t *testing.T) {
	t.Parallel()
	for name, lives := range map[string][]life{
		"written by Apache Kafka": {{kafka, false}, {ottla, false}, {kafka, true}, {ottla, true}, {kafka, false}},
		"written by Ottla":        {{ottla, true}, {kafka, false}, {ottla, false}, {kafka, false}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newJourney(prepareSmall(t, nil, lives[0].kind)).through(lives)
		})
	}
}

// The same with directories that Apache Kafka wrote long ago: one stopped cleanly, one killed with a transaction open, one
// with the formats of before 0.11.
func TestGoldenDirectoriesMoveBetweenKinds(t *testing.T) {
	t.Parallel()
	compact := map[string]string{"cleanup.policy": "compact", "segment.bytes": "600"}
	old := map[string]map[string]string{"v2": {"message.format.version": "2.8"}}
	for _, kind := range []string{"plain", "gzip", "snappy", "lz4", "segs", "compacted", "lat"} {
		for topic, version := range map[string]string{"v0-": "0.9.0", "v1-": "0.10.2"} {
			old[topic+kind] = map[string]string{"message.format.version": version}
		}
	}
	for _, topic := range []string{"v0-compacted", "v1-compacted"} {
		old[topic]["cleanup.policy"], old[topic]["segment.bytes"] = "compact", "600"
	}
	delete(old, "v0-lat")
	for name, tc := range map[string]struct {
		golden   goldenDirectory
		settings map[string]string
		lives    []life
	}{
		"stopped cleanly": {goldenDirectory{archive: "clean", configs: map[string]map[string]string{"compacted": compact}}, nil,
			[]life{{ottla, false}, {kafka, false}}},
		"killed": {goldenDirectory{archive: "unclean", configs: map[string]map[string]string{"compacted": compact}}, nil,
			[]life{{ottla, true}, {kafka, false}}},
		"of old formats": {goldenDirectory{archive: "oldformat", configs: old}, map[string]string{protocolSetting: "2.8"},
			[]life{{ottla, false}, {kafka, false}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := prepareSmall(t, tc.settings, tc.lives[0].kind)
			j := newJourney(c)
			c.seedGolden(j.b, tc.golden)
			for topic, records := range tc.golden.records(t) {
				if strings.HasPrefix(topic, "__") || topic == "v0-lz4" {
					continue // the brokers' own; and what no client in Go reads
				}
				j.golden = append(j.golden, topic)
				j.ledger.expect(topic, tc.golden.configs[topic]["cleanup.policy"] == "compact", records)
			}
			if a := j.ledger.accounts["delrec"]; a != nil {
				a.start = 7
			}
			j.through(tc.lives)
		})
	}
}

// journey is that of two log directories through the hands of several brokers.
type journey struct {
	c      *cluster
	b      *broker
	ledger *ledger
	dirs   [2]string
	copies string
	lives  []life               // so far
	left   []map[string][]int64 // which offsets each of them has left, by partition
	golden []string             // topics that were there before
	bytes  map[string][]byte    // of the partitions, as the last life has left them
	heavy  string               // the directory that the replica of heavy-0 is on its way to, or empty
	// cashier has a transaction open until the life ends.
	cashier *kgo.Client
}

// prepareSmall is prepare with a ZooKeeper of Ottla's own, which costs no virtual machine: what brokers keep there is not what
// this is about.
func prepareSmall(t *testing.T, settings map[string]string, k kind) *cluster {
	t.Helper()
	server, err := zkserver.Start(zkserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return prepareBeside(t, server.Addr(), settings, k)
}

func newJourney(c *cluster) *journey {
	c.t.Helper()
	b := c.broker(1)
	j := &journey{c: c, b: b, ledger: c.newLedger(), dirs: [2]string{b.logDir(), filepath.Join(b.dir, "more")}, bytes: map[string][]byte{}}
	var err error
	if j.copies, err = os.MkdirTemp("", "copies-"); err != nil { // a short name: DumpLogSegments gets many
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = os.RemoveAll(j.copies) })
	for key, value := range map[string]string{
		"log.dirs":           j.dirs[0] + "," + j.dirs[1],
		"log.retention.ms":   "-1", // some records are old
		"log.cleaner.enable": "true", "log.cleaner.backoff.ms": "100", "log.cleaner.dedupe.buffer.size": "2097152",
		"log.index.size.max.bytes":  "10240",
		"log.initial.task.delay.ms": "100", // what was deleted is taken away half a minute after a start otherwise
		"offsets.retention.minutes": "100000000",
	} {
		b.settings[key] = value
	}
	return j
}

func (j *journey) through(lives []life) {
	j.c.t.Helper()
	for i, l := range lives {
		j.c.t.Logf("life %d: %v", i, l)
		if i == len(lives)-1 {
			j.b.settings[deleteDelay] = "1000"
		}
		j.arrive(l.kind)
		j.work()
		j.leave(l)
	}
	j.checkDumps()
}

// arrive starts a broker on the directories, and looks at everything that is in them.
func (j *journey) arrive(k kind) {
	j.c.t.Helper()
	j.throttleMoves()
	if len(j.lives) == 0 {
		j.c.begin()
		j.makeTopics()
	} else {
		j.b.startAs(k)
	}
	for topic := range j.ledger.accounts {
		j.c.awaitLeader(topic, 0, 1)
	}
	j.ledger.check()
	if !j.movesAreHeldBack() {
		j.awaitMove()
	}
	if j.b.settings[deleteDelay] != "" {
		j.c.eventually("topics that were deleted before are gone", func() error {
			return j.nothingLike("*-delete")
		})
	}
}

// deleteDelay is shorter in the last life, which has to take away what the others have left behind.
const deleteDelay = "log.segment.delete.delay.ms"

func (j *journey) nothingLike(pattern string) error {
	for _, dir := range j.dirs {
		if found, err := filepath.Glob(filepath.Join(dir, pattern)); err != nil || len(found) > 0 {
			return fmt.Errorf("%v, %v", found, err)
		}
	}
	return nil
}

func (j *journey) makeTopics() {
	j.c.t.Helper()
	j.c.createTopic("orders", replicas(1), replicas(1), replicas(1))
	j.c.createTopic("payments", replicas(1))
	j.c.createTopic("cut", replicas(1))
	j.c.createTopic("busy", replicas(1))
	j.c.createTopicWith("heavy", map[string]string{"max.message.bytes": "2000000"}, replicas(1))
	j.c.createTopicWith("latest", map[string]string{"cleanup.policy": "compact", "segment.bytes": "1000", "min.cleanable.dirty.ratio": "0.01"}, replicas(1))
	for _, topic := range []string{"orders", "payments", "cut", "busy", "heavy"} {
		j.ledger.add(topic, false)
	}
	j.ledger.add("latest", true)
	j.ledger.committed["payments"] = map[place]bool{}
}

// work adds to every topic, and has each kind of file written.
func (j *journey) work() {
	j.c.t.Helper()
	life := len(j.lives)
	for i, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		var records []*kgo.Record
		for n := range 30 {
			r := &kgo.Record{Topic: "orders", Partition: int32(n % 3), Key: fmt.Append(nil, n), Value: fmt.Appendf(nil, "%d %d %d", life, i, n),
				Headers: []kgo.RecordHeader{{Key: "life", Value: fmt.Append(nil, life)}, {Key: "null"}}}
			switch n % 5 {
			case 1:
				r.Key = nil
			case 2:
				r.Value = nil
			case 3:
				r.Headers = nil
			}
			records = append(records, r)
		}
		for n := range 40 {
			r := &kgo.Record{Topic: "latest", Key: fmt.Append(nil, "key ", n%17), Value: fmt.Appendf(nil, "%d %d %d", life, i, n)}
			if n%7 == 0 {
				r.Value = nil
			}
			records = append(records, r)
		}
		if i < 2 { // the formats of then have no other codecs
			for _, topic := range j.golden {
				for n := range 3 {
					records = append(records, &kgo.Record{Topic: topic, Key: fmt.Append(nil, "key ", n), Value: fmt.Appendf(nil, "%d %d", life, i)})
				}
			}
		}
		j.write(records, kgo.ProducerBatchCompression(codec), kgo.DisableIdempotentWrite())
		j.write([]*kgo.Record{{Topic: "cut", Value: fmt.Append(nil, life)}}, kgo.ProducerBatchCompression(codec))
	}
	if life == 0 {
		for n := range 3 {
			value := bytes.Repeat([]byte{byte(n)}, 1_200_000)
			j.write([]*kgo.Record{{Topic: "heavy", Value: value}}, kgo.ProducerBatchMaxBytes(1_900_000), kgo.ProducerBatchCompression(kgo.NoCompression()))
		}
	}
	j.transact()
	j.deleteRecords()
	j.deleteTopic(fmt.Sprint("doomed-", life))
	j.commitOffsets()
	j.awaitCleaning()
	j.ledger.check()
	if j.movesAreHeldBack() {
		j.beginMove()
	}
}

func (j *journey) client(opts ...kgo.Opt) *kgo.Client {
	j.c.t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(j.b.addr), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProduceRequestTimeout(patience)}, opts...)...) // who tries again writes twice, unless idempotent
	if err != nil {
		j.c.t.Fatal(err)
	}
	return client
}

// write has records acknowledged, and notes them.
func (j *journey) write(records []*kgo.Record, opts ...kgo.Opt) {
	j.c.t.Helper()
	client := j.client(opts...)
	defer client.Close()
	j.writeBy(client, records)
}

func (j *journey) writeBy(client *kgo.Client, records []*kgo.Record) {
	j.c.t.Helper()
	for _, result := range client.ProduceSync(j.c.patient(), records...) {
		if result.Err != nil {
			j.c.t.Fatalf("write to %s: %v", result.Record.Topic, result.Err)
		}
		j.ledger.accounts[result.Record.Topic].take(result.Record)
	}
}

// transact commits a transaction, aborts one, and begins a third, with an offset of a group's in each. What was left open by
// another life is aborted as the first begins.
func (j *journey) transact() {
	j.c.t.Helper()
	client := j.client(kgo.TransactionalID("cashier"))
	j.cashier = client
	for i, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit, kgo.TryAbort} {
		if err := client.BeginTransaction(); err != nil {
			j.c.t.Fatal(err)
		}
		var records []*kgo.Record
		for n := range 3 {
			records = append(records, &kgo.Record{Topic: "payments", Value: fmt.Appendf(nil, "%d %d %d", len(j.lives), i, n)})
		}
		j.writeBy(client, records)
		for _, r := range records {
			j.ledger.committed["payments"][place{r.Partition, r.Offset}] = end == kgo.TryCommit
		}
		at := int64(100*len(j.lives) + i)
		j.commitInTransaction(client, "tellers", at)
		if end == kgo.TryCommit {
			j.ledger.offsets["tellers"] = offsetsOf(at, "")
		}
		if i == 2 {
			return // and it stays open
		}
		if err := client.EndTransaction(j.c.patient(), end); err != nil {
			j.c.t.Fatal(err)
		}
	}
}

func offsetsOf(at int64, metadata string) kadm.Offsets {
	var o kadm.Offsets
	o.Add(kadm.Offset{Topic: "orders", Partition: 1, At: at, LeaderEpoch: -1, Metadata: metadata})
	return o
}

// commitInTransaction makes an offset of a group part of the transaction.
func (j *journey) commitInTransaction(client *kgo.Client, group string, at int64) {
	j.c.t.Helper()
	id, epoch, err := client.ProducerID(j.c.patient())
	if err != nil {
		j.c.t.Fatal(err)
	}
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = "cashier", id, epoch, group
	added, err := add.RequestWith(j.c.patient(), client)
	if err != nil || added.ErrorCode != 0 {
		j.c.t.Fatalf("a group in a transaction: %v, %+v", err, added)
	}
	commit := kmsg.NewPtrTxnOffsetCommitRequest()
	commit.TransactionalID, commit.ProducerID, commit.ProducerEpoch, commit.Group = "cashier", id, epoch, group
	partition := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	partition.Partition, partition.Offset = 1, at
	commit.Topics = []kmsg.TxnOffsetCommitRequestTopic{{Topic: "orders", Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{partition}}}
	committed, err := commit.RequestWith(j.c.patient(), client)
	if err != nil || committed.Topics[0].Partitions[0].ErrorCode != 0 {
		j.c.t.Fatalf("an offset in a transaction: %v, %+v", err, committed)
	}
}

func (j *journey) commitOffsets() {
	j.c.t.Helper()
	for n := range 4 {
		group := fmt.Sprint("readers-", n)
		offsets := offsetsOf(int64(1000*len(j.lives)+n), fmt.Sprint("life ", len(j.lives)))
		if err := j.c.admin.CommitAllOffsets(j.c.patient(), group, offsets); err != nil {
			j.c.t.Fatalf("commit offsets of %s: %v", group, err)
		}
		j.ledger.offsets[group] = offsets
	}
}

func (j *journey) deleteRecords() {
	j.c.t.Helper()
	a := j.ledger.accounts["cut"]
	a.start += 3
	var to kadm.Offsets
	to.Add(kadm.Offset{Topic: "cut", At: a.start, LeaderEpoch: -1})
	answers, err := j.c.admin.DeleteRecords(j.c.patient(), to)
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		j.c.t.Fatalf("delete records: %v", err)
	}
}

// deleteTopic makes a topic and deletes it: for a minute its directory stays, under another name.
func (j *journey) deleteTopic(topic string) {
	j.c.t.Helper()
	j.c.createTopic(topic, replicas(1), replicas(1))
	if _, err := j.c.admin.DeleteTopic(j.c.patient(), topic); err != nil {
		j.c.t.Fatalf("delete %s: %v", topic, err)
	}
	j.c.eventually(topic+" is gone", func() error {
		if j.c.znodes.exists("/brokers/topics/" + topic) {
			return fmt.Errorf("its znode is there")
		}
		return j.nothingLike(topic + "-?")
	})
}

// awaitCleaning waits until what the lives before have left of the compacted topic is clean, and something of this one.
func (j *journey) awaitCleaning() {
	j.c.t.Helper()
	a := j.ledger.accounts["latest"]
	var end int64
	for at := range a.known {
		end = max(end, at.offset+1)
	}
	want := end - 100 // of the two hundred that were written; the newest segment is never cleaned
	j.c.eventually(fmt.Sprintf("latest is clean up to %d of %d", want, end), func() error {
		var clean int64
		for _, dir := range j.dirs {
			text, err := os.ReadFile(filepath.Join(dir, "cleaner-offset-checkpoint"))
			if err != nil && !os.IsNotExist(err) {
				return err
			}
			for line := range strings.Lines(string(text)) {
				_, _ = fmt.Sscanf(line, "latest 0 %d\n", &clean)
			}
		}
		if clean < want {
			return fmt.Errorf("up to %d", clean)
		}
		return nil
	})
}

// throttleMoves sets how fast replicas move between directories, while no broker runs: every second life brings nothing to an
// end, and the next one has to.
func (j *journey) throttleMoves() {
	j.c.t.Helper()
	config := `{}`
	if j.movesAreHeldBack() {
		config = `{"replica.alter.log.dirs.io.max.bytes.per.second":"1"}`
	}
	for _, path := range []string{"/config", "/config/brokers", "/config/brokers/1"} {
		j.c.znodes.make(path, "")
	}
	j.c.znodes.set("/config/brokers/1", `{"version":1,"config":`+config+`}`)
}

func (j *journey) movesAreHeldBack() bool { return len(j.lives)%2 == 0 }

// beginMove sets the replica of heavy on its way to the other directory.
func (j *journey) beginMove() {
	j.c.t.Helper()
	to := j.dirs[1]
	if _, err := os.Stat(filepath.Join(to, "heavy-0")); err == nil {
		to = j.dirs[0]
	}
	var move kadm.AlterReplicaLogDirsReq
	move.Add(to, kadm.TopicsSet{"heavy": {0: struct{}{}}})
	answers, err := j.c.admin.AlterBrokerReplicaLogDirs(j.c.patient(), 1, move)
	if err != nil {
		j.c.t.Fatalf("move heavy-0 to %s: %v, %v", to, answers, err)
	}
	j.heavy = to
	j.c.eventually("heavy-0 is on its way", func() error {
		if found, err := filepath.Glob(filepath.Join(to, "heavy-0.*-future", "*.log")); err != nil || len(found) == 0 {
			return fmt.Errorf("not in %s, %v", to, err)
		}
		return nil
	})
}

// awaitMove waits for the replica that another life has sent.
func (j *journey) awaitMove() {
	j.c.t.Helper()
	j.c.eventually("heavy-0 is in "+j.heavy, func() error {
		if _, err := os.Stat(filepath.Join(j.heavy, "heavy-0")); err != nil {
			return err
		}
		return j.nothingLike("heavy-0.*-future")
	})
}

// leave ends a life and keeps a copy of what it leaves.
func (j *journey) leave(l life) {
	j.c.t.Helper()
	if l.killed {
		j.interrupt(j.b.kill)
	} else {
		j.b.stop()
	}
	j.cashier.Close()
	for i, dir := range j.dirs {
		if err := os.CopyFS(filepath.Join(j.copies, fmt.Sprintf("%d-%d", len(j.lives), i)), os.DirFS(dir)); err != nil {
			j.c.t.Fatal(err)
		}
	}
	j.compareBytes()
	j.left = append(j.left, j.ledger.offsetsByPartition())
	j.lives = append(j.lives, l)
}

// interrupt does something while records are written to busy.
func (j *journey) interrupt(by func()) {
	j.c.t.Helper()
	a := j.ledger.accounts["busy"]
	a.open = true
	before := len(a.known)
	ctx, enough := context.WithCancel(j.c.t.Context())
	client := j.client(kgo.ProducerLinger(0))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ctx.Err() == nil; n++ {
			client.Produce(ctx, &kgo.Record{Topic: "busy", Value: fmt.Append(nil, n)}, func(r *kgo.Record, err error) {
				if err == nil {
					a.take(r)
				}
			})
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Microsecond):
			}
		}
	}()
	j.c.eventually("records are acknowledged", func() error {
		a.Lock()
		defer a.Unlock()
		if n := len(a.known) - before; n < 200 {
			return fmt.Errorf("%d are", n)
		}
		return nil
	})
	by()
	enough()
	<-done
	client.Close()
}

// compareBytes holds the partitions that are not compacted to what they were before: there may only be more.
func (j *journey) compareBytes() {
	j.c.t.Helper()
	for _, dir := range j.dirs {
		for topic, partitions := range partitionsIn(j.c.t, dir) {
			a := j.ledger.accounts[topic]
			if a == nil || a.newest != nil || topic == "busy" {
				continue
			}
			for _, p := range partitions {
				name := fmt.Sprintf("%s-%d", topic, p)
				now, err := logBytes(filepath.Join(dir, name))
				if err != nil {
					j.c.t.Fatal(err)
				}
				if before := j.bytes[name]; !bytes.HasPrefix(now, before) {
					j.c.t.Errorf("%s had %s, and has %s", name, describe(before, now), describe(now, before))
				}
				j.bytes[name] = now
			}
		}
	}
}
