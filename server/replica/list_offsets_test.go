package replica

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"ottla/zkcoord/cluster"
)

func TestListOffsets(t *testing.T) {
	r := newRig(t)
	r.lead(3, 1, 2)
	empty := map[int64]string{-1: "0 -1 3", -2: "0 -1 3", -3: "-1 -1 -1", -4: "0 -1 3", -5: "-1 -1 -1", 0: "-1 -1 -1"}
	for timestamp, want := range empty {
		if got := listed(r.m.ListOffset(orders, 3, timestamp, readUncommitted, cluster.NoBroker)); got != want {
			t.Errorf("empty log, timestamp %d: %s, want %s", timestamp, got, want)
		}
	}
	r.mustProduce(3) // timestamps 1000, 1001, 1002
	r.mustProduce(3) // once more
	r.fetchFrom(2, 3, 3)
	for name, tc := range map[string]struct {
		epoch     int32
		timestamp int64
		replica   cluster.BrokerID
		want      string
	}{
		"the end is the high watermark":       {epoch: 3, timestamp: -1, replica: -1, want: "3 -1 3"},
		"a follower sees the log's end":       {epoch: 3, timestamp: -1, replica: 2, want: "6 -1 3"},
		"the start":                           {epoch: -1, timestamp: -2, replica: -1, want: "0 -1 3"},
		"the first of the largest timestamp":  {epoch: 3, timestamp: -3, replica: -1, want: "2 1002 3"},
		"a timestamp":                         {epoch: 3, timestamp: 1001, replica: -1, want: "1 1001 3"},
		"a timestamp after all":               {epoch: 3, timestamp: 1003, replica: -1, want: "-1 -1 -1"},
		"a timestamp that nobody has defined": {epoch: 3, timestamp: -6, replica: -1, want: ErrUnsupportedTimestamp.Error()},
		"an older epoch":                      {epoch: 2, timestamp: -1, replica: -1, want: ErrFencedLeaderEpoch.Error()},
		"a later epoch":                       {epoch: 4, timestamp: -1, replica: -1, want: ErrUnknownLeaderEpoch.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			if got := listed(r.m.ListOffset(orders, tc.epoch, tc.timestamp, readUncommitted, tc.replica)); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
	r.follow(2, 4, 1, 2)
	if got := listed(r.m.ListOffset(orders, 4, -1, readUncommitted, cluster.NoBroker)); got != ErrNotLeader.Error() {
		t.Errorf("at a follower: %s", got)
	}
	if got := listed(r.m.ListOffset(orders, 4, -1, readUncommitted, debuggingConsumer)); got != "6 -1 4" {
		t.Errorf("a tool that looks at a follower: %s", got)
	}
}

func listed(offset, timestamp int64, epoch int32, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(offset, timestamp, epoch)
}

func TestListOffsetsV0(t *testing.T) {
	r := newRig(t)
	r.lead(0, 1)
	r.mustProduce(8)
	r.m.DeleteRecords(0, []RecordDeletion{{TopicPartition: orders, Offset: 1}}, func([]RecordDeletion) {})
	for timestamp, want := range map[int64]string{-1: "[8 1]", -2: "[1]", 2500: "[]", time.Now().Add(time.Hour).UnixMilli(): "[8 1]"} {
		if got, err := r.m.ListOffsetsV0(orders, timestamp, 10, cluster.NoBroker); err != nil || fmt.Sprint(got) != want {
			t.Errorf("timestamp %d: %v, %v; want %s", timestamp, got, err, want)
		}
	}
	if got, _ := r.m.ListOffsetsV0(orders, -1, 1, cluster.NoBroker); fmt.Sprint(got) != "[8]" {
		t.Errorf("at most one: %v", got)
	}
}

// KIP-207: broker 1 followed with a high watermark of 2, though 5 was committed, and leads now.
func TestOffsetsAreNotAvailableBeforeTheEpochStart(t *testing.T) {
	r := newRig(t)
	p := r.follow(2, 0, 1, 2)
	if err := p.AppendAsFollower(0, epochRecords(5, 0, 0), 2, 0); err != nil {
		t.Fatal(err)
	}
	r.lead(1, 1, 2)
	for timestamp, early := range map[int64]bool{-1: true, 1001: false, 1003: true, -3: true, -2: false} {
		_, _, _, err := r.m.ListOffset(orders, 1, timestamp, readUncommitted, cluster.NoBroker)
		if errors.Is(err, ErrOffsetNotAvailable) != early {
			t.Errorf("timestamp %d with the high watermark at 2: %v", timestamp, err)
		}
	}
	r.fetchFrom(2, 1, 5)
	if got := listed(r.m.ListOffset(orders, 1, -1, readUncommitted, cluster.NoBroker)); got != "5 -1 1" {
		t.Errorf("with the high watermark at 5: %s", got)
	}
}
