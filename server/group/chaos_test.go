package group

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestChaos lets clients join, beat, commit, leave, freeze and come back at random, with a log that fails at times and a
// coordinator that is moved. What must hold whatever happens is checked as they go; at the end a second
// coordinator reads the log and must know what the first one knew.
func TestChaos(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				(&chaos{t: t, memory: newMemory(), turn: make(chan struct{}, 1), last: -1}).run(seed)
			})
		})
	}
}

type chaos struct {
	t      *testing.T
	memory *memory
	c      *Coordinator

	turn chan struct{} // held by who commits
	last int64         // the last offset whose commit was acknowledged

	mu     sync.Mutex
	synced int
}

func (ch *chaos) run(seed uint64) {
	ch.c = single(ch.t, ch.memory, nil)
	ch.c.Elect(0, 1)
	synctest.Wait()
	var clients sync.WaitGroup
	for i := range 6 {
		rnd := rand.New(rand.NewPCG(seed, uint64(i)))
		cl := &chaosClient{ch: ch, rnd: rnd, name: fmt.Sprint("client-", i), version: []int16{0, 3, 5, 9}[rnd.IntN(4)]}
		if i%3 == 0 {
			cl.version = 9
			instance := fmt.Sprint("instance-", i)
			cl.instance = &instance
		}
		clients.Go(func() { cl.live(20 * time.Minute) })
	}
	rnd := rand.New(rand.NewPCG(seed, 100))
	for epoch := int32(2); epoch < 12; epoch++ {
		time.Sleep(time.Duration(rnd.IntN(120)) * time.Second)
		switch rnd.IntN(3) {
		case 0:
			ch.memory.setFail(kerr.NotEnoughReplicas)
			time.Sleep(time.Duration(rnd.IntN(5000)) * time.Millisecond)
			ch.memory.setFail(nil)
		case 1:
			ch.c.Resign(0, &epoch)
			time.Sleep(time.Duration(rnd.IntN(3000)) * time.Millisecond)
			ch.c.Elect(0, epoch)
		case 2:
			ch.memory.hold()
			time.Sleep(time.Duration(rnd.IntN(2000)) * time.Millisecond)
			ch.memory.release()
		}
	}
	clients.Wait()
	synctest.Wait()
	if ch.synced < 30 {
		ch.t.Errorf("only %d assignments were handed out: nothing was tested", ch.synced)
	}
	ch.compare()
}

// compare reads the log into another coordinator.
func (ch *chaos) compare() {
	other := single(ch.t, ch.memory, nil)
	other.Elect(0, 1)
	synctest.Wait()
	a, b := ch.c.describe("g"), other.describe("g")
	if a.State == "Stable" && fmt.Sprint(sortedMembers(a)) != fmt.Sprint(sortedMembers(b)) {
		ch.t.Errorf("members differ after a restart:\n%v\n%v", sortedMembers(a), sortedMembers(b))
	}
	was, _, _ := committed(ch.t, ch.c, "g", "t", 0, false)
	is, _, _ := committed(ch.t, other, "g", "t", 0, false)
	if was != is || is < ch.last {
		ch.t.Errorf("offset %d before a restart, %d after it, %d was acknowledged", was, is, ch.last)
	}
}

func sortedMembers(d kmsg.DescribeGroupsResponseGroup) (list []string) {
	for _, m := range d.Members {
		list = append(list, fmt.Sprintf("%s %s %q %q", m.MemberID, m.ClientID, m.ProtocolMetadata, m.MemberAssignment))
	}
	slices.Sort(list)
	return list
}

type chaosClient struct {
	ch         *chaos
	rnd        *rand.Rand
	name       string
	version    int16
	instance   *string
	memberID   string
	generation int32
	held       int32 // the generation of the last assignment
}

// request sends one and waits for its one answer.
func (cl *chaosClient) request(req kmsg.Request) kmsg.Response {
	answer := make(chan kmsg.Response, 2)
	ask(cl.ch.c, Client{cl.name, "/127.0.0.1"}, req, func(r kmsg.Response) { answer <- r })
	select {
	case r := <-answer:
		return r
	case <-time.After(10 * time.Minute):
		cl.ch.t.Errorf("%s: %T was never answered", cl.name, req)
		return nil
	}
}

func (cl *chaosClient) live(long time.Duration) {
	for end := time.Now().Add(long); time.Now().Before(end); {
		if !cl.join() {
			time.Sleep(time.Duration(cl.rnd.IntN(1000)+1) * time.Millisecond)
			continue
		}
		if cl.rnd.IntN(10) == 0 {
			time.Sleep(time.Duration(cl.rnd.IntN(30)) * time.Second) // it freezes before SyncGroup
		}
		if cl.sync() {
			cl.work()
		}
	}
}

func (cl *chaosClient) join() bool {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version, req.Group, req.MemberID, req.InstanceID, req.ProtocolType = cl.version, "g", cl.memberID, cl.instance, "consumer"
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 10_000, 20_000
	req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: subscription("t")}, {Name: "sticky", Metadata: subscription("t")}}
	if cl.rnd.IntN(4) == 0 {
		slices.Reverse(req.Protocols)
	}
	resp, _ := cl.request(req).(*kmsg.JoinGroupResponse)
	if resp == nil {
		return false
	}
	switch resp.ErrorCode {
	case 0:
	case kerr.MemberIDRequired.Code:
		cl.memberID = resp.MemberID
		return false
	default:
		cl.failed(resp.ErrorCode)
		return false
	}
	// A generation that nobody was given an assignment in may not have been stored: a coordinator that loads the
	// group counts on from the last one that was.
	if resp.Generation < cl.held && resp.MemberID == cl.memberID {
		cl.ch.t.Errorf("%s: generation %d after an assignment in %d", cl.name, resp.Generation, cl.held)
	}
	cl.memberID, cl.generation = resp.MemberID, resp.Generation
	if resp.LeaderID == resp.MemberID && !resp.SkipAssignment {
		return cl.lead(resp)
	}
	return true
}

// lead assigns each member its own id and the generation, so that everyone can tell what it was given.
func (cl *chaosClient) lead(resp *kmsg.JoinGroupResponse) bool {
	ids := make(map[string]bool)
	for _, m := range resp.Members {
		if ids[m.MemberID] {
			cl.ch.t.Errorf("member %s is listed twice", m.MemberID)
		}
		ids[m.MemberID] = true
	}
	if !ids[cl.memberID] {
		cl.ch.t.Errorf("leader %s is not among its members", cl.memberID)
	}
	req := cl.syncRequest()
	for _, m := range resp.Members {
		req.GroupAssignment = append(req.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{
			MemberID: m.MemberID, MemberAssignment: fmt.Append(nil, m.MemberID, " ", cl.generation)})
	}
	return cl.assigned(cl.request(req))
}

func (cl *chaosClient) syncRequest() *kmsg.SyncGroupRequest {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Version, req.Group, req.MemberID, req.Generation = 2, "g", cl.memberID, cl.generation
	if cl.instance != nil {
		req.Version, req.InstanceID = 3, cl.instance
	}
	return req
}

func (cl *chaosClient) sync() bool { return cl.assigned(cl.request(cl.syncRequest())) }

func (cl *chaosClient) assigned(r kmsg.Response) bool {
	resp, _ := r.(*kmsg.SyncGroupResponse)
	if resp == nil {
		return false
	}
	if resp.ErrorCode != 0 {
		cl.failed(resp.ErrorCode)
		return false
	}
	// A static member that was replaced keeps the assignment of its former id, and a member the leader did not
	// know of gets none.
	got, want := string(resp.MemberAssignment), fmt.Sprint(cl.memberID, " ", cl.generation)
	if cl.instance == nil && got != want && got != "" {
		cl.ch.t.Errorf("%s was assigned %q, want %q", cl.name, got, want)
	}
	cl.held = cl.generation
	cl.ch.mu.Lock()
	defer cl.ch.mu.Unlock()
	cl.ch.synced++
	return true
}

// work beats and commits until it is called back, leaves, or freezes.
func (cl *chaosClient) work() {
	for {
		time.Sleep(time.Duration(cl.rnd.IntN(4000)) * time.Millisecond)
		switch cl.rnd.IntN(40) {
		case 0:
			cl.leave()
			return
		case 1:
			time.Sleep(time.Duration(cl.rnd.IntN(30)) * time.Second)
		case 2:
			cl.memberID = "" // it restarts
			return
		case 3:
			return // it joins again for reasons of its own
		case 4, 5, 6, 7:
			cl.commit()
		}
		req := kmsg.NewPtrHeartbeatRequest()
		req.Version, req.Group, req.MemberID, req.Generation, req.InstanceID = 3, "g", cl.memberID, cl.generation, cl.instance
		resp, _ := cl.request(req).(*kmsg.HeartbeatResponse)
		if resp == nil {
			return
		}
		if resp.ErrorCode != 0 {
			cl.failed(resp.ErrorCode)
			return
		}
	}
}

func (cl *chaosClient) commit() {
	// One commit after another, so that the last one acknowledged is the last one written. Waiting for a mutex would
	// stop the bubble's clock.
	cl.ch.turn <- struct{}{}
	defer func() { <-cl.ch.turn }()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.MemberID, req.Generation, req.InstanceID = 7, "g", cl.memberID, cl.generation, cl.instance
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Offset = cl.ch.last + 1
	req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}}}
	if resp, _ := cl.request(req).(*kmsg.OffsetCommitResponse); resp != nil && resp.Topics[0].Partitions[0].ErrorCode == 0 {
		cl.ch.last++
	}
}

func (cl *chaosClient) leave() {
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Version, req.Group, req.MemberID = 2, "g", cl.memberID
	cl.request(req)
	cl.memberID = ""
}

func (cl *chaosClient) failed(code int16) {
	switch code {
	case kerr.UnknownMemberID.Code, kerr.FencedInstanceID.Code:
		cl.memberID, cl.generation, cl.held = "", 0, 0
	}
}
