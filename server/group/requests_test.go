package group

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/purgatory"
)

// joinOld lets a dynamic member join with a version that needs no second request, and returns where its answer arrives.
func joinOld(c *Coordinator, name string, instance *string) chan *kmsg.JoinGroupResponse {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version, req.Group, req.ProtocolType, req.InstanceID = 3, "g", "consumer", instance
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 10_000, 60_000
	req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: subscription("t")}}
	answer := make(chan *kmsg.JoinGroupResponse, 1)
	c.JoinGroup(Client{name, "/127.0.0.1"}, req, func(r *kmsg.JoinGroupResponse) { answer <- r })
	return answer
}

func syncAs(c *Coordinator, memberID string, generation int32) chan *kmsg.SyncGroupResponse {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Version, req.Group, req.MemberID, req.Generation = 3, "g", memberID, generation
	answer := make(chan *kmsg.SyncGroupResponse, 1)
	c.SyncGroup(req, func(r *kmsg.SyncGroupResponse) { answer <- r })
	return answer
}

// TestWhoLeavesWhileWaitingIsAnswered fails when a member is forgotten with the requests it waits for: their connections
// would never be read again.
func TestWhoLeavesWhileWaitingIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := single(t, newMemory(), nil)
		c.Elect(0, 1)
		synctest.Wait()
		joinOld(c, "leader", nil)
		joined := joinOld(c, "follower", nil)
		time.Sleep(7 * time.Second)
		id := (<-joined).MemberID
		first := syncAs(c, id, 1)
		second := syncAs(c, id, 1) // over another connection, having given up the first
		synctest.Wait()
		if r := <-first; r.ErrorCode != kerr.RebalanceInProgress.Code {
			t.Errorf("the sync that was given up: %s", codeName(r.ErrorCode))
		}
		leave := kmsg.NewPtrLeaveGroupRequest()
		leave.Group, leave.MemberID = "g", id
		c.LeaveGroup(leave, func(*kmsg.LeaveGroupResponse) {})
		synctest.Wait()
		if r := <-second; r.ErrorCode != kerr.UnknownMemberID.Code {
			t.Errorf("the sync of a member that left: %s", codeName(r.ErrorCode))
		}
		join := joinOld(c, "third", nil)
		synctest.Wait()
		third := c.describe("g").Members[1].MemberID
		leave.MemberID = third
		c.LeaveGroup(leave, func(*kmsg.LeaveGroupResponse) {})
		synctest.Wait()
		if r := <-join; r.ErrorCode != kerr.UnknownMemberID.Code || r.MemberID != "" {
			t.Errorf("the join of a member that left: %+v", r)
		}
	})
}

func TestTheFormerLifeOfAStaticMemberIsFencedWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := single(t, newMemory(), nil)
		c.Elect(0, 1)
		synctest.Wait()
		instance := "i"
		former := joinOld(c, "a", &instance)
		joinOld(c, "a", &instance)
		synctest.Wait()
		if r := <-former; r.ErrorCode != kerr.FencedInstanceID.Code {
			t.Errorf("the former join: %s", codeName(r.ErrorCode))
		}
	})
}

// TestTwoLivesAtOnce lets a third life of a static member come while the second is on its way into the log: the second's
// record must not answer the third.
func TestTwoLivesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		c := single(t, m, func(config *Config) { config.InitialRebalanceDelay = 0 })
		c.Elect(0, 1)
		synctest.Wait()
		instance := "i"
		first := <-joinOld(c, "a", &instance)
		sync := syncAs(c, first.MemberID, 1)
		<-sync
		m.hold()
		second, third := joinOld(c, "a", &instance), joinOld(c, "a", &instance)
		synctest.Wait()
		if r := <-second; r.ErrorCode != kerr.FencedInstanceID.Code {
			t.Errorf("the second life: %s", codeName(r.ErrorCode))
		}
		if len(third) != 0 {
			t.Fatal("the third was answered before it was stored")
		}
		m.mu.Lock()
		write := m.mu.queue[0] // the second life's record
		m.mu.queue = m.mu.queue[1:]
		m.mu.Unlock()
		write()
		synctest.Wait()
		if len(third) != 0 {
			t.Fatal("the third was answered by the second's record")
		}
		m.release()
		if r := <-third; r.ErrorCode != 0 || r.Generation != 1 {
			t.Errorf("the third life: %+v", r)
		}
	})
}

// blocking is a Storage whose first Append takes its time.
type blocking struct {
	*memory
	once         sync.Once
	entered, end chan struct{}
}

func (b *blocking) Append(partition int32, data []byte, done func(int64, error)) {
	b.once.Do(func() { close(b.entered); <-b.end })
	b.memory.Append(partition, data, done)
}

// TestRecordsHaveTheOrderOfTheirTurns fails when whoever ends a turn writes its records itself: after a restart the
// older of two would count.
func TestRecordsHaveTheOrderOfTheirTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := single(t, newMemory(), nil)
		c.Elect(0, 1)
		synctest.Wait()
		slow := &blocking{memory: c.storage.(*memory), entered: make(chan struct{}), end: make(chan struct{})}
		c.storage = slow
		go commitOne(c, "g", "t", 1)
		<-slow.entered
		for offset := int64(2); offset < 10; offset++ {
			commitOne(c, "g", "t", offset)
		}
		close(slow.end)
		synctest.Wait()
		for i, r := range slow.records(0) {
			if v, err := decodeCommit(r.Value); err != nil || v.offset != int64(i)+1 {
				t.Errorf("record %d is of offset %d", i, v.offset)
			}
		}
	})
}

func TestErrorsStandWhereTheVersionHasThem(t *testing.T) {
	c := unelected(t, newMemory(), nil) // it is no coordinator of anything
	notHere := kerr.NotCoordinator.Code
	for version := int16(1); version <= 9; version++ {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Version, req.Group = version, "g"
		req.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: "t", Partitions: []int32{3}}}
		req.Groups = []kmsg.OffsetFetchRequestGroup{{Group: "g"}, {Group: "h"}}
		c.OffsetFetch(req, func(r *kmsg.OffsetFetchResponse) {
			ok := false
			switch {
			case version == 1:
				ok = r.ErrorCode == 0 && r.Topics[0].Partitions[0].ErrorCode == notHere && r.Topics[0].Partitions[0].Partition == 3
			case version < 8:
				ok = r.ErrorCode == notHere && len(r.Topics) == 0
			default:
				ok = len(r.Groups) == 2 && r.Groups[0].ErrorCode == notHere && r.Groups[1].Group == "h" && r.Groups[1].ErrorCode == notHere
			}
			if !ok {
				t.Errorf("OffsetFetch v%d: %+v", version, r)
			}
		})
	}
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Version, leave.Group = 3, "g"
	leave.Members = []kmsg.LeaveGroupRequestMember{{MemberID: "m"}}
	c.LeaveGroup(leave, func(r *kmsg.LeaveGroupResponse) {
		if r.ErrorCode != notHere || len(r.Members) != 0 {
			t.Errorf("LeaveGroup: %+v", r)
		}
	})
	own(t, c, c.PartitionFor("g"))
	leave.Version, leave.MemberID = 2, "m"
	c.LeaveGroup(leave, func(r *kmsg.LeaveGroupResponse) {
		if r.ErrorCode != kerr.UnknownMemberID.Code {
			t.Errorf("LeaveGroup v2 of an unknown group: %+v", r)
		}
	})
}

func TestOffsetFetchOfEverything(t *testing.T) {
	c := newCoordinator(t, newMemory(), nil)
	for _, topic := range []string{"a", "b"} {
		if code := commitOne(c, "g", topic, 5); code != 0 {
			t.Fatal(codeName(code))
		}
	}
	for version := int16(1); version <= 9; version++ {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Version, req.Group, req.Groups = version, "g", []kmsg.OffsetFetchRequestGroup{{Group: "g"}}
		c.OffsetFetch(req, func(r *kmsg.OffsetFetchResponse) {
			topics := len(r.Topics)
			if version >= 8 {
				topics = len(r.Groups[0].Topics)
			}
			if want := map[bool]int{true: 0, false: 2}[version == 1]; topics != want { // null is none before version 2
				t.Errorf("v%d: %d topics, want %d", version, topics, want)
			}
		})
	}
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version, req.Group = 7, "g"
	req.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: "a", Partitions: []int32{0, 0, 1}}, {Topic: "z"}, {Topic: "a", Partitions: []int32{1, 2}}}
	c.OffsetFetch(req, func(r *kmsg.OffsetFetchResponse) {
		if len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 3 {
			t.Errorf("what was asked twice: %+v", r.Topics)
		}
	})
}

func TestCommitsAreJudgedOneByOne(t *testing.T) {
	c := newCoordinator(t, newMemory(), func(config *Config) { config.OffsetMetadataMax = 4 })
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.Generation = 9, "g", -1
	for i, metadata := range []string{"1234", "12345", "äöüß", "😀😀😀"} { // counted as Java counts: UTF-16 units
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Metadata = int32(i), &metadata
		req.Topics = append(req.Topics, kmsg.OffsetCommitRequestTopic{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}})
	}
	c.OffsetCommit(req, func(r *kmsg.OffsetCommitResponse) {
		var got []string
		for _, topic := range r.Topics {
			got = append(got, codeName(topic.Partitions[0].ErrorCode))
		}
		if want := "NONE OFFSET_METADATA_TOO_LARGE NONE OFFSET_METADATA_TOO_LARGE"; strings.Join(got, " ") != want {
			t.Errorf("got %v, want %s", got, want)
		}
	})
}

func TestListGroupsFilters(t *testing.T) {
	c := newCoordinator(t, newMemory(), nil)
	commitOne(c, "b", "t", 1)
	commitOne(c, "a", "t", 1)
	for name, tc := range map[string]struct {
		states, types []string
		want          int
	}{
		"none":            {nil, nil, 2},
		"another case":    {[]string{"stable", "eMPTY"}, nil, 2},
		"another state":   {[]string{"Stable"}, nil, 0},
		"classic":         {nil, []string{"Classic"}, 2},
		"another type":    {nil, []string{"consumer"}, 0},
		"an unknown type": {[]string{"Empty"}, []string{"x"}, 0},
	} {
		req := kmsg.NewPtrListGroupsRequest()
		req.Version, req.StatesFilter, req.TypesFilter = 5, tc.states, tc.types
		c.ListGroups(req, func(r *kmsg.ListGroupsResponse) {
			if len(r.Groups) != tc.want {
				t.Errorf("%s: %+v", name, r.Groups)
			}
		})
	}
}

// TestEveryVersionIsAnswered sends each request in each version to a coordinator that knows nothing, and encodes the answer.
func TestEveryVersionIsAnswered(t *testing.T) {
	c := newCoordinator(t, newMemory(), nil)
	for name, tc := range map[string]struct {
		key      kmsg.Key
		min, max int16
	}{
		"OffsetCommit": {kmsg.OffsetCommit, 1, 9}, "OffsetFetch": {kmsg.OffsetFetch, 1, 9}, "JoinGroup": {kmsg.JoinGroup, 0, 9},
		"Heartbeat": {kmsg.Heartbeat, 0, 4}, "LeaveGroup": {kmsg.LeaveGroup, 0, 5}, "SyncGroup": {kmsg.SyncGroup, 0, 5},
		"DescribeGroups": {kmsg.DescribeGroups, 0, 5}, "ListGroups": {kmsg.ListGroups, 0, 5},
		"DeleteGroups": {kmsg.DeleteGroups, 0, 2}, "OffsetDelete": {kmsg.OffsetDelete, 0, 0},
	} {
		for version := tc.min; version <= tc.max; version++ {
			req := kmsg.RequestForKey(tc.key.Int16())
			req.SetVersion(version)
			answered := 0
			ask(c, Client{"c", "/h"}, req, func(resp kmsg.Response) {
				answered++
				again := req.ResponseKind()
				if err := again.ReadFrom(resp.AppendTo(nil)); err != nil {
					t.Errorf("%s v%d: %v", name, version, err)
				}
			})
			if answered != 1 {
				t.Errorf("%s v%d was answered %d times", name, version, answered)
			}
		}
	}
}

func TestMetricsCountGroups(t *testing.T) {
	timer := purgatory.NewTimer()
	defer timer.Close()
	registry := prometheus.NewRegistry()
	c := New(Options{Storage: newMemory(), Timer: timer, Config: DefaultConfig(), Partitions: func() int32 { return 1 }, Log: logrus.New(), Metrics: registry})
	own(t, c, 0)
	commitOne(c, "g", "t", 1)
	commitOne(c, "h", "t", 1)
	got := make(map[string]float64)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			got[f.GetName()] += m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"kafka_coordinator_group_groupmetadatamanager_numgroups":       2,
		"kafka_coordinator_group_groupmetadatamanager_numgroupsempty":  2,
		"kafka_coordinator_group_groupmetadatamanager_numgroupsstable": 0,
		"kafka_coordinator_group_groupmetadatamanager_numoffsets":      2,
		"kafka_server_group_coordinator_metrics_offset_commit_count":   2,
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s is %v, want %v", name, value, want)
		}
	}
	c.Close()
	if families, _ := registry.Gather(); len(families) != 0 {
		t.Error("metrics stay after Close")
	}
}
