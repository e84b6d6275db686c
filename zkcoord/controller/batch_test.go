package controller

import (
	"bytes"
	"encoding/hex"
	"testing"

	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// Kafka's field order, which kmsg does not have: see stopReplica.
func TestStopReplicaBytes(t *testing.T) {
	s := newState()
	_, ps := s.addTopic("t", zkcoord.TopicAssignment{Partitions: map[int32]zkcoord.ReplicaAssignment{0: {Replicas: ids(1)}}})
	ps[0].led, ps[0].state = true, cluster.LeaderAndISR{LeaderEpoch: 7}
	req := stopReplicaRequest(s, sender{id: 2, epoch: 3}, 5, map[*partition]bool{ps[0]: true})
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

func TestSecurityProtocolNumbers(t *testing.T) {
	for protocol, want := range map[string]int16{"PLAINTEXT": 0, "SSL": 1, "SASL_PLAINTEXT": 2, "SASL_SSL": 3, "CUSTOM": -1} {
		if got := protocolNumber(protocol); got != want {
			t.Errorf("%s: %d, want %d", protocol, got, want)
		}
	}
}
