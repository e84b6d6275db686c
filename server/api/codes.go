package api

// The error codes of the protocol, under the names that Kafka gives them in capitals.
const (
	codeUnknownServerError                 int16 = -1
	codeNone                               int16 = 0
	codeOffsetOutOfRange                   int16 = 1
	codeCorruptMessage                     int16 = 2
	codeUnknownTopicOrPartition            int16 = 3
	codeInvalidFetchSize                   int16 = 4
	codeLeaderNotAvailable                 int16 = 5
	codeNotLeaderOrFollower                int16 = 6
	codeRequestTimedOut                    int16 = 7
	codeBrokerNotAvailable                 int16 = 8
	codeReplicaNotAvailable                int16 = 9
	codeMessageTooLarge                    int16 = 10
	codeStaleControllerEpoch               int16 = 11
	codeOffsetMetadataTooLarge             int16 = 12
	codeNetworkException                   int16 = 13
	codeCoordinatorLoadInProgress          int16 = 14
	codeCoordinatorNotAvailable            int16 = 15
	codeNotCoordinator                     int16 = 16
	codeInvalidTopicException              int16 = 17
	codeRecordListTooLarge                 int16 = 18
	codeNotEnoughReplicas                  int16 = 19
	codeNotEnoughReplicasAfterAppend       int16 = 20
	codeInvalidRequiredAcks                int16 = 21
	codeIllegalGeneration                  int16 = 22
	codeInconsistentGroupProtocol          int16 = 23
	codeInvalidGroupID                     int16 = 24
	codeUnknownMemberID                    int16 = 25
	codeInvalidSessionTimeout              int16 = 26
	codeRebalanceInProgress                int16 = 27
	codeInvalidCommitOffsetSize            int16 = 28
	codeTopicAuthorizationFailed           int16 = 29
	codeGroupAuthorizationFailed           int16 = 30
	codeClusterAuthorizationFailed         int16 = 31
	codeInvalidTimestamp                   int16 = 32
	codeUnsupportedSaslMechanism           int16 = 33
	codeIllegalSaslState                   int16 = 34
	codeUnsupportedVersion                 int16 = 35
	codeTopicAlreadyExists                 int16 = 36
	codeInvalidPartitions                  int16 = 37
	codeInvalidReplicationFactor           int16 = 38
	codeInvalidReplicaAssignment           int16 = 39
	codeInvalidConfig                      int16 = 40
	codeNotController                      int16 = 41
	codeInvalidRequest                     int16 = 42
	codeUnsupportedForMessageFormat        int16 = 43
	codePolicyViolation                    int16 = 44
	codeOutOfOrderSequenceNumber           int16 = 45
	codeDuplicateSequenceNumber            int16 = 46
	codeInvalidProducerEpoch               int16 = 47
	codeInvalidTxnState                    int16 = 48
	codeInvalidProducerIDMapping           int16 = 49
	codeInvalidTransactionTimeout          int16 = 50
	codeConcurrentTransactions             int16 = 51
	codeTransactionCoordinatorFenced       int16 = 52
	codeTransactionalIDAuthorizationFailed int16 = 53
	codeSecurityDisabled                   int16 = 54
	codeOperationNotAttempted              int16 = 55
	codeKafkaStorageError                  int16 = 56
	codeLogDirNotFound                     int16 = 57
	codeSaslAuthenticationFailed           int16 = 58
	codeUnknownProducerID                  int16 = 59
	codeReassignmentInProgress             int16 = 60
	codeDelegationTokenAuthDisabled        int16 = 61
	codeDelegationTokenNotFound            int16 = 62
	codeDelegationTokenOwnerMismatch       int16 = 63
	codeDelegationTokenRequestNotAllowed   int16 = 64
	codeDelegationTokenAuthorizationFailed int16 = 65
	codeDelegationTokenExpired             int16 = 66
	codeInvalidPrincipalType               int16 = 67
	codeNonEmptyGroup                      int16 = 68
	codeGroupIDNotFound                    int16 = 69
	codeFetchSessionIDNotFound             int16 = 70
	codeInvalidFetchSessionEpoch           int16 = 71
	codeListenerNotFound                   int16 = 72
	codeTopicDeletionDisabled              int16 = 73
	codeFencedLeaderEpoch                  int16 = 74
	codeUnknownLeaderEpoch                 int16 = 75
	codeUnsupportedCompressionType         int16 = 76
	codeStaleBrokerEpoch                   int16 = 77
	codeOffsetNotAvailable                 int16 = 78
	codeMemberIDRequired                   int16 = 79
	codePreferredLeaderNotAvailable        int16 = 80
	codeGroupMaxSizeReached                int16 = 81
	codeFencedInstanceID                   int16 = 82
	codeEligibleLeadersNotAvailable        int16 = 83
	codeElectionNotNeeded                  int16 = 84
	codeNoReassignmentInProgress           int16 = 85
	codeGroupSubscribedToTopic             int16 = 86
	codeInvalidRecord                      int16 = 87
	codeUnstableOffsetCommit               int16 = 88
	codeThrottlingQuotaExceeded            int16 = 89
	codeProducerFenced                     int16 = 90
	codeResourceNotFound                   int16 = 91
	codeDuplicateResource                  int16 = 92
	codeUnacceptableCredential             int16 = 93
	codeInconsistentVoterSet               int16 = 94
	codeInvalidUpdateVersion               int16 = 95
	codeFeatureUpdateFailed                int16 = 96
	codePrincipalDeserializationFailure    int16 = 97
	codeSnapshotNotFound                   int16 = 98
	codePositionOutOfRange                 int16 = 99
	codeUnknownTopicID                     int16 = 100
	codeDuplicateBrokerRegistration        int16 = 101
	codeBrokerIDNotRegistered              int16 = 102
	codeInconsistentTopicID                int16 = 103
	codeInconsistentClusterID              int16 = 104
	codeTransactionalIDNotFound            int16 = 105
	codeFetchSessionTopicIDError           int16 = 106
	codeIneligibleReplica                  int16 = 107
	codeNewLeaderElected                   int16 = 108
	codeOffsetMovedToTieredStorage         int16 = 109
	codeFencedMemberEpoch                  int16 = 110
	codeUnreleasedInstanceID               int16 = 111
	codeUnsupportedAssignor                int16 = 112
	codeStaleMemberEpoch                   int16 = 113
	codeMismatchedEndpointType             int16 = 114
	codeUnsupportedEndpointType            int16 = 115
	codeUnknownControllerID                int16 = 116
	codeUnknownSubscriptionID              int16 = 117
	codeTelemetryTooLarge                  int16 = 118
	codeInvalidRegistration                int16 = 119
	codeTransactionAbortable               int16 = 120
	codeInvalidRecordState                 int16 = 121
	codeShareSessionNotFound               int16 = 122
	codeInvalidShareSessionEpoch           int16 = 123
	codeFencedStateEpoch                   int16 = 124
	codeInvalidVoterKey                    int16 = 125
	codeDuplicateVoter                     int16 = 126
	codeVoterNotFound                      int16 = 127
)

// codeMessage is the text that Kafka sends with a code where the cause has no text of its own.
func codeMessage(code int16) string {
	if i := int(code) + 1; i >= 0 && i < len(codeMessages) {
		return codeMessages[i]
	}
	return codeMessages[0]
}

// codeMessages begins with code -1. It is never written to.
var codeMessages = [...]string{
	1 + codeUnknownServerError:                 "The server experienced an unexpected error when processing the request.",
	1 + codeNone:                               "",
	1 + codeOffsetOutOfRange:                   "The requested offset is not within the range of offsets maintained by the server.",
	1 + codeCorruptMessage:                     "This message has failed its CRC checksum, exceeds the valid size, has a null key for a compacted topic, or is otherwise corrupt.",
	1 + codeUnknownTopicOrPartition:            "This server does not host this topic-partition.",
	1 + codeInvalidFetchSize:                   "The requested fetch size is invalid.",
	1 + codeLeaderNotAvailable:                 "There is no leader for this topic-partition as we are in the middle of a leadership election.",
	1 + codeNotLeaderOrFollower:                "For requests intended only for the leader, this error indicates that the broker is not the current leader. For requests intended for any replica, this error indicates that the broker is not a replica of the topic partition.",
	1 + codeRequestTimedOut:                    "The request timed out.",
	1 + codeBrokerNotAvailable:                 "The broker is not available.",
	1 + codeReplicaNotAvailable:                "The replica is not available for the requested topic-partition. Produce/Fetch requests and other requests intended only for the leader or follower return NOT_LEADER_OR_FOLLOWER if the broker is not a replica of the topic-partition.",
	1 + codeMessageTooLarge:                    "The request included a message larger than the max message size the server will accept.",
	1 + codeStaleControllerEpoch:               "The controller moved to another broker.",
	1 + codeOffsetMetadataTooLarge:             "The metadata field of the offset request was too large.",
	1 + codeNetworkException:                   "The server disconnected before a response was received.",
	1 + codeCoordinatorLoadInProgress:          "The coordinator is loading and hence can't process requests.",
	1 + codeCoordinatorNotAvailable:            "The coordinator is not available.",
	1 + codeNotCoordinator:                     "This is not the correct coordinator.",
	1 + codeInvalidTopicException:              "The request attempted to perform an operation on an invalid topic.",
	1 + codeRecordListTooLarge:                 "The request included message batch larger than the configured segment size on the server.",
	1 + codeNotEnoughReplicas:                  "Messages are rejected since there are fewer in-sync replicas than required.",
	1 + codeNotEnoughReplicasAfterAppend:       "Messages are written to the log, but to fewer in-sync replicas than required.",
	1 + codeInvalidRequiredAcks:                "Produce request specified an invalid value for required acks.",
	1 + codeIllegalGeneration:                  "Specified group generation id is not valid.",
	1 + codeInconsistentGroupProtocol:          "The group member's supported protocols are incompatible with those of existing members or first group member tried to join with empty protocol type or empty protocol list.",
	1 + codeInvalidGroupID:                     "The configured groupId is invalid.",
	1 + codeUnknownMemberID:                    "The coordinator is not aware of this member.",
	1 + codeInvalidSessionTimeout:              "The session timeout is not within the range allowed by the broker (as configured by group.min.session.timeout.ms and group.max.session.timeout.ms).",
	1 + codeRebalanceInProgress:                "The group is rebalancing, so a rejoin is needed.",
	1 + codeInvalidCommitOffsetSize:            "The committing offset data size is not valid.",
	1 + codeTopicAuthorizationFailed:           "Topic authorization failed.",
	1 + codeGroupAuthorizationFailed:           "Group authorization failed.",
	1 + codeClusterAuthorizationFailed:         "Cluster authorization failed.",
	1 + codeInvalidTimestamp:                   "The timestamp of the message is out of acceptable range.",
	1 + codeUnsupportedSaslMechanism:           "The broker does not support the requested SASL mechanism.",
	1 + codeIllegalSaslState:                   "Request is not valid given the current SASL state.",
	1 + codeUnsupportedVersion:                 "The version of API is not supported.",
	1 + codeTopicAlreadyExists:                 "Topic with this name already exists.",
	1 + codeInvalidPartitions:                  "Number of partitions is below 1.",
	1 + codeInvalidReplicationFactor:           "Replication factor is below 1 or larger than the number of available brokers.",
	1 + codeInvalidReplicaAssignment:           "Replica assignment is invalid.",
	1 + codeInvalidConfig:                      "Configuration is invalid.",
	1 + codeNotController:                      "This is not the correct controller for this cluster.",
	1 + codeInvalidRequest:                     "This most likely occurs because of a request being malformed by the client library or the message was sent to an incompatible broker. See the broker logs for more details.",
	1 + codeUnsupportedForMessageFormat:        "The message format version on the broker does not support the request.",
	1 + codePolicyViolation:                    "Request parameters do not satisfy the configured policy.",
	1 + codeOutOfOrderSequenceNumber:           "The broker received an out of order sequence number.",
	1 + codeDuplicateSequenceNumber:            "The broker received a duplicate sequence number.",
	1 + codeInvalidProducerEpoch:               "Producer attempted to produce with an old epoch.",
	1 + codeInvalidTxnState:                    "The producer attempted a transactional operation in an invalid state.",
	1 + codeInvalidProducerIDMapping:           "The producer attempted to use a producer id which is not currently assigned to its transactional id.",
	1 + codeInvalidTransactionTimeout:          "The transaction timeout is larger than the maximum value allowed by the broker (as configured by transaction.max.timeout.ms).",
	1 + codeConcurrentTransactions:             "The producer attempted to update a transaction while another concurrent operation on the same transaction was ongoing.",
	1 + codeTransactionCoordinatorFenced:       "Indicates that the transaction coordinator sending a WriteTxnMarker is no longer the current coordinator for a given producer.",
	1 + codeTransactionalIDAuthorizationFailed: "Transactional Id authorization failed.",
	1 + codeSecurityDisabled:                   "Security features are disabled.",
	1 + codeOperationNotAttempted:              "The broker did not attempt to execute this operation. This may happen for batched RPCs where some operations in the batch failed, causing the broker to respond without trying the rest.",
	1 + codeKafkaStorageError:                  "Disk error when trying to access log file on the disk.",
	1 + codeLogDirNotFound:                     "The user-specified log directory is not found in the broker config.",
	1 + codeSaslAuthenticationFailed:           "SASL Authentication failed.",
	1 + codeUnknownProducerID:                  "This exception is raised by the broker if it could not locate the producer metadata associated with the producerId in question. This could happen if, for instance, the producer's records were deleted because their retention time had elapsed. Once the last records of the producerId are removed, the producer's metadata is removed from the broker, and future appends by the producer will return this exception.",
	1 + codeReassignmentInProgress:             "A partition reassignment is in progress.",
	1 + codeDelegationTokenAuthDisabled:        "Delegation Token feature is not enabled.",
	1 + codeDelegationTokenNotFound:            "Delegation Token is not found on server.",
	1 + codeDelegationTokenOwnerMismatch:       "Specified Principal is not valid Owner/Renewer.",
	1 + codeDelegationTokenRequestNotAllowed:   "Delegation Token requests are not allowed on PLAINTEXT/1-way SSL channels and on delegation token authenticated channels.",
	1 + codeDelegationTokenAuthorizationFailed: "Delegation Token authorization failed.",
	1 + codeDelegationTokenExpired:             "Delegation Token is expired.",
	1 + codeInvalidPrincipalType:               "Supplied principalType is not supported.",
	1 + codeNonEmptyGroup:                      "The group is not empty.",
	1 + codeGroupIDNotFound:                    "The group id does not exist.",
	1 + codeFetchSessionIDNotFound:             "The fetch session ID was not found.",
	1 + codeInvalidFetchSessionEpoch:           "The fetch session epoch is invalid.",
	1 + codeListenerNotFound:                   "There is no listener on the leader broker that matches the listener on which metadata request was processed.",
	1 + codeTopicDeletionDisabled:              "Topic deletion is disabled.",
	1 + codeFencedLeaderEpoch:                  "The leader epoch in the request is older than the epoch on the broker.",
	1 + codeUnknownLeaderEpoch:                 "The leader epoch in the request is newer than the epoch on the broker.",
	1 + codeUnsupportedCompressionType:         "The requesting client does not support the compression type of given partition.",
	1 + codeStaleBrokerEpoch:                   "Broker epoch has changed.",
	1 + codeOffsetNotAvailable:                 "The leader high watermark has not caught up from a recent leader election so the offsets cannot be guaranteed to be monotonically increasing.",
	1 + codeMemberIDRequired:                   "The group member needs to have a valid member id before actually entering a consumer group.",
	1 + codePreferredLeaderNotAvailable:        "The preferred leader was not available.",
	1 + codeGroupMaxSizeReached:                "The consumer group has reached its max size.",
	1 + codeFencedInstanceID:                   "The broker rejected this static consumer since another consumer with the same group.instance.id has registered with a different member.id.",
	1 + codeEligibleLeadersNotAvailable:        "Eligible topic partition leaders are not available.",
	1 + codeElectionNotNeeded:                  "Leader election not needed for topic partition.",
	1 + codeNoReassignmentInProgress:           "No partition reassignment is in progress.",
	1 + codeGroupSubscribedToTopic:             "Deleting offsets of a topic is forbidden while the consumer group is actively subscribed to it.",
	1 + codeInvalidRecord:                      "This record has failed the validation on broker and hence will be rejected.",
	1 + codeUnstableOffsetCommit:               "There are unstable offsets that need to be cleared.",
	1 + codeThrottlingQuotaExceeded:            "The throttling quota has been exceeded.",
	1 + codeProducerFenced:                     "There is a newer producer with the same transactionalId which fences the current one.",
	1 + codeResourceNotFound:                   "A request illegally referred to a resource that does not exist.",
	1 + codeDuplicateResource:                  "A request illegally referred to the same resource twice.",
	1 + codeUnacceptableCredential:             "Requested credential would not meet criteria for acceptability.",
	1 + codeInconsistentVoterSet:               "Indicates that the either the sender or recipient of a voter-only request is not one of the expected voters.",
	1 + codeInvalidUpdateVersion:               "The given update version was invalid.",
	1 + codeFeatureUpdateFailed:                "Unable to update finalized features due to an unexpected server error.",
	1 + codePrincipalDeserializationFailure:    "Request principal deserialization failed during forwarding. This indicates an internal error on the broker cluster security setup.",
	1 + codeSnapshotNotFound:                   "Requested snapshot was not found.",
	1 + codePositionOutOfRange:                 "Requested position is not greater than or equal to zero, and less than the size of the snapshot.",
	1 + codeUnknownTopicID:                     "This server does not host this topic ID.",
	1 + codeDuplicateBrokerRegistration:        "This broker ID is already in use.",
	1 + codeBrokerIDNotRegistered:              "The given broker ID was not registered.",
	1 + codeInconsistentTopicID:                "The log's topic ID did not match the topic ID in the request.",
	1 + codeInconsistentClusterID:              "The clusterId in the request does not match that found on the server.",
	1 + codeTransactionalIDNotFound:            "The transactionalId could not be found.",
	1 + codeFetchSessionTopicIDError:           "The fetch session encountered inconsistent topic ID usage.",
	1 + codeIneligibleReplica:                  "The new ISR contains at least one ineligible replica.",
	1 + codeNewLeaderElected:                   "The AlterPartition request successfully updated the partition state but the leader has changed.",
	1 + codeOffsetMovedToTieredStorage:         "The requested offset is moved to tiered storage.",
	1 + codeFencedMemberEpoch:                  "The member epoch is fenced by the group coordinator. The member must abandon all its partitions and rejoin.",
	1 + codeUnreleasedInstanceID:               "The instance ID is still used by another member in the consumer group. That member must leave first.",
	1 + codeUnsupportedAssignor:                "The assignor or its version range is not supported by the consumer group.",
	1 + codeStaleMemberEpoch:                   "The member epoch is stale. The member must retry after receiving its updated member epoch via the ConsumerGroupHeartbeat API.",
	1 + codeMismatchedEndpointType:             "The request was sent to an endpoint of the wrong type.",
	1 + codeUnsupportedEndpointType:            "This endpoint type is not supported yet.",
	1 + codeUnknownControllerID:                "This controller ID is not known.",
	1 + codeUnknownSubscriptionID:              "Client sent a push telemetry request with an invalid or outdated subscription ID.",
	1 + codeTelemetryTooLarge:                  "Client sent a push telemetry request larger than the maximum size the broker will accept.",
	1 + codeInvalidRegistration:                "The controller has considered the broker registration to be invalid.",
	1 + codeTransactionAbortable:               "The server encountered an error with the transaction. The client can abort the transaction to continue using this transactional ID.",
	1 + codeInvalidRecordState:                 "The record state is invalid. The acknowledgement of delivery could not be completed.",
	1 + codeShareSessionNotFound:               "The share session was not found.",
	1 + codeInvalidShareSessionEpoch:           "The share session epoch is invalid.",
	1 + codeFencedStateEpoch:                   "The share coordinator rejected the request because the share-group state epoch did not match.",
	1 + codeInvalidVoterKey:                    "The voter key doesn't match the receiving replica's key.",
	1 + codeDuplicateVoter:                     "The voter is already part of the set of voters.",
	1 + codeVoterNotFound:                      "The voter is not part of the set of voters.",
}
