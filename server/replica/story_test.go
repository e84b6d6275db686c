package replica

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/integration/golden"
	"ottla/zkcoord/cluster"
)

// TestStories plays the scripts of testdata: deeds, a line of dashes, and the state they lead to. Broker 1 is
// ours; the controller and brokers 2 and 3 are the script.
func TestStories(t *testing.T) {
	golden.Stories(t, "testdata/*.txt", func(t *testing.T, text string) (told string) {
		synctest.Test(t, func(t *testing.T) {
			s := &story{rig: newRig(t), epoch: -1}
			s.rig.m.Start()
			told = golden.Scenes(text, func(deeds []string, _ string) string { return s.play(t, deeds) })
		})
		return told
	})
}

// story is a script under way.
type story struct {
	rig     *rig
	epoch   int32
	waiting []<-chan AppendEntry
	parked  []parkedFetch
	events  []string
}

// play does the deeds of a scene and tells what came of them.
func (s *story) play(t *testing.T, deeds []string) string {
	s.events = nil
	for _, line := range deeds {
		verb, rest, _ := strings.Cut(line, " ")
		do, ok := map[string]func(args){
			"make-leader": s.makeLeader, "make-follower": s.makeFollower, "produce": s.produce, "fetch": s.fetch, "copy": s.copy,
			"truncate": s.truncate, "sleep": s.sleep, "isr-confirmed": s.isrConfirmed, "isr-refused": s.isrRefused, "min-isr": s.minISR,
			"wait-fetch": s.waitFetch, "stop": s.stop, "delete": s.delete, "disk-fails": s.diskFails,
			"alive": s.alive, "end-offset": s.endOffset, "epoch-end": s.epochEnd,
		}[verb]
		if !ok {
			t.Fatalf("no such deed: %s", line)
		}
		do(parse(rest))
		synctest.Wait()
		s.collect()
	}
	return strings.Join(append(s.events, s.state()), "\n") + "\n"
}

type args map[string]string

// parse reads key=value pairs; a word alone is the argument "".
func parse(text string) args {
	a := args{}
	for _, word := range strings.Fields(text) {
		if key, value, ok := strings.Cut(word, "="); ok {
			a[key] = value
		} else {
			a[""] = word
		}
	}
	return a
}

func (a args) int(key string, otherwise int64) int64 {
	if n, err := strconv.ParseInt(a[key], 10, 64); err == nil {
		return n
	}
	return otherwise
}

func (a args) ids(key string, otherwise ...int32) []int32 {
	if a[key] == "" {
		return otherwise
	}
	var ids []int32
	for word := range strings.SplitSeq(a[key], ",") {
		n, _ := strconv.Atoi(word)
		ids = append(ids, int32(n))
	}
	return ids
}

func (s *story) tell(format string, values ...any) {
	s.events = append(s.events, fmt.Sprintf(format, values...))
}

func (s *story) decide(leader int32, a args) {
	s.epoch = int32(a.int("epoch", int64(s.epoch)))
	partitionEpoch := int32(a.int("partition-epoch", int64(s.epoch)))
	replicas := a.ids("replicas", 1, 2, 3)
	if code := s.rig.decide(state(leader, s.epoch, partitionEpoch, a.ids("isr", replicas...), replicas)); code != 0 {
		s.tell("refused: %v", kerr.ErrorForCode(code))
	}
}

func (s *story) makeLeader(a args)   { s.decide(1, a) }
func (s *story) makeFollower(a args) { s.decide(int32(a.int("of", 2)), a) }

func (s *story) produce(a args) {
	acks := map[string]int16{"all": acksAll, "1": 1, "0": 0}[a["acks"]]
	timeout, err := time.ParseDuration(a["timeout"])
	if err != nil {
		timeout = 10 * time.Minute
	}
	s.waiting = append(s.waiting, s.rig.produce(int(a.int("records", 1)), acks, timeout))
}

func (s *story) fetch(a args) {
	fp := s.rig.fetchFrom(cluster.BrokerID(a.int("from", -1)), int32(a.int("epoch", int64(s.epoch))), a.int("offset", 0))
	if fp.Err != nil {
		s.tell("fetch: %v", fp.Err)
	}
}

func (s *story) copy(a args) {
	p, _ := s.rig.m.hosted(orders)
	epoch := int32(a.int("epoch", int64(s.epoch)))
	err := p.AppendAsFollower(epoch, epochRecords(int(a.int("records", 1)), p.LogEndOffset(), int32(a.int("of-epoch", int64(epoch)))), a.int("high-watermark", 0), 0)
	if err != nil {
		s.tell("copy: %v", err)
	}
}

func (s *story) truncate(a args) {
	p, _ := s.rig.m.hosted(orders)
	if err := p.TruncateTo(int32(a.int("epoch", int64(s.epoch))), a.int("to", 0)); err != nil {
		s.tell("truncate: %v", err)
	}
}

func (s *story) sleep(a args) {
	d, err := time.ParseDuration(a[""])
	if err != nil {
		s.tell("%v", err)
	}
	time.Sleep(d)
}

func (s *story) isrConfirmed(a args) {
	w := s.rig.isr.last
	w.want.PartitionEpoch++
	w.want.ISR = brokerIDs(a.ids("isr", 1))
	w.answer(w.want, 0)
}

func (s *story) isrRefused(a args) {
	for code := int16(-1); code < 130; code++ {
		if err := kerr.ErrorForCode(code); code != 0 && err != nil && strings.HasPrefix(err.Error(), a[""]) {
			s.rig.isr.last.answer(cluster.LeaderAndISR{}, code)
			return
		}
	}
	s.tell("no such error: %s", a[""])
}

func (s *story) minISR(a args) {
	s.rig.minISR = int(a.int("", 1))
	s.rig.m.Reconfigure(orders.Topic, TopicConfig{MinInsyncReplicas: s.rig.minISR})
}

func (s *story) alive(a args) { s.rig.alive(a.ids("")...) }

func (s *story) endOffset(args) {
	offset, _, epoch, err := s.rig.m.ListOffset(orders, -1, latestTimestamp, readUncommitted, cluster.NoBroker)
	if err != nil {
		s.tell("end-offset: %v", err)
	} else {
		s.tell("end-offset: %d in epoch %d", offset, epoch)
	}
}

func (s *story) epochEnd(a args) {
	epoch, end, err := s.rig.m.EpochEndOffset(orders, -1, int32(a.int("", 0)))
	if err != nil {
		s.tell("epoch-end: %v", err)
	} else {
		s.tell("epoch-end: epoch %d ends at %d", epoch, end)
	}
}

// parkedFetch is a fetch that waits for records, for ten minutes if need be.
type parkedFetch struct {
	who    string
	answer <-chan FetchPartition
}

func (s *story) waitFetch(a args) {
	id := cluster.BrokerID(a.int("from", -1))
	who := "fetch of " + id.String()
	if id == cluster.NoBroker {
		who = "fetch of a consumer"
	}
	answer := make(chan FetchPartition, 1)
	s.rig.m.Fetch(FetchParams{Replica: id, ReplicaEpoch: -1, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 10 * time.Minute},
		[]FetchPartition{wanted(int32(a.int("epoch", int64(s.epoch))), a.int("offset", 0))},
		func(parts []FetchPartition) { answer <- parts[0] })
	s.parked = append(s.parked, parkedFetch{who, answer})
}

func (s *story) stop(args)   { s.stopReplica(false) }
func (s *story) delete(args) { s.stopReplica(true) }

func (s *story) stopReplica(remove bool) {
	s.rig.m.StopReplica(&kmsg.StopReplicaRequest{Version: 4, BrokerEpoch: -1, Topics: []kmsg.StopReplicaRequestTopic{
		{Topic: orders.Topic, PartitionStates: []kmsg.StopReplicaRequestTopicPartitionState{{LeaderEpoch: epochDuringDelete, Delete: remove}}}}})
}

func (s *story) diskFails(args) { s.rig.m.DirFailed("/data") }

// collect tells what was asked of the controller, and which producers and which waiting fetches have their answers.
func (s *story) collect() {
	for {
		w, ok := s.rig.isr.take()
		if !ok {
			break
		}
		s.tell("asked: isr=%s", commas(w.want.ISR))
	}
	s.waiting = slices.DeleteFunc(s.waiting, func(answer <-chan AppendEntry) bool {
		select {
		case e := <-answer:
			if e.Err != nil {
				s.tell("produced: %v", e.Err)
			} else {
				s.tell("produced: offset=%d", e.Result.FirstOffset)
			}
			return true
		default:
			return false
		}
	})
	s.parked = slices.DeleteFunc(s.parked, func(f parkedFetch) bool {
		select {
		case fp := <-f.answer:
			if fp.Err != nil {
				s.tell("%s: %v", f.who, fp.Err)
			} else {
				s.tell("%s: %d bytes, high watermark %d", f.who, fp.Data.Len(), fp.Data.HighWatermark)
			}
			fp.Data.Release()
			return true
		default:
			return false
		}
	})
}

func commas(ids []cluster.BrokerID) string {
	return strings.ReplaceAll(strings.Trim(idList(ids), "[]"), " ", ",")
}

func (s *story) state() string {
	text := "not here"
	if all := s.rig.m.Snapshot(); len(all) > 0 {
		text = fmt.Sprintf("log-end=%d high-watermark=%d", all[0].LogEnd, all[0].HighWatermark)
	}
	text += fmt.Sprintf(" waiting=%d", len(s.waiting))
	if n := len(s.parked); n > 0 {
		text += fmt.Sprintf(" fetching=%d", n)
	}
	return text
}
