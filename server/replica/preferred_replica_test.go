package replica

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/metadata"
	"ottla/zkcoord/cluster"
)

func inSync(ids ...cluster.BrokerID) []cluster.BrokerID { return ids }

// A consumer that could read nearer to itself is told so at once, with no records, however long it would wait.
func TestAConsumerIsSentToItsRackAtOnce(t *testing.T) {
	rackAware := true
	r := newRig(t, func(o *Options) { o.Config = func() Config { return Config{RackAware: rackAware} } })
	near, far := "near", "far"
	r.m.UpdateMetadata(&kmsg.UpdateMetadataRequest{Version: 8, ControllerID: 9, BrokerEpoch: -1, LiveBrokers: []kmsg.UpdateMetadataRequestLiveBroker{
		{ID: 1, Rack: &far}, {ID: 2, Rack: &near, Endpoints: []kmsg.UpdateMetadataRequestLiveBrokerEndpoint{{ListenerName: "PLAINTEXT", Port: 9092}}},
	}})
	r.lead(4, 1, 2)
	r.mustProduce(3)
	r.fetchFrom(2, 4, 3)
	read := func(rack string) FetchPartition {
		answer := make(chan FetchPartition, 1)
		r.m.Fetch(FetchParams{Replica: cluster.NoBroker, MinBytes: 1 << 20, MaxBytes: 1 << 20, MaxWait: time.Hour, ClientRack: rack, Listener: "PLAINTEXT"},
			[]FetchPartition{wanted(4, 2)}, func(parts []FetchPartition) { answer <- parts[0] })
		select {
		case fp := <-answer:
			fp.Data.Release()
			return fp
		case <-time.After(10 * time.Second):
			t.Fatal("it waits")
			return FetchPartition{}
		}
	}
	if fp := read(near); fp.Err != nil || fp.PreferredReplica != 2 || fp.Data.Len() != 0 || fp.Data.HighWatermark != 3 {
		t.Errorf("sent to %d with %d bytes and high watermark %d, %v", fp.PreferredReplica, fp.Data.Len(), fp.Data.HighWatermark, fp.Err)
	}
	r.fetchConsumerGetsRecords(far)
	rackAware = false
	r.fetchConsumerGetsRecords(near)
}

// fetchConsumerGetsRecords reads from the leader itself.
func (r *rig) fetchConsumerGetsRecords(rack string) {
	r.t.Helper()
	answer := make(chan FetchPartition, 1)
	r.m.Fetch(FetchParams{Replica: cluster.NoBroker, MinBytes: 1, MaxBytes: 1 << 20, ClientRack: rack, Listener: "PLAINTEXT"},
		[]FetchPartition{wanted(4, 0)}, func(parts []FetchPartition) { answer <- parts[0] })
	fp := <-answer
	defer fp.Data.Release()
	if fp.Err != nil || fp.PreferredReplica != cluster.NoBroker || fp.Data.Len() == 0 {
		r.t.Errorf("rack %s: sent to %d with %d bytes, %v", rack, fp.PreferredReplica, fp.Data.Len(), fp.Err)
	}
}

// A consumer is sent to the follower in its rack that is furthest; and never to one that would send it back.
func TestPreferredReplica(t *testing.T) {
	now := time.Unix(1000, 0)
	there := []cluster.Endpoint{{Listener: "PLAINTEXT"}}
	brokers := &metadata.Snapshot{Brokers: map[cluster.BrokerID]cluster.Broker{
		1: {ID: 1, Rack: "a", Endpoints: there}, 2: {ID: 2, Rack: "b", Endpoints: there}, 3: {ID: 3, Rack: "b", Endpoints: there},
		4: {ID: 4, Rack: "c", Endpoints: there}, 6: {ID: 6, Rack: "b", Endpoints: []cluster.Endpoint{{Listener: "INTERNAL"}}}, // 5 of rack b is dead
	}}
	caughtUp := followerState{logStart: 10, logEnd: 100, caughtUp: now}
	behind := followerState{logStart: 10, logEnd: 50, caughtUp: now}
	earlier := followerState{logStart: 10, logEnd: 100, caughtUp: now.Add(-time.Second)}
	for name, tc := range map[string]struct {
		rack      string
		isr       []cluster.BrokerID
		followers map[cluster.BrokerID]followerState
		offset    int64
		want      cluster.BrokerID
	}{
		"the one in its rack":                   {"b", inSync(1, 2, 4), map[cluster.BrokerID]followerState{2: caughtUp, 4: caughtUp}, 20, 2},
		"none in its rack":                      {"d", inSync(1, 2, 4), map[cluster.BrokerID]followerState{2: caughtUp, 4: caughtUp}, 20, cluster.NoBroker},
		"the one that is furthest":              {"b", inSync(1, 2, 3), map[cluster.BrokerID]followerState{2: caughtUp, 3: behind}, 20, 2},
		"the one that was there last":           {"b", inSync(1, 2, 3), map[cluster.BrokerID]followerState{2: earlier, 3: caughtUp}, 20, 3},
		"of equals the one of the higher id":    {"b", inSync(1, 2, 3), map[cluster.BrokerID]followerState{2: caughtUp, 3: caughtUp}, 20, 3},
		"not one that has left the ISR":         {"b", inSync(1, 3), map[cluster.BrokerID]followerState{2: caughtUp, 3: behind}, 20, 3},
		"not one without that offset yet":       {"b", inSync(1, 2, 3), map[cluster.BrokerID]followerState{3: behind}, 51, cluster.NoBroker},
		"one that is just there":                {"b", inSync(1, 2, 3), map[cluster.BrokerID]followerState{3: behind}, 50, 3},
		"not one that has deleted it":           {"b", inSync(1, 2), map[cluster.BrokerID]followerState{2: caughtUp}, 9, cluster.NoBroker},
		"not one that is dead":                  {"b", inSync(1, 5), map[cluster.BrokerID]followerState{5: caughtUp}, 20, cluster.NoBroker},
		"not one without the client's listener": {"b", inSync(1, 6), map[cluster.BrokerID]followerState{6: caughtUp}, 20, cluster.NoBroker},
		"not one that has told nothing yet":     {"b", inSync(1, 2), map[cluster.BrokerID]followerState{2: {logStart: unknownOffset, logEnd: unknownOffset}}, 0, cluster.NoBroker},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReign()
			r.isr = tc.isr
			for id, state := range tc.followers {
				f := newFollower(id)
				f.mu.state = state
				r.followers = append(r.followers, f)
			}
			if got := nearest(&FetchParams{ClientRack: tc.rack, Listener: "PLAINTEXT"}, brokers, r, tc.offset); got != tc.want {
				t.Errorf("broker %d, want %d", got, tc.want)
			}
		})
	}
}
