package controller

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// Kafka's field order, which kmsg does not have: see stopReplica.
func TestStopReplicaBytes(t *testing.T) {
	s := newState()
	_, ps := s.addTopic("t", zkcoord.TopicAssignment{Partitions: map[int32]zkcoord.ReplicaAssignment{0: {Replicas: ids(1)}}})
	ps[0].led, ps[0].state = true, cluster.LeaderAndISR{LeaderEpoch: 7}
	req := stopReplicaRequest(s, sender{id: 2, epoch: 3, protocol: NewestProtocol()}, 5, map[*partition]bool{ps[0]: true})
	want, err := hex.DecodeString("" +
		"00000002" + // controllerId
		"00" + // isKRaftController
		"00000003" + // controllerEpoch
		"0000000000000005" + // brokerEpoch
		"02" + "0274" + // one topic: t
		"02" + "00000000" + "00000007" + "01" + "00" + // one partition: 0, leaderEpoch 7, delete
		"00" + "00")
	check(t, err)
	prefix := []byte("before")
	if got := req.AppendTo(prefix); !bytes.Equal(got, append(prefix, want...)) {
		t.Errorf("\n got %x\nwant %x%x", got, prefix, want)
	}
}

// Before version 3 one request cannot stop some replicas and delete others.
func TestOldStopReplicaIsForOneDeedEach(t *testing.T) {
	s := newState()
	_, ps := s.addTopic("t", zkcoord.TopicAssignment{Partitions: map[int32]zkcoord.ReplicaAssignment{
		0: {Replicas: ids(1)}, 1: {Replicas: ids(1)}, 2: {Replicas: ids(1)},
	}})
	sortPartitions(ps)
	from := sender{id: 2, epoch: 3, protocol: Protocol{StopReplica: 2}}
	found := map[bool][]int32{}
	for _, req := range stopReplicaRequests(s, from, 5, map[*partition]bool{ps[0]: true, ps[1]: false, ps[2]: true}) {
		var read kmsg.StopReplicaRequest
		read.SetVersion(2)
		check(t, read.ReadFrom(req.AppendTo(nil)))
		if read.ControllerID != 2 || read.ControllerEpoch != 3 || read.BrokerEpoch != 5 || len(read.Topics) != 1 || read.Topics[0].Topic != "t" {
			t.Errorf("%+v", read)
			continue
		}
		found[read.DeletePartitions] = read.Topics[0].Partitions
	}
	if want := map[bool][]int32{true: {0, 2}, false: {1}}; !reflect.DeepEqual(found, want) {
		t.Errorf("%v, want %v", found, want)
	}
}

func TestSecurityProtocolNumbers(t *testing.T) {
	for protocol, want := range map[string]int16{"PLAINTEXT": 0, "SSL": 1, "SASL_PLAINTEXT": 2, "SASL_SSL": 3, "CUSTOM": -1} {
		if got := protocolNumber(protocol); got != want {
			t.Errorf("%s: %d, want %d", protocol, got, want)
		}
	}
}
