package txn

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/integration/golden"
	"ottla/zkcoord/cluster"
)

// TestStories plays the scripts in testdata: deeds, then ---- and what the producers were told, how their transactions stand
// and which markers were written.
func TestStories(t *testing.T) {
	golden.Stories(t, "testdata/*.story", func(t *testing.T, story string) (told string) {
		synctest.Test(t, func(t *testing.T) { told = tell(t, story) })
		return told
	})
}

func tell(t *testing.T, text string) string {
	s := &story{t: t, w: newWorld(), shown: map[cluster.TopicPartition]int{}}
	s.c = s.w.start(1, nil)
	defer func() { s.c.Close() }()
	synctest.Wait()
	return golden.Scenes(text, func(deeds []string, _ string) string {
		for _, deed := range deeds {
			s.play(deed, strings.Fields(deed))
			synctest.Wait()
		}
		return s.outcome()
	})
}

// story is the stage: one coordinator, producers by transactional id.
type story struct {
	t     *testing.T
	w     *world
	c     *Coordinator
	shown map[cluster.TopicPartition]int // how many markers

	mu   sync.Mutex
	told []string
}

// hear notes an answer, on whatever goroutine.
func (s *story) hear(line, answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, line+": "+answer)
}

func name(code int16) string {
	if code == 0 {
		return "NONE"
	}
	return kerr.TypedErrorForCode(code).Message
}

func (s *story) play(line string, words []string) {
	hear := func(code int16) { s.hear(line, name(code)) }
	switch deed := words[0]; deed {
	case "init":
		s.init(line, words)
	case "add":
		s.c.AddPartitions(s.producer(words), topics(words[3:]), hear)
	case "verify":
		codes, code := s.c.VerifyPartitions(s.producer(words), topics(words[3:]))
		for _, c := range codes {
			code = max(code, c)
		}
		hear(code)
	case "end":
		s.c.End(s.producer(words), words[3] == "commit", hear)
	case "absent", "present", "delete":
		s.w.mu.Lock()
		l := s.w.log(tp(words[1]))
		l.absent, l.deleted = deed == "absent", deed == "delete"
		s.w.mu.Unlock()
	case "given":
		s.given(words)
	case "elect":
		s.c.Close()
		epoch, _ := strconv.Atoi(words[1])
		s.c = s.w.start(int32(epoch), nil)
	case "hold":
		s.w.mu.Lock()
		s.w.mu.hold = true
		s.w.mu.Unlock()
	case "release":
		s.w.release()
	case "fail":
		s.w.mu.Lock()
		if s.w.mu.fail = nil; len(words) > 1 {
			s.w.mu.fail = kerr.NotEnoughReplicas
		}
		s.w.mu.Unlock()
	case "sleep":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			s.t.Fatal(err)
		}
		time.Sleep(d)
	default:
		s.t.Fatalf("what is %q?", deed)
	}
}

// given is what an earlier coordinator has left in the log: a transactional id, its producer, its state and partitions. The next
// one that is elected reads it.
func (s *story) given(words []string) {
	state, ok := stateNamed(words[3])
	if !ok {
		s.t.Fatalf("what state is %q?", words[3])
	}
	p, now := s.producer(words), nowMillis()
	m := metadata{state: state, producerID: p.ID, epoch: p.Epoch, timeout: 5000, partitions: partitions{}, updated: now, started: now}
	for _, tp := range topics(words[4:]) {
		m.partitions[tp] = struct{}{}
	}
	b := newBatch(p.TransactionalID, &m, now)
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.w.writeLocked(b)
}

func (s *story) init(line string, words []string) {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.SetVersion(4)
	req.TransactionalID, req.TransactionTimeoutMillis = &words[1], 5000
	if len(words) > 2 {
		p := s.producer(words)
		req.ProducerID, req.ProducerEpoch = p.ID, p.Epoch
	}
	s.c.InitProducerID(req, func(resp *kmsg.InitProducerIDResponse) {
		answer := name(resp.ErrorCode)
		if resp.ErrorCode == 0 {
			answer = fmt.Sprintf("producer %d in epoch %d", resp.ProducerID, resp.ProducerEpoch)
		}
		s.hear(line, answer)
	})
}

// producer reads "tx 0/1": transactional id, producer id and epoch.
func (s *story) producer(words []string) Producer {
	p := Producer{TransactionalID: words[1]}
	if _, err := fmt.Sscanf(words[2], "%d/%d", &p.ID, &p.Epoch); err != nil {
		s.t.Fatal(err)
	}
	return p
}

func topics(names []string) (list []cluster.TopicPartition) {
	for _, n := range names {
		list = append(list, tp(n))
	}
	return list
}

func (s *story) outcome() string {
	var out strings.Builder
	s.mu.Lock()
	for _, told := range s.told {
		out.WriteString(told + "\n")
	}
	s.told = nil
	s.mu.Unlock()
	s.c.ListTransactions(kmsg.NewPtrListTransactionsRequest(), func(list *kmsg.ListTransactionsResponse) {
		for _, t := range list.TransactionStates {
			d := s.c.describe(t.TransactionalID)
			fmt.Fprintf(&out, "%s: %s, producer %d in epoch %d, partitions", d.TransactionalID, d.State, d.ProducerID, d.ProducerEpoch)
			for _, topic := range d.Topics {
				out.WriteString(" " + topic.Topic)
			}
			out.WriteString("\n")
		}
	})
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	for _, at := range slices.SortedFunc(maps.Keys(s.w.mu.data), func(a, b cluster.TopicPartition) int { return strings.Compare(a.Topic, b.Topic) }) {
		for _, marker := range s.w.mu.data[at].markers[s.shown[at]:] {
			fmt.Fprintf(&out, "marker in %s: %s\n", at.Topic, marker)
		}
		s.shown[at] = len(s.w.mu.data[at].markers)
	}
	return out.String()
}
