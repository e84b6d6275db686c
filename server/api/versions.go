package api

import (
	"cmp"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	keyControlledShutdown int16 = 7
	keyAPIVersions        int16 = 18
)

// row is what this broker knows of one API key.
type row struct {
	key      int16
	name     string // as Kafka's log writes it
	min, max int16  // versions served, both included
	// keepsBytes: the handler keeps byte fields beyond its answer, so they must not be views of the frame.
	keepsBytes bool
	// mend puts a body into the order in which kmsg reads it, where that is not Kafka's. It returns a copy.
	mend    func(body []byte, version int16) []byte
	handler func(*row) func(*API, *call) error

	// Filled in by served.
	handle func(*API, *call) error
	schema schema
	// flexibleFrom is the first version whose fields are compact and tagged (KIP-482).
	flexibleFrom int16
}

// headerVersion is how the header of a request of this version is coded.
func (r *row) headerVersion(version int16) int16 {
	switch {
	case version >= r.flexibleFrom:
		return 2
	case r.key == keyControlledShutdown && version == 0:
		return 0 // the one request that never had a client id
	}
	return 1
}

// flexibleAnswer reports whether the answer's header holds tagged fields. ApiVersions has none in any
// version: a client that does not know the broker's versions yet must be able to read the answer.
func (r *row) flexibleAnswer(version int16) bool {
	return version >= r.flexibleFrom && r.key != keyAPIVersions
}

// served is the one table of what this broker serves: the versions of Apache Kafka 3.9.1 in ZooKeeper mode.
// What stands here is advertised, what does not is not: its sender's connection is closed.
//
// A row comes with its handler, in the order of keys.
func served() map[int16]*row {
	rows := map[int16]*row{}
	for _, r := range []row{
		{key: 0, name: "PRODUCE", max: 11, handler: raw((*API).produce)},
		{key: 1, name: "FETCH", max: 17, handler: raw((*API).fetch)},
		{key: 2, name: "LIST_OFFSETS", max: 9, handler: on((*API).listOffsets)},
		{key: 3, name: "METADATA", max: 12, handler: on((*API).metadata)},
		{key: 4, name: "LEADER_AND_ISR", max: 7, handler: on((*API).leaderAndISR)},
		{key: 5, name: "STOP_REPLICA", max: 4, mend: mendStopReplica, handler: on((*API).stopReplica)},
		{key: 6, name: "UPDATE_METADATA", max: 8, handler: on((*API).updateMetadata)},
		{key: keyControlledShutdown, name: "CONTROLLED_SHUTDOWN", max: 3, handler: on((*API).controlledShutdown)},
		{key: 8, name: "OFFSET_COMMIT", max: 9, handler: on((*API).offsetCommit)},
		{key: 9, name: "OFFSET_FETCH", max: 9, handler: on((*API).offsetFetch)},
		{key: 10, name: "FIND_COORDINATOR", max: 6, handler: on((*API).findCoordinator)},
		{key: 11, name: "JOIN_GROUP", max: 9, keepsBytes: true, handler: on((*API).joinGroup)},
		{key: 12, name: "HEARTBEAT", max: 4, handler: on((*API).heartbeat)},
		{key: 13, name: "LEAVE_GROUP", max: 5, handler: on((*API).leaveGroup)},
		{key: 14, name: "SYNC_GROUP", max: 5, keepsBytes: true, handler: on((*API).syncGroup)},
		{key: 15, name: "DESCRIBE_GROUPS", max: 5, handler: on((*API).describeGroups)},
		{key: 16, name: "LIST_GROUPS", max: 5, handler: on((*API).listGroups)},
		{key: keyAPIVersions, name: "API_VERSIONS", max: 4, handler: on((*API).apiVersions)},
		{key: 19, name: "CREATE_TOPICS", max: 7, handler: on((*API).createTopics)},
		{key: 20, name: "DELETE_TOPICS", max: 6, handler: on((*API).deleteTopics)},
		{key: 21, name: "DELETE_RECORDS", max: 2, handler: on((*API).deleteRecords)},
		{key: 22, name: "INIT_PRODUCER_ID", max: 5, handler: on((*API).initProducerID)},
		{key: 23, name: "OFFSET_FOR_LEADER_EPOCH", max: 4, handler: on((*API).offsetForLeaderEpoch)},
		{key: 24, name: "ADD_PARTITIONS_TO_TXN", max: 5, handler: on((*API).addPartitionsToTxn)},
		{key: 25, name: "ADD_OFFSETS_TO_TXN", max: 4, handler: on((*API).addOffsetsToTxn)},
		{key: 26, name: "END_TXN", max: 4, handler: on((*API).endTxn)},
		{key: 27, name: "WRITE_TXN_MARKERS", max: 1, handler: on((*API).writeTxnMarkers)},
		{key: 28, name: "TXN_OFFSET_COMMIT", max: 4, handler: on((*API).txnOffsetCommit)},
		{key: 32, name: "DESCRIBE_CONFIGS", max: 4, handler: on((*API).describeConfigs)},
		{key: 33, name: "ALTER_CONFIGS", max: 2, handler: on((*API).alterConfigs)},
		{key: 34, name: "ALTER_REPLICA_LOG_DIRS", max: 2, handler: on((*API).alterReplicaLogDirs)},
		{key: 35, name: "DESCRIBE_LOG_DIRS", max: 4, handler: on((*API).describeLogDirs)},
		{key: 37, name: "CREATE_PARTITIONS", max: 3, handler: on((*API).createPartitions)},
		{key: 42, name: "DELETE_GROUPS", max: 2, handler: on((*API).deleteGroups)},
		{key: 43, name: "ELECT_LEADERS", max: 2, handler: on((*API).electLeaders)},
		{key: 44, name: "INCREMENTAL_ALTER_CONFIGS", max: 1, handler: on((*API).incrementalAlterConfigs)},
		{key: 45, name: "ALTER_PARTITION_REASSIGNMENTS", max: 0, handler: on((*API).alterPartitionReassignments)},
		{key: 46, name: "LIST_PARTITION_REASSIGNMENTS", max: 0, handler: on((*API).listPartitionReassignments)},
		{key: 47, name: "OFFSET_DELETE", max: 0, handler: on((*API).offsetDelete)},
		{key: 56, name: "ALTER_PARTITION", max: 3, handler: on((*API).alterPartition)},
		{key: 57, name: "UPDATE_FEATURES", max: 1, handler: on((*API).updateFeatures)},
		{key: 60, name: "DESCRIBE_CLUSTER", max: 1, handler: on((*API).describeCluster)},
		{key: 61, name: "DESCRIBE_PRODUCERS", max: 0, handler: on((*API).describeProducers)},
		{key: 65, name: "DESCRIBE_TRANSACTIONS", max: 0, handler: on((*API).describeTransactions)},
		{key: 66, name: "LIST_TRANSACTIONS", max: 1, handler: on((*API).listTransactions)},
		{key: 67, name: "ALLOCATE_PRODUCER_IDS", max: 0, handler: on((*API).allocateProducerIDs)},
	} {
		r := &r
		r.schema = schemaOf(r.key)
		r.flexibleFrom = firstFlexible(r.key, r.max)
		r.handle = r.handler(r)
		rows[r.key] = r
	}
	return rows
}

// firstFlexible asks kmsg for the first version of a request that is flexible, max+1 if none is.
func firstFlexible(key, max int16) int16 {
	req := kmsg.RequestForKey(key)
	for v := range max + 1 {
		if req.SetVersion(v); req.IsFlexible() {
			return v
		}
	}
	return max + 1
}

// advertised lists the rows by key, the order in which Kafka's ApiVersions names them.
func advertised(rows map[int16]*row) []*row {
	list := make([]*row, 0, len(rows))
	for _, r := range rows {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b *row) int { return cmp.Compare(a.key, b.key) })
	return list
}
