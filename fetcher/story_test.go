package fetcher

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ottla/integration/golden"
	"ottla/zkcoord/cluster"
)

// TestStories plays the scripts of testdata: deeds, a line of dashes, and what they lead to. A broker's line shows its records, each with
// the epoch of its batch, and | where its high watermark stands. Nobody fetches unless the script says so.
func TestStories(t *testing.T) {
	golden.Stories(t, "testdata/*.txt", func(t *testing.T, text string) (told string) {
		synctest.Test(t, func(t *testing.T) {
			s := &story{t: t}
			defer func() {
				if s.w != nil {
					s.w.close()
				}
			}()
			told = golden.Scenes(text, func(deeds []string, _ string) string { return s.play(deeds) })
		})
		return told
	})
}

type story struct {
	t      *testing.T
	w      *world
	events []string
}

func (s *story) tell(format string, values ...any) {
	s.events = append(s.events, fmt.Sprintf(format, values...))
}

// play does the deeds of a scene and tells what came of them.
func (s *story) play(deeds []string) string {
	s.events = nil
	for _, line := range deeds {
		words := strings.Fields(line)
		do, ok := map[string]func(args){
			"brokers": s.brokers, "lead": s.lead, "produce": s.produce, "fetch": s.fetch, "hold": s.hold, "kill": s.kill, "power-cut": s.powerCut,
			"start": s.start, "sync": s.sync, "delete-records": s.deleteRecords, "sleep": s.sleep, "flush": s.flush, "break-disk": s.breakDisk,
		}[words[0]]
		if !ok {
			s.t.Fatalf("no such deed: %s", line)
		}
		do(parse(words[1:]))
		synctest.Wait()
	}
	for _, id := range s.w.ids() {
		s.tell("%s", s.w.brokers[id].state())
	}
	return strings.Join(s.events, "\n") + "\n"
}

// args are key=value pairs and, in order, what stands alone.
type args struct {
	named map[string]string
	words []string
}

func parse(words []string) args {
	a := args{named: map[string]string{}}
	for _, w := range words {
		if key, value, ok := strings.Cut(w, "="); ok {
			a.named[key] = value
		} else {
			a.words = append(a.words, w)
		}
	}
	return a
}

func (a args) int(key string, otherwise int) int {
	if n, err := strconv.Atoi(a.named[key]); err == nil {
		return n
	}
	return otherwise
}

func (a args) ids(key string, otherwise []cluster.BrokerID) []cluster.BrokerID {
	if a.named[key] == "" {
		return otherwise
	}
	var ids []cluster.BrokerID
	for word := range strings.SplitSeq(a.named[key], ",") {
		n, _ := strconv.Atoi(word)
		ids = append(ids, cluster.BrokerID(n))
	}
	return ids
}

// id is the first word: a broker.
func (a args) id() cluster.BrokerID {
	n, _ := strconv.Atoi(a.words[0])
	return cluster.BrokerID(n)
}

// brokers N [fetch=VERSION] begins the world.
func (s *story) brokers(a args) {
	n, _ := strconv.Atoi(a.words[0])
	s.w = newWorld(s.t, n)
	s.w.versions = Versions{Fetch: int16(a.int("fetch", 0))}
	for _, b := range s.w.brokers {
		b.fetchers.options.Versions = s.w.versions.withDefaults()
	}
	s.w.sessions = a.named["sessions"] != "none"
	s.w.network.change(func() { s.w.network.mu.tell = s.tell })
}

// lead ID epoch=N [isr=...] [to=...] is the controller's decision, as the brokers of "to" hear it.
func (s *story) lead(a args) {
	epoch := int32(a.int("epoch", 0))
	s.w.decide(cluster.LeaderAndISR{Leader: a.id(), LeaderEpoch: epoch, PartitionEpoch: epoch, ISR: a.ids("isr", s.w.ids())}, a.ids("to", s.w.ids())...)
}

// produce ID VALUE... [acks=all] [batch=yes] appends a batch for each value, or one for all.
func (s *story) produce(a args) {
	acks := int16(1)
	if a.named["acks"] == "all" {
		acks = -1
	}
	batches := [][]string{a.words[1:]}
	if a.named["batch"] == "" {
		batches = slices.Collect(slices.Chunk(a.words[1:], 1))
	}
	for _, values := range batches {
		s.w.brokers[a.id()].produce(acks, values, func(first int64, err error) {
			s.w.network.change(func() {
				if err != nil {
					s.tell("%s: %v", strings.Join(values, " "), err)
				} else if acks == -1 {
					s.tell("%s is acknowledged at offset %d", strings.Join(values, " "), first)
				}
			})
		})
	}
}

// fetch ID [times=N] lets a broker send so many requests.
func (s *story) fetch(a args) {
	n, id := s.w.network, a.id()
	n.change(func() { n.mu.left[id] = a.int("times", 1) })
	if !s.settled(id) {
		s.tell("%d has nothing to ask", id)
	}
	n.change(func() { n.mu.left[id] = 0 })
}

// settled waits until what a broker may send has been sent and answered, at most two seconds.
func (s *story) settled(id cluster.BrokerID) bool {
	n := s.w.network
	for range 200 {
		synctest.Wait()
		var quiet bool
		n.change(func() { quiet = n.mu.left[id] == 0 && (n.mu.inFlight[id] == 0 || n.mu.hold[id]) })
		if quiet {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// hold ID keeps answers to a broker back until "hold ID off".
func (s *story) hold(a args) {
	n := s.w.network
	n.change(func() { n.mu.hold[a.id()] = len(a.words) < 2 })
}

// sync lets everybody fetch for a while, untold.
func (s *story) sync(args) {
	n := s.w.network
	n.change(func() {
		n.mu.tell = func(string, ...any) {}
		for id := range s.w.brokers {
			n.mu.left[id] = -1
		}
	})
	time.Sleep(3 * time.Second)
	n.change(func() {
		for id := range s.w.brokers {
			n.mu.left[id] = 0
		}
	})
	time.Sleep(time.Second)
	synctest.Wait()
	n.change(func() { n.mu.tell = s.tell })
}

func (s *story) kill(a args)     { s.w.brokers[a.id()].kill() }
func (s *story) powerCut(a args) { s.w.brokers[a.id()].cutPower() }
func (s *story) start(a args) {
	b := s.w.brokers[a.id()]
	b.start()
	b.fetchers.options.Versions = s.w.versions.withDefaults()
}

// sleep DURATION
func (s *story) sleep(a args) {
	d, err := time.ParseDuration(a.words[0])
	if err != nil {
		s.t.Fatal(err)
	}
	time.Sleep(d)
}

// delete-records ID before=OFFSET
func (s *story) deleteRecords(a args) {
	if err := s.w.brokers[a.id()].openLog().AdvanceLogStart(int64(a.int("before", 0))); err != nil {
		s.t.Fatal(err)
	}
}

// flush ID has all that the broker wrote survive a power cut.
func (s *story) flush(a args) {
	if err := s.w.brokers[a.id()].openLog().Flush(); err != nil {
		s.t.Fatal(err)
	}
}

// break-disk ID has every write of the broker fail.
func (s *story) breakDisk(a args) {
	s.w.brokers[a.id()].fsys.CrashAfter(0)
}
