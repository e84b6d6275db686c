package api

import (
	"errors"

	"ottla/logdir"
	"ottla/server/replica"
)

// wireError is an error that knows its code, for causes that arise in this package.
type wireError struct {
	code    int16
	message string
}

// fail makes an error with a code and, unless empty, a text other than the code's own.
func fail(code int16, message string) error {
	if message == "" {
		message = codeMessage(code)
	}
	return &wireError{code: code, message: message}
}

// Error is the text that the client is sent.
func (e *wireError) Error() string { return e.message }

// errorCodes is the one table from an error to its code on the wire. The first row that errors.Is finds
// decides. It is never written to.
var errorCodes = [...]struct {
	err  error
	code int16
}{
	{replica.ErrNotLeader, codeNotLeaderOrFollower},
	{replica.ErrUnknownPartition, codeUnknownTopicOrPartition},
	{replica.ErrReplicaNotAvailable, codeReplicaNotAvailable},
	{replica.ErrFencedLeaderEpoch, codeFencedLeaderEpoch},
	{replica.ErrUnknownLeaderEpoch, codeUnknownLeaderEpoch},
	{replica.ErrInvalidTopic, codeInvalidTopicException},
	{replica.ErrInvalidRequiredAcks, codeInvalidRequiredAcks},
	{replica.ErrNotEnoughReplicas, codeNotEnoughReplicas},
	{replica.ErrNotEnoughReplicasAfterAppend, codeNotEnoughReplicasAfterAppend},
	{replica.ErrTimeout, codeRequestTimedOut},
	{replica.ErrOffsetNotAvailable, codeOffsetNotAvailable},
	{replica.ErrUnsupportedTimestamp, codeUnsupportedVersion},

	{logdir.ErrOffsetOutOfRange, codeOffsetOutOfRange},
	{logdir.ErrInvalidTimestamp, codeInvalidTimestamp},
	{logdir.ErrInvalidRecord, codeInvalidRecord},
	{logdir.ErrCorruptBatch, codeCorruptMessage},
	{logdir.ErrTooLarge, codeMessageTooLarge},
	{logdir.ErrBatchTooLarge, codeRecordListTooLarge},
	{logdir.ErrOutOfOrderSequence, codeOutOfOrderSequenceNumber},
	{logdir.ErrInvalidProducerEpoch, codeInvalidProducerEpoch},
	{logdir.ErrInvalidTxnState, codeInvalidTxnState},
	{logdir.ErrCoordinatorFenced, codeTransactionCoordinatorFenced},
	{logdir.ErrUnsupportedCompression, codeUnsupportedCompressionType},
	{logdir.ErrUnknownCodec, codeUnknownServerError},
	{logdir.ErrDecompress, codeUnknownServerError},
	{logdir.ErrUnsupportedFormat, codeUnsupportedForMessageFormat},
	{logdir.ErrPolicyViolation, codePolicyViolation},
	{logdir.ErrStorage, codeKafkaStorageError},
	{logdir.ErrOfflineDir, codeKafkaStorageError},
	{logdir.ErrClosed, codeNotLeaderOrFollower},
	{logdir.ErrUnknownDir, codeLogDirNotFound},
	{logdir.ErrTopicID, codeInconsistentTopicID},
	{logdir.ErrUnknownLog, codeUnknownTopicOrPartition},
}

// Code is the protocol's code for an error of the broker's parts, for whoever stands between two of them.
func Code(err error) int16 { return code(err) }

// code is the protocol's code for err: 0 for nil, UNKNOWN_SERVER_ERROR for one that nobody expected.
func code(err error) int16 {
	if err == nil {
		return codeNone
	}
	if e := (*wireError)(nil); errors.As(err, &e) {
		return e.code
	}
	for i := range errorCodes {
		if errors.Is(err, errorCodes[i].err) {
			return errorCodes[i].code
		}
	}
	return codeUnknownServerError
}

// recordErrors is what a producer is told beside the code: the records at fault, and a text.
func recordErrors(err error) (records []logdir.RecordError, message string) {
	if err == nil {
		return nil, ""
	}
	if e := (*logdir.AppendError)(nil); errors.As(err, &e) {
		return e.RecordErrors, e.Message
	}
	return nil, ""
}
