package integration

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/integration/apache"
	"ottla/integration/testcluster"
)

// Kafka Streams counts words, exactly once, while each of three brokers is killed, with the leaders and the coordinators it
// has, and then the counting program itself, whose successor restores the counts from their changelog. Every count comes
// once and in its order.
func TestKafkaStreamsCountsExactlyOnce(t *testing.T) {
	program := apache.RequireProgram(t, filepath.Join("testdata", "streams", "WordCount.java"))
	cluster := testcluster.Start(t, 3, testcluster.WithSetting("transaction.abort.timed.out.transaction.cleanup.interval.ms", "200"),
		testcluster.WithSetting("min.insync.replicas", "2"), testcluster.WithSessionTimeout(1500*time.Millisecond))
	cluster.CreateTopic("lines", 3, 3, nil)
	cluster.CreateTopic("counts", 3, 3, nil)
	counter := func(name string) *apache.Process {
		return apache.StartProgram(t, program, name, strings.Join(cluster.Addrs(), ","), "lines", "counts", t.TempDir())
	}
	words := newWordStory(t, cluster.Addrs())
	first := counter("word-count")
	words.write(300)
	words.awaitSome()
	for _, b := range cluster.Brokers() {
		words.write(300)
		words.awaitSome()
		b.Kill()
		words.write(300)
		words.awaitSome() // the others do without it
		b.Restart()
		cluster.AwaitReady()
	}
	words.write(300)
	words.awaitSome()
	first.Kill()
	counter("word-count-again")
	words.write(300)
	words.awaitAll()
}

// wordStory is what was written, and what a reader of what is committed has seen of the counts.
type wordStory struct {
	t        *testing.T
	producer *kgo.Client
	counts   *kgo.Client
	random   *rand.Rand
	written  map[string]int
	words    int // all that were written
	seen     map[string]int
	counted  int // all that were seen
}

func newWordStory(t *testing.T, addrs []string) *wordStory {
	s := &wordStory{t: t, random: rand.New(rand.NewPCG(1, 2)), written: map[string]int{}, seen: map[string]int{}}
	common := []kgo.Opt{kgo.SeedBrokers(addrs...), kgo.MetadataMinAge(100 * time.Millisecond)}
	client := func(opts ...kgo.Opt) *kgo.Client {
		c, err := kgo.NewClient(append(opts, common...)...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	s.producer = client(kgo.DefaultProduceTopic("lines"))
	s.counts = client(kgo.ConsumeTopics("counts"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond))
	return s
}

// write writes lines of four words each.
func (s *wordStory) write(lines int) {
	s.t.Helper()
	var records []*kgo.Record
	for i := range lines {
		var line []string
		for range 4 {
			word := fmt.Sprint("word", s.random.IntN(50))
			line = append(line, word)
			s.written[word]++
			s.words++
		}
		records = append(records, kgo.KeyStringRecord(fmt.Sprint(i), strings.Join(line, " ")))
	}
	if err := s.producer.ProduceSync(patient(s.t), records...).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
}

// awaitSome waits until the half of what was not counted yet is.
func (s *wordStory) awaitSome() { s.t.Helper(); s.await((s.counted + s.words) / 2) }

func (s *wordStory) awaitAll() {
	s.t.Helper()
	s.await(s.words)
	for word, n := range s.written {
		if s.seen[word] != n {
			s.t.Errorf("%s was written %d times and counted %d times", word, n, s.seen[word])
		}
	}
}

// await reads counts until so many have come. A word's counts are 1, 2, 3 ...: none comes twice, is left out or is overtaken.
func (s *wordStory) await(counted int) {
	s.t.Helper()
	ctx := patient(s.t)
	for s.counted < counted {
		s.counts.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			word := string(r.Key)
			count, err := strconv.Atoi(string(r.Value))
			if err != nil || count != s.seen[word]+1 {
				s.t.Fatalf("counts-%d at %d: %s has count %s after %d", r.Partition, r.Offset, word, r.Value, s.seen[word])
			}
			s.seen[word]++
			s.counted++
		})
		if ctx.Err() != nil {
			s.t.Fatalf("%d of %d words are counted", s.counted, s.words)
		}
	}
}
