package server

import (
	"testing"

	"ottla/fetcher"
	"ottla/server/config"
	"ottla/zkcoord"
	"ottla/zkcoord/controller"
)

// The versions of requests by inter.broker.protocol.version, as Apache Kafka 3.9.1 chooses them.
func TestVersionsFollowTheProtocol(t *testing.T) {
	for _, tc := range []struct {
		protocol                                  config.Protocol
		leaderAndISR, stopReplica, updateMetadata int16
		fetch, listOffsets, offsetForLeaderEpoch  int16
		writeTxnMarkers, controlledShutdown       int16
		alterPartition                            int16
		topicIDs, recovery, features              bool
		featureShape                              int32
	}{
		{config.Protocol24IV0, 3, 1, 5, 11, 5, 3, 0, 2, 1, false, false, false, 1},
		{config.Protocol24IV1, 4, 2, 6, 11, 5, 3, 0, 3, 1, false, false, false, 1},
		{config.Protocol26IV0, 4, 3, 6, 11, 5, 3, 0, 3, 1, false, false, false, 1},
		{config.Protocol27IV0, 4, 3, 6, 11, 5, 3, 0, 3, 1, false, false, true, 1},
		{config.Protocol27IV2, 4, 3, 6, 12, 5, 3, 0, 3, 1, false, false, true, 1},
		{config.Protocol28IV0, 4, 3, 6, 12, 6, 4, 1, 3, 3, true, false, true, 1},
		{config.Protocol28IV1, 5, 3, 7, 12, 6, 4, 1, 3, 3, true, false, true, 1},
		{config.Protocol30IV1, 5, 3, 7, 12, 7, 4, 1, 3, 3, true, false, true, 1},
		{config.Protocol31IV0, 5, 3, 7, 13, 7, 4, 1, 3, 3, true, false, true, 1},
		{config.Protocol32IV0, 6, 3, 7, 13, 7, 4, 1, 3, 3, true, true, true, 1},
		{config.Protocol33IV0, 6, 3, 7, 13, 7, 4, 1, 3, 3, true, true, true, 2},
		{config.Protocol34IV0, 7, 4, 8, 13, 7, 4, 1, 3, 3, true, true, true, 2},
		{config.Protocol35IV0, 7, 4, 8, 14, 8, 4, 1, 3, 3, true, true, true, 2},
		{config.Protocol35IV1, 7, 4, 8, 15, 8, 4, 1, 3, 3, true, true, true, 2},
		{config.Protocol37IV4, 7, 4, 8, 16, 8, 4, 1, 3, 3, true, true, true, 2},
		{config.Protocol39IV0, 7, 4, 8, 17, 9, 4, 1, 3, 3, true, true, true, 2},
	} {
		want := controller.Protocol{
			LeaderAndISR: tc.leaderAndISR, StopReplica: tc.stopReplica, UpdateMetadata: tc.updateMetadata, TopicIDs: tc.topicIDs,
			LeaderRecovery: tc.recovery, Feature: zkcoord.Feature{Version: tc.featureShape, Enabled: tc.features},
		}
		if got := controllerProtocol(tc.protocol); got != want {
			t.Errorf("%d: controller %+v, want %+v", tc.protocol, got, want)
		}
		versions := fetcher.Versions{Fetch: tc.fetch, ListOffsets: tc.listOffsets, OffsetForLeaderEpoch: tc.offsetForLeaderEpoch}
		if got := fetcherVersions(tc.protocol); got != versions {
			t.Errorf("%d: fetcher %+v, want %+v", tc.protocol, got, versions)
		}
		if got := writeTxnMarkersVersion(tc.protocol); got != tc.writeTxnMarkers {
			t.Errorf("%d: WriteTxnMarkers %d, want %d", tc.protocol, got, tc.writeTxnMarkers)
		}
		if got := controlledShutdownVersion(tc.protocol); got != tc.controlledShutdown {
			t.Errorf("%d: ControlledShutdown %d, want %d", tc.protocol, got, tc.controlledShutdown)
		}
		if got := alterPartitionVersion(tc.protocol, true); got != tc.alterPartition {
			t.Errorf("%d: AlterPartition %d, want %d", tc.protocol, got, tc.alterPartition)
		}
	}
	if got := controllerProtocol(config.Protocol39IV0); got != controller.NewestProtocol() {
		t.Errorf("3.9's is %+v, not the controller's newest", got)
	}
	if got := alterPartitionVersion(config.Protocol39IV0, false); got != 1 {
		t.Errorf("AlterPartition for a topic without id: %d", got)
	}
}
