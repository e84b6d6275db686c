package group

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/logdir/batch"
)

// withLog is a memory whose partition 0 holds a log.
func withLog(t *testing.T, log []byte) *memory {
	t.Helper()
	m := newMemory()
	for b, err := range batch.All(log) {
		if err != nil {
			t.Fatal(err)
		}
		h, _ := batch.ReadHeader(b)
		m.mu.ends[0] = h.NextOffset()
	}
	m.mu.logs[0] = log
	return m
}

func single(t *testing.T, m *memory, edit func(*Config)) *Coordinator {
	c := unelected(t, m, edit)
	c.partitions = func() int32 { return 1 }
	return c
}

// committed asks for one offset; -1 is none.
func committed(t *testing.T, c *Coordinator, group, topic string, partition int32, stable bool) (offset int64, metadata string, code int16) {
	t.Helper()
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version, req.RequireStable = 9, stable
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = group
	g.Topics = []kmsg.OffsetFetchRequestGroupTopic{{Topic: topic, Partitions: []int32{partition}}}
	req.Groups = append(req.Groups, g)
	c.OffsetFetch(req, func(r *kmsg.OffsetFetchResponse) {
		if code = r.Groups[0].ErrorCode; code == 0 {
			p := r.Groups[0].Topics[0].Partitions[0]
			offset, metadata, code = p.Offset, *p.Metadata, p.ErrorCode
		}
	})
	return offset, metadata, code
}

// commitOne commits without group management and returns the answer's code.
func commitOne(c *Coordinator, group, topic string, offset int64) (code int16) {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.Generation = 9, group, -1
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Offset = offset
	req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: topic, Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}}}
	code = -2
	c.OffsetCommit(req, func(r *kmsg.OffsetCommitResponse) { code = r.Topics[0].Partitions[0].ErrorCode })
	return code
}

// TestKafkasLogIsLoaded reads a partition that Kafka wrote: transactions, a static member, tombstones.
func TestKafkasLogIsLoaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, err := os.ReadFile("testdata/consumer_offsets.log")
		if err != nil {
			t.Fatal(err)
		}
		c := single(t, withLog(t, log), func(config *Config) { config.LoadBufferBytes = 300 })
		c.Elect(0, 1)
		synctest.Wait()
		for name, tc := range map[string]struct {
			group, topic string
			partition    int32
			want         int64
			metadata     string
		}{
			"what a transaction committed counts, what one aborted does not": {"g-txn", "plain", 0, 7, "txn-meta"},
			"a member's commit":           {"g-sub", "parts", 2, 4, ""},
			"another of the same request": {"g-sub", "plain", 0, 13, ""},
			"a simple consumer's":         {"g-simple", "plain", 0, 3, "meta-data"},
			"a deleted one is gone":       {"g-deleted", "plain", 0, -1, ""},
		} {
			if got, metadata, code := committed(t, c, tc.group, tc.topic, tc.partition, true); got != tc.want || metadata != tc.metadata || code != 0 {
				t.Errorf("%s: offset %d %q %s, want %d %q", name, got, metadata, codeName(code), tc.want, tc.metadata)
			}
		}
		d := c.describe("g-sub")
		if d.State != "Stable" || d.Protocol != "range" || len(d.Members) != 1 || *d.Members[0].InstanceID != "inst-1" || d.Members[0].ClientHost != "/127.0.0.1" {
			t.Errorf("g-sub is %+v", d)
		}
		time.Sleep(46 * time.Second) // the member's session is 45 s, and nobody beats for it
		synctest.Wait()
		if d := c.describe("g-sub"); d.State != "Empty" {
			t.Errorf("g-sub is still %s", d.State)
		}
	})
}

func TestRequestsWhileLoading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.setFail(errors.New("the disk is slow"))
		c := single(t, m, nil)
		if code := commitOne(c, "g", "t", 1); code != kerr.NotCoordinator.Code {
			t.Errorf("before the election: %s", codeName(code))
		}
		m.mu.ends[0] = 1
		c.Elect(0, 3)
		synctest.Wait()
		if code := commitOne(c, "g", "t", 1); code != kerr.CoordinatorLoadInProgress.Code {
			t.Errorf("while loading: %s", codeName(code))
		}
		heartbeat, sync := kmsg.NewPtrHeartbeatRequest(), kmsg.NewPtrSyncGroupRequest()
		heartbeat.Group, sync.Group = "g", "g"
		c.Heartbeat(heartbeat, func(r *kmsg.HeartbeatResponse) {
			if r.ErrorCode != 0 {
				t.Errorf("heartbeat while loading: %s, want a blind NONE", codeName(r.ErrorCode))
			}
		})
		c.SyncGroup(sync, func(r *kmsg.SyncGroupResponse) {
			if r.ErrorCode != kerr.RebalanceInProgress.Code {
				t.Errorf("sync while loading: %s", codeName(r.ErrorCode))
			}
		})
		list := kmsg.NewPtrListGroupsRequest()
		c.ListGroups(list, func(r *kmsg.ListGroupsResponse) {
			if r.ErrorCode != kerr.CoordinatorLoadInProgress.Code {
				t.Errorf("list while loading: %s", codeName(r.ErrorCode))
			}
		})
		m.setFail(nil)
		time.Sleep(time.Minute) // it is tried again by itself
		synctest.Wait()
		if code := commitOne(c, "g", "t", 1); code != 0 {
			t.Errorf("after loading: %s", codeName(code))
		}
	})
}

func TestReignsAreFencedByTheirEpochs(t *testing.T) {
	epoch := func(e int32) *int32 { return &e }
	synctest.Test(t, func(t *testing.T) {
		c := single(t, newMemory(), nil)
		serves := func(when string, want int16) {
			t.Helper()
			synctest.Wait()
			if code := commitOne(c, "g", "t", 1); code != want {
				t.Errorf("%s: %s, want %s", when, codeName(code), codeName(want))
			}
		}
		c.Elect(0, 5)
		serves("elected", 0)
		c.Resign(0, epoch(4))
		serves("an older reign's end changes nothing", 0)
		c.Resign(0, epoch(6))
		serves("resigned", kerr.NotCoordinator.Code)
		c.Elect(0, 5)
		serves("an older election changes nothing", kerr.NotCoordinator.Code)
		c.Elect(0, 7)
		serves("elected again", 0)
		c.Resign(0, nil)
		serves("the replica is gone", kerr.NotCoordinator.Code)
	})
}

// TestOpenTransactionsKeepOffsetsUnstable loads a commit whose transaction has no end in the log.
func TestOpenTransactionsKeepOffsetsUnstable(t *testing.T) {
	for name, tc := range map[string]struct {
		commit bool
		want   int64
	}{"committed": {true, 9}, "aborted": {false, 5}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				plain := batch.NewBuilder(batch.PlainOptions(batch.None))
				plain.Append(1, offsetKey{"g", tp("t", 0)}.encode(), commit{5, -1, "", 1, -1}.encode(3))
				options := batch.PlainOptions(batch.None)
				options.ProducerID, options.ProducerEpoch, options.BaseSequence, options.Transactional = 44, 0, 0, true
				open := batch.NewBuilder(options)
				open.Append(1, offsetKey{"g", tp("t", 0)}.encode(), commit{9, -1, "", 1, -1}.encode(3))
				for _, b := range [][]byte{plain.Bytes(), open.Bytes()} {
					if _, err := m.write(0, b); err != nil {
						t.Fatal(err)
					}
				}
				c := single(t, m, nil)
				c.Elect(0, 1)
				synctest.Wait()
				if _, _, code := committed(t, c, "g", "t", 0, true); code != kerr.UnstableOffsetCommit.Code {
					t.Errorf("stable offset: %s", codeName(code))
				}
				if got, _, _ := committed(t, c, "g", "t", 0, false); got != 5 {
					t.Errorf("offset %d, want 5", got)
				}
				c.TransactionEnded(44, 0, tc.commit)
				if got, _, code := committed(t, c, "g", "t", 0, true); got != tc.want || code != 0 {
					t.Errorf("offset %d %s, want %d", got, codeName(code), tc.want)
				}
			})
		})
	}
}
