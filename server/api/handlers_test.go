package api

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"ottla/zkcoord/cluster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAPIVersions(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	introduced := func() *kmsg.ApiVersionsRequest {
		return &kmsg.ApiVersionsRequest{ClientSoftwareName: "ottla-test", ClientSoftwareVersion: "1.0"}
	}
	for version := range int16(5) {
		resp := ask[*kmsg.ApiVersionsResponse](c, introduced(), version)
		if resp.ErrorCode != 0 || len(resp.ApiKeys) != len(r.api.rows) {
			t.Fatalf("v%d: %+v", version, resp)
		}
		if !slices.IsSortedFunc(resp.ApiKeys, func(a, b kmsg.ApiVersionsResponseApiKey) int { return int(a.ApiKey - b.ApiKey) }) {
			t.Errorf("v%d: not in the order of keys", version)
		}
		if version >= 3 && resp.FinalizedFeaturesEpoch != 0 {
			t.Errorf("v%d: finalized features of epoch %d", version, resp.FinalizedFeaturesEpoch)
		}
	}
	for _, name := range []string{"", "bad name!", "-x"} {
		req := introduced()
		req.ClientSoftwareName = name
		if resp := ask[*kmsg.ApiVersionsResponse](c, req, 3); resp.ErrorCode != codeInvalidRequest || len(resp.ApiKeys) != 0 {
			t.Errorf("software %q: %+v", name, resp)
		}
	}

	// A version of the future, with its flexible header: answered as version 0, and the connection goes on.
	c.raw([]byte{0, 0, 0, 14, 0, 18, 0, 99, 0, 0, 0, 9, 0, 1, 'x', 0, 1, 1})
	b, err := c.frame()
	if want := "\x00\x00\x00\x09\x00\x23\x00\x00\x00\x01\x00\x12\x00\x00\x00\x04"; err != nil || string(b) != want {
		t.Errorf("v99 got %x, %v", b, err)
	}
	ask[*kmsg.ApiVersionsResponse](c, introduced(), 4)
}

func TestWhatIsNotServedClosesTheConnection(t *testing.T) {
	r := newRig(t)
	for name, header := range map[string][2]int16{
		"an unknown key":             {999, 0},
		"a negative key":             {-1, 0},
		"a version above":            {3, 99},
		"a negative version":         {3, -1},
		"Produce v2":                 {0, 2},
		"Fetch v3":                   {1, 3},
		"a request of KRaft":         {63, 0},
		"transactions are not there": {24, 3},
	} {
		t.Run(name, func(t *testing.T) {
			c := r.dial()
			frame := []byte{0, 0, 0, 10}
			frame = binary.BigEndian.AppendUint16(frame, uint16(header[0]))
			frame = binary.BigEndian.AppendUint16(frame, uint16(header[1]))
			c.raw(append(frame, 0, 0, 0, 1, 0xff, 0xff))
			if !c.closed() {
				t.Error("the connection stays open")
			}
		})
	}
}

func TestTheLogTellsOfABodyThatIsCutShort(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	c.raw([]byte{0, 0, 0, 10, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff})
	if !c.closed() {
		t.Error("the connection stays open")
	}
	if text := r.log.String(); !strings.Contains(text, "Error getting request for apiKey: METADATA, apiVersion: 1, connectionId: 127.0.0.1:") {
		t.Errorf("the log does not tell of the body that was cut short:\n%s", text)
	}
}

func TestMetadata(t *testing.T) {
	r := newRig(t)
	r.create("orders", 2)
	c := r.dial()
	for version := range int16(13) {
		req := &kmsg.MetadataRequest{Topics: []kmsg.MetadataRequestTopic{{Topic: ptr("orders")}}}
		resp := ask[*kmsg.MetadataResponse](c, req, version)
		if len(resp.Brokers) != 1 || resp.Brokers[0].NodeID != 1 || resp.Brokers[0].Port != 9093 || version > 0 && resp.ControllerID != 1 ||
			version >= 2 && *resp.ClusterID != "rig" {
			t.Errorf("v%d: %+v", version, resp)
		}
		topic := resp.Topics[0]
		if *topic.Topic != "orders" || topic.ErrorCode != 0 || len(topic.Partitions) != 2 || topic.Partitions[1].Leader != 1 ||
			!slices.Equal(topic.Partitions[1].ISR, []int32{1}) || version >= 10 && cluster.TopicID(topic.TopicID) != topicID("orders") {
			t.Errorf("v%d: %+v", version, topic)
		}
	}
	if all := ask[*kmsg.MetadataResponse](c, &kmsg.MetadataRequest{}, 12); len(all.Topics) != 1 {
		t.Errorf("null asks for all topics, got %+v", all.Topics)
	}
	if all := ask[*kmsg.MetadataResponse](c, &kmsg.MetadataRequest{}, 0); len(all.Topics) != 1 {
		t.Errorf("in v0 an empty list asks for all topics, got %+v", all.Topics)
	}
	if none := ask[*kmsg.MetadataResponse](c, &kmsg.MetadataRequest{Topics: []kmsg.MetadataRequestTopic{}}, 12); len(none.Topics) != 0 {
		t.Errorf("an empty list asks for none, got %+v", none.Topics)
	}
}

func TestMetadataOfWhatIsNotThere(t *testing.T) {
	r := newRig(t)
	r.create("orders", 1)
	c := r.dial()
	one := func(version int16, topic kmsg.MetadataRequestTopic, create bool) kmsg.MetadataResponseTopic {
		t.Helper()
		req := &kmsg.MetadataRequest{Topics: []kmsg.MetadataRequestTopic{topic}, AllowAutoTopicCreation: create}
		return ask[*kmsg.MetadataResponse](c, req, version).Topics[0]
	}
	if got := one(12, kmsg.MetadataRequestTopic{Topic: ptr("nosuch")}, false); got.ErrorCode != codeUnknownTopicOrPartition || *got.Topic != "nosuch" {
		t.Errorf("got %+v", got)
	}
	if got := one(12, kmsg.MetadataRequestTopic{Topic: ptr("a/b")}, true); got.ErrorCode != codeInvalidTopicException {
		t.Errorf("got %+v", got)
	}
	if got := one(12, kmsg.MetadataRequestTopic{TopicID: topicID("nosuch")}, true); got.ErrorCode != codeUnknownTopicID || got.Topic != nil {
		t.Errorf("got %+v", got)
	}
	if got := one(12, kmsg.MetadataRequestTopic{TopicID: topicID("orders")}, true); got.ErrorCode != 0 || *got.Topic != "orders" {
		t.Errorf("got %+v", got)
	}
	if got := one(11, kmsg.MetadataRequestTopic{TopicID: topicID("orders"), Topic: ptr("orders")}, true); got.ErrorCode != codeInvalidRequest {
		t.Errorf("an id before version 12: %+v", got)
	}
	if got := one(12, kmsg.MetadataRequestTopic{Topic: ptr("new")}, true); got.ErrorCode != codeLeaderNotAvailable {
		t.Errorf("made on first use: %+v", got)
	}
	if got := one(1, kmsg.MetadataRequestTopic{Topic: ptr("newer")}, false); got.ErrorCode != codeLeaderNotAvailable {
		t.Errorf("version 1 always makes topics: %+v", got)
	}
	r.background.Wait()
	if got := one(12, kmsg.MetadataRequestTopic{Topic: ptr("new")}, true); got.ErrorCode != 0 {
		t.Errorf("later: %+v", got)
	}
}

func TestMetadataOfALostLeader(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	update := &kmsg.UpdateMetadataRequest{ControllerID: 1, ControllerEpoch: 1, BrokerEpoch: -1}
	away := liveBroker(3)
	away.Endpoints[0].ListenerName = "ELSEWHERE"
	update.LiveBrokers = []kmsg.UpdateMetadataRequestLiveBroker{liveBroker(1), away}
	state := kmsg.UpdateMetadataRequestTopicState{Topic: "orders", TopicID: topicID("orders")}
	for p, leader := range []int32{1, 2, 3} {
		state.PartitionStates = append(state.PartitionStates, kmsg.UpdateMetadataRequestTopicPartition{
			Partition: int32(p), Leader: leader, LeaderEpoch: 5, ISR: []int32{leader}, Replicas: []int32{1, 2, 3}})
	}
	update.TopicStates = append(update.TopicStates, state)
	ask[*kmsg.UpdateMetadataResponse](c, update, 8)
	for version, want := range map[int16][]int16{
		12: {0, codeLeaderNotAvailable, codeListenerNotFound},
		5:  {0, codeLeaderNotAvailable, codeLeaderNotAvailable},
		0:  {codeReplicaNotAvailable, codeLeaderNotAvailable, codeLeaderNotAvailable},
	} {
		topic := ask[*kmsg.MetadataResponse](c, &kmsg.MetadataRequest{}, version).Topics[0]
		for i, p := range topic.Partitions {
			if p.ErrorCode != want[i] || want[i] != 0 && want[i] != codeReplicaNotAvailable && p.Leader != -1 {
				t.Errorf("v%d: %+v, want code %d", version, p, want[i])
			}
			if version == 0 && !slices.Equal(p.Replicas, []int32{1}) {
				t.Errorf("v0 names replicas that cannot be reached: %v", p.Replicas)
			}
		}
	}
}

func ptr[T any](v T) *T { return &v }

func TestListOffsets(t *testing.T) {
	r := newRig(t)
	r.create("orders", 1)
	c := r.dial()
	produced(t, c, "orders", records(t, 3, 10))
	one := func(version int16, timestamp int64) kmsg.ListOffsetsResponseTopicPartition {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Timestamp, p.MaxNumOffsets = timestamp, 10
		req := &kmsg.ListOffsetsRequest{ReplicaID: -1, Topics: []kmsg.ListOffsetsRequestTopic{{Topic: "orders", Partitions: []kmsg.ListOffsetsRequestTopicPartition{p}}}}
		return ask[*kmsg.ListOffsetsResponse](c, req, version).Topics[0].Partitions[0]
	}
	for version := int16(1); version <= 9; version++ {
		if end, start := one(version, -1), one(version, -2); end.Offset != 3 || start.Offset != 0 || end.Timestamp != -1 || end.ErrorCode != 0 {
			t.Errorf("v%d: end %+v, start %+v", version, end, start)
		}
		for timestamp, since := range map[int64]int16{-3: 7, -4: 8, -5: 9, -6: 99} {
			if got := one(version, timestamp); (got.ErrorCode == codeUnsupportedVersion) != (version < since) {
				t.Errorf("v%d, timestamp %d: %+v", version, timestamp, got)
			}
		}
	}
	if got := one(0, -1); !slices.Equal(got.OldStyleOffsets, []int64{3, 0}) {
		t.Errorf("v0: %+v", got)
	}
	p := kmsg.NewListOffsetsRequestTopicPartition()
	twice := &kmsg.ListOffsetsRequest{ReplicaID: -1, Topics: []kmsg.ListOffsetsRequestTopic{{Topic: "orders", Partitions: []kmsg.ListOffsetsRequestTopicPartition{p, p}}}}
	if got := ask[*kmsg.ListOffsetsResponse](c, twice, 9).Topics[0].Partitions; got[0].ErrorCode != codeInvalidRequest {
		t.Errorf("a partition asked for twice: %+v", got)
	}
}

func TestOffsetForLeaderEpochAndDeleteRecords(t *testing.T) {
	r := newRig(t)
	r.create("orders", 1)
	c := r.dial()
	produced(t, c, "orders", records(t, 3, 10))
	epoch := func(topic string, current, epoch int32) kmsg.OffsetForLeaderEpochResponseTopicPartition {
		p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		p.CurrentLeaderEpoch, p.LeaderEpoch = current, epoch
		req := &kmsg.OffsetForLeaderEpochRequest{ReplicaID: -1, Topics: []kmsg.OffsetForLeaderEpochRequestTopic{
			{Topic: topic, Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{p}}}}
		return ask[*kmsg.OffsetForLeaderEpochResponse](c, req, 4).Topics[0].Partitions[0]
	}
	if got := epoch("orders", -1, 0); got.EndOffset != 3 || got.LeaderEpoch != 0 || got.ErrorCode != 0 {
		t.Errorf("got %+v", got)
	}
	if got := epoch("orders", 5, 0); got.ErrorCode != codeUnknownLeaderEpoch || got.EndOffset != -1 {
		t.Errorf("got %+v", got)
	}
	if got := epoch("nosuch", -1, 0); got.ErrorCode != codeUnknownTopicOrPartition {
		t.Errorf("got %+v", got)
	}

	del := func(topic string, offset int64) kmsg.DeleteRecordsResponseTopicPartition {
		req := &kmsg.DeleteRecordsRequest{TimeoutMillis: 1000, Topics: []kmsg.DeleteRecordsRequestTopic{
			{Topic: topic, Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Offset: offset}}}}}
		return ask[*kmsg.DeleteRecordsResponse](c, req, 2).Topics[0].Partitions[0]
	}
	for offset, want := range map[int64]int16{9: codeOffsetOutOfRange, -2: codeOffsetOutOfRange, 2: 0} {
		if got := del("orders", offset); got.ErrorCode != want || want == 0 && got.LowWatermark != offset || want != 0 && got.LowWatermark != -1 {
			t.Errorf("offset %d: %+v", offset, got)
		}
	}
	if got := del("nosuch", 0); got.ErrorCode != codeUnknownTopicOrPartition || got.LowWatermark != -1 {
		t.Errorf("got %+v", got)
	}
}

func TestFindCoordinator(t *testing.T) {
	r := newRig(t)
	r.create("orders", 1) // so that this broker is known to live
	c := r.dial()
	start := time.Now()
	req := &kmsg.FindCoordinatorRequest{CoordinatorKeys: []string{"g", "h"}}
	resp := ask[*kmsg.FindCoordinatorResponse](c, req, 4)
	for _, found := range resp.Coordinators {
		if found.ErrorCode != 0 || found.NodeID != 1 || found.Host != "127.0.0.1" || found.Port != 9093 || *found.ErrorMessage != "" {
			t.Errorf("the first to ask waits for __consumer_offsets, got %+v after %v", found, time.Since(start))
		}
	}
	if !slices.Equal(r.zk.made, []string{offsetsTopic}) {
		t.Errorf("made %v", r.zk.made)
	}
	for version := range int16(4) {
		if got := ask[*kmsg.FindCoordinatorResponse](c, &kmsg.FindCoordinatorRequest{CoordinatorKey: "g"}, version); got.ErrorCode != 0 || got.NodeID != 1 {
			t.Errorf("v%d: %+v", version, got)
		}
	}
	r.groups.mu.Lock()
	if !slices.Equal(r.groups.elected, []int32{0}) {
		t.Errorf("the group coordinator was elected for %v", r.groups.elected)
	}
	r.groups.mu.Unlock()
	for kind, want := range map[int8]int16{1: codeCoordinatorNotAvailable, 9: codeInvalidRequest} {
		req := &kmsg.FindCoordinatorRequest{CoordinatorType: kind, CoordinatorKeys: []string{"x"}}
		if got := ask[*kmsg.FindCoordinatorResponse](c, req, 4).Coordinators[0]; got.ErrorCode != want || got.NodeID != -1 || got.Port != -1 || got.Host != "" {
			t.Errorf("kind %d: %+v", kind, got)
		}
	}
}

func TestFindCoordinatorDoesNotWaitForATopicThatCannotBeMade(t *testing.T) {
	r := newRig(t, "offsets.topic.replication.factor", "3")
	r.create("orders", 1)
	start := time.Now()
	resp := ask[*kmsg.FindCoordinatorResponse](r.dial(), &kmsg.FindCoordinatorRequest{CoordinatorKeys: []string{"g"}}, 4)
	if got := resp.Coordinators[0]; got.ErrorCode != codeCoordinatorNotAvailable || got.NodeID != -1 {
		t.Errorf("got %+v", got)
	}
	if waited := time.Since(start); waited > coordinatorPatience/2 {
		t.Errorf("it took %v", waited)
	}
}

func TestGroupRequestsReachTheCoordinator(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	join := kmsg.NewPtrJoinGroupRequest()
	join.Group, join.Protocols = "g", []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte("metadata")}}
	ask[*kmsg.JoinGroupResponse](c, join, 9)
	for range 20 { // other frames go through the same buffers meanwhile
		ask[*kmsg.ApiVersionsResponse](c, &kmsg.ApiVersionsRequest{}, 0)
	}
	r.groups.mu.Lock()
	defer r.groups.mu.Unlock()
	if string(r.groups.joined.Protocols[0].Metadata) != "metadata" {
		t.Errorf("the member's metadata became %q: it was a view into the frame", r.groups.joined.Protocols[0].Metadata)
	}
	if r.groups.client.ID != "test" || r.groups.client.Host != "/127.0.0.1" {
		t.Errorf("client %+v", r.groups.client)
	}
	ask[*kmsg.SyncGroupResponse](c, kmsg.NewPtrSyncGroupRequest(), 5)
	ask[*kmsg.HeartbeatResponse](c, kmsg.NewPtrHeartbeatRequest(), 4)
	ask[*kmsg.LeaveGroupResponse](c, kmsg.NewPtrLeaveGroupRequest(), 5)
	ask[*kmsg.ListGroupsResponse](c, kmsg.NewPtrListGroupsRequest(), 5)
	ask[*kmsg.DeleteGroupsResponse](c, kmsg.NewPtrDeleteGroupsRequest(), 2)
	describe := &kmsg.DescribeGroupsRequest{Groups: []string{"g"}, IncludeAuthorizedOperations: true}
	if got := ask[*kmsg.DescribeGroupsResponse](c, describe, 5).Groups[0].AuthorizedOperations; got != allGroupOperations {
		t.Errorf("authorized operations %b", got)
	}
}

func TestOffsetsOfPartitionsThatDoNotExist(t *testing.T) {
	r := newRig(t)
	r.create("orders", 1)
	c := r.dial()
	commit := &kmsg.OffsetCommitRequest{Group: "g", Topics: []kmsg.OffsetCommitRequestTopic{
		{Topic: "orders", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Partition: 0, Offset: 5}, {Partition: 7}}},
		{Topic: "nosuch", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Partition: 0}}},
	}}
	codes := map[cluster.TopicPartition]int16{}
	for _, topic := range ask[*kmsg.OffsetCommitResponse](c, commit, 9).Topics {
		for _, p := range topic.Partitions {
			codes[cluster.TopicPartition{Topic: topic.Topic, Partition: p.Partition}] = p.ErrorCode
		}
	}
	if codes[cluster.TopicPartition{Topic: "orders"}] != 0 || codes[cluster.TopicPartition{Topic: "orders", Partition: 7}] != codeUnknownTopicOrPartition ||
		codes[cluster.TopicPartition{Topic: "nosuch"}] != codeUnknownTopicOrPartition || len(codes) != 3 {
		t.Errorf("codes %v", codes)
	}
	if got := r.groups.committed.Topics; len(got) != 1 || len(got[0].Partitions) != 1 {
		t.Errorf("the coordinator was asked for %+v", got)
	}
	del := &kmsg.OffsetDeleteRequest{Group: "g", Topics: []kmsg.OffsetDeleteRequestTopic{
		{Topic: "nosuch", Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 0}}}}}
	if got := ask[*kmsg.OffsetDeleteResponse](c, del, 0).Topics; len(got) != 1 || got[0].Partitions[0].ErrorCode != codeUnknownTopicOrPartition {
		t.Errorf("OffsetDelete: %+v", got)
	}
}

func TestOffsetsInZooKeeper(t *testing.T) {
	r := newRig(t)
	r.create("orders", 2)
	c := r.dial()
	commit := &kmsg.OffsetCommitRequest{Group: "g", Topics: []kmsg.OffsetCommitRequestTopic{{Topic: "orders", Partitions: []kmsg.OffsetCommitRequestTopicPartition{
		{Partition: 0, Offset: 42}, {Partition: 1, Metadata: ptr(strings.Repeat("x", 5000))}}}}}
	got := ask[*kmsg.OffsetCommitResponse](c, commit, 0).Topics[0].Partitions
	if got[0].ErrorCode != 0 || got[1].ErrorCode != codeOffsetMetadataTooLarge {
		t.Errorf("OffsetCommit v0: %+v", got)
	}
	fetch := &kmsg.OffsetFetchRequest{Group: "g", Topics: []kmsg.OffsetFetchRequestTopic{{Topic: "orders", Partitions: []int32{0, 1, 9}}}}
	offsets := ask[*kmsg.OffsetFetchResponse](c, fetch, 0).Topics[0].Partitions
	if offsets[0].Offset != 42 || offsets[0].ErrorCode != 0 || offsets[1].Offset != -1 || offsets[1].ErrorCode != codeUnknownTopicOrPartition ||
		offsets[2].ErrorCode != codeUnknownTopicOrPartition {
		t.Errorf("OffsetFetch v0: %+v", offsets)
	}
	if offset, _, _ := r.offsets.ConsumerOffset(context.Background(), "g", cluster.TopicPartition{Topic: "orders"}); offset != 42 {
		t.Errorf("stored %d", offset)
	}
}

func TestInitProducerID(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	seen := map[int64]bool{}
	for range 2500 {
		resp := ask[*kmsg.InitProducerIDResponse](c, &kmsg.InitProducerIDRequest{ProducerID: -1, ProducerEpoch: -1}, 4)
		if resp.ErrorCode != 0 || resp.ProducerEpoch != 0 || seen[resp.ProducerID] {
			t.Fatalf("got %+v", resp)
		}
		seen[resp.ProducerID] = true
	}
	r.controller.mu.Lock()
	defer r.controller.mu.Unlock()
	if r.controller.asked != 3 {
		t.Errorf("the controller was asked %d times for 2500 ids", r.controller.asked)
	}
	for name, tc := range map[string]struct {
		request *kmsg.InitProducerIDRequest
		code    int16
	}{
		"an id without an epoch":     {&kmsg.InitProducerIDRequest{ProducerID: 5, ProducerEpoch: -1}, codeInvalidRequest},
		"an empty transactional id":  {&kmsg.InitProducerIDRequest{ProducerID: -1, ProducerEpoch: -1, TransactionalID: ptr("")}, codeInvalidRequest},
		"no transaction coordinator": {&kmsg.InitProducerIDRequest{ProducerID: -1, ProducerEpoch: -1, TransactionalID: ptr("tx"), TransactionTimeoutMillis: 1000}, codeNotCoordinator},
	} {
		if resp := ask[*kmsg.InitProducerIDResponse](c, tc.request, 4); resp.ErrorCode != tc.code || resp.ProducerID != -1 || resp.ProducerEpoch != -1 {
			t.Errorf("%s: %+v", name, resp)
		}
	}
}

func TestAProducerWithoutAnIDComesAgain(t *testing.T) {
	r := newRig(t)
	r.controller.fail = codeNotController
	c := r.dial()
	for range 3 {
		if resp := ask[*kmsg.InitProducerIDResponse](c, &kmsg.InitProducerIDRequest{ProducerID: -1, ProducerEpoch: -1}, 4); resp.ErrorCode != codeCoordinatorLoadInProgress {
			t.Errorf("got %+v", resp)
		}
	}
	if r.controller.asked != 1 {
		t.Errorf("the controller was asked %d times at once", r.controller.asked)
	}
}

func TestDescribeProducers(t *testing.T) {
	r := newRig(t)
	r.create("orders", 1)
	c := r.dial()
	req := &kmsg.DescribeProducersRequest{Topics: []kmsg.DescribeProducersRequestTopic{{Topic: "orders", Partitions: []int32{0, 9}}}}
	got := ask[*kmsg.DescribeProducersResponse](c, req, 0).Topics[0].Partitions
	if got[0].ErrorCode != 0 || len(got[0].ActiveProducers) != 0 || got[1].ErrorCode != codeUnknownTopicOrPartition {
		t.Errorf("got %+v", got)
	}
}

func TestControllersRequests(t *testing.T) {
	r := newRig(t)
	r.create(offsetsTopic, 1)
	c := r.dial()
	if resp := ask[*kmsg.AllocateProducerIDsResponse](c, kmsg.NewPtrAllocateProducerIDsRequest(), 0); resp.ErrorCode != codeNotController {
		t.Errorf("got %+v", resp)
	}
	if resp := ask[*kmsg.AlterPartitionResponse](c, kmsg.NewPtrAlterPartitionRequest(), 3); resp.ErrorCode != codeNotController {
		t.Errorf("got %+v", resp)
	}
	if resp := ask[*kmsg.ControlledShutdownResponse](c, kmsg.NewPtrControlledShutdownRequest(), 3); resp.ErrorCode != codeStaleControllerEpoch {
		t.Errorf("got %+v", resp)
	}
	stop := stopAsKafkaSends{&kmsg.StopReplicaRequest{ControllerID: 1, ControllerEpoch: 1, BrokerEpoch: -1, Topics: []kmsg.StopReplicaRequestTopic{{Topic: offsetsTopic,
		PartitionStates: []kmsg.StopReplicaRequestTopicPartitionState{{Partition: 0, LeaderEpoch: -2, Delete: true}}}}}}
	if resp := ask[*kmsg.StopReplicaResponse](c, stop, 4); resp.ErrorCode != 0 {
		t.Errorf("got %+v", resp)
	}
	r.groups.mu.Lock()
	defer r.groups.mu.Unlock()
	if !slices.Equal(r.groups.elected, []int32{0}) || !slices.Equal(r.groups.resigned, []int32{0}) {
		t.Errorf("elected %v, resigned %v", r.groups.elected, r.groups.resigned)
	}
}

// stopAsKafkaSends has isKRaftController before the controller epoch, where kmsg puts it behind.
type stopAsKafkaSends struct{ *kmsg.StopReplicaRequest }

func (r stopAsKafkaSends) AppendTo(b []byte) []byte {
	at := len(b) + 4 // behind the controller id
	b = r.StopReplicaRequest.AppendTo(b)
	copy(b[at:at+5], []byte{b[at+4], b[at], b[at+1], b[at+2], b[at+3]})
	return b
}

// Read in kmsg's order, epoch 1 of Kafka's controller would be 0 or 256, and the deletion of a topic would wait for ever.
func TestStopReplicaIsReadInKafkasOrder(t *testing.T) {
	sent := stopAsKafkaSends{&kmsg.StopReplicaRequest{Version: 4, ControllerID: 7, ControllerEpoch: 1, BrokerEpoch: 9}}
	var got kmsg.StopReplicaRequest
	got.Version = 4
	if err := got.ReadFrom(mendStopReplica(sent.AppendTo(nil), 4)); err != nil || got.ControllerEpoch != 1 || got.IsKRaftController || got.BrokerEpoch != 9 {
		t.Errorf("read as %+v, %v", got, err)
	}
}
