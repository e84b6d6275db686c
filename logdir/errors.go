package logdir

import (
	"errors"

	"ottla/logdir/batch"
)

// What an append, a read or the Manager may answer. server/api knows the code of each on the wire.
var (
	// ErrCorruptBatch: a CRC or a length is wrong (CORRUPT_MESSAGE).
	ErrCorruptBatch = errors.New("corrupt batch")
	// ErrInvalidRecord: the batch breaks a rule (INVALID_RECORD).
	ErrInvalidRecord = batch.ErrInvalidRecord
	// ErrInvalidTimestamp: records are too old or from the future (INVALID_TIMESTAMP).
	ErrInvalidTimestamp = batch.ErrInvalidTimestamp
	// ErrTooLarge: above max.message.bytes (MESSAGE_TOO_LARGE).
	ErrTooLarge = errors.New("batch is larger than max.message.bytes")
	// ErrBatchTooLarge: the records do not fit any segment (RECORD_LIST_TOO_LARGE).
	ErrBatchTooLarge = errors.New("records are larger than a segment")
	// ErrOutOfOrderSequence: a producer's batch is missing before this one (OUT_OF_ORDER_SEQUENCE_NUMBER).
	ErrOutOfOrderSequence = errors.New("out of order sequence number")
	// ErrInvalidProducerEpoch: a newer producer of the same id has written (INVALID_PRODUCER_EPOCH).
	ErrInvalidProducerEpoch = errors.New("invalid producer epoch")
	// ErrInvalidTxnState: a plain batch inside the producer's transaction (INVALID_TXN_STATE).
	ErrInvalidTxnState = errors.New("invalid transaction state")
	// ErrCoordinatorFenced: a marker of an older coordinator (TRANSACTION_COORDINATOR_FENCED).
	ErrCoordinatorFenced = errors.New("transaction coordinator fenced")
	// ErrUnsupportedCompression: zstd before produce version 7 (UNSUPPORTED_COMPRESSION_TYPE).
	ErrUnsupportedCompression = errors.New("unsupported compression type")
	// ErrUnknownCodec: a codec that does not exist (UNKNOWN_SERVER_ERROR, as in Kafka).
	ErrUnknownCodec = batch.ErrUnknownCodec
	// ErrDecompress: the codec cannot read the records (UNKNOWN_SERVER_ERROR, as in Kafka).
	ErrDecompress = batch.ErrDecompress
	// ErrUnsupportedFormat: messages of magic 0 and 1 cannot tell it: a producer's sequence, a transaction, in magic 0 a
	// timestamp (UNSUPPORTED_FOR_MESSAGE_FORMAT).
	ErrUnsupportedFormat = errors.New("unsupported message format")
	// ErrOffsetOutOfRange: no such offset in the log (OFFSET_OUT_OF_RANGE).
	ErrOffsetOutOfRange = errors.New("offset out of range")
	// ErrPolicyViolation: a compacted topic keeps its records (POLICY_VIOLATION).
	ErrPolicyViolation = errors.New("records of a topic that is compacted and not deleted cannot be deleted")
	// ErrStorage: the disk, or this partition on it, is unusable (KAFKA_STORAGE_ERROR).
	ErrStorage = errors.New("storage error")
	// ErrOfflineDir: the partition may live in a directory that is offline (KAFKA_STORAGE_ERROR).
	ErrOfflineDir = errors.New("log directory offline")
	// ErrUnknownDir: no such directory is in log.dirs (LOG_DIR_NOT_FOUND).
	ErrUnknownDir = errors.New("no such log directory")
	// ErrDiskFull: there is no space for it; it comes with ErrStorage (KAFKA_STORAGE_ERROR).
	ErrDiskFull = errors.New("no space left")
	// ErrLowSpace: storage.min.free.bytes keeps clients' records out; it comes with ErrStorage (KAFKA_STORAGE_ERROR).
	ErrLowSpace = errors.New("space is low")
	// ErrTopicID: the directory holds a topic of the same name and another id (INCONSISTENT_TOPIC_ID).
	ErrTopicID = errors.New("inconsistent topic id")
	// ErrUnknownLog: this broker holds no such partition.
	ErrUnknownLog = errors.New("no such log")
	// ErrNonMonotonic: a leader sent offsets that do not go on where the log ends.
	ErrNonMonotonic = errors.New("offsets do not go on where the log ends")
	// ErrClosed: the Manager was closed, or the log deleted.
	ErrClosed = errors.New("log is closed")
)

// RecordError is one refused record of a produced batch.
type RecordError = batch.RecordError

// AppendError is an error with what Kafka tells the producer beside the code.
type AppendError struct {
	// RecordErrors are the refused records, Message the text; either may be empty.
	RecordErrors []RecordError
	Message      string
	Err          error
}

// Error is the cause's text.
func (e *AppendError) Error() string { return e.Err.Error() }

// Unwrap is the cause: one of the sentinels.
func (e *AppendError) Unwrap() error { return e.Err }

// appendError dresses what package batch reports for the wire.
func appendError(err error) error {
	var records *batch.RecordsError
	if errors.As(err, &records) {
		return &AppendError{RecordErrors: records.Records, Message: records.Error(), Err: err}
	}
	var magic *batch.MagicError
	if errors.As(err, &magic) {
		return &AppendError{Message: magic.Error(), Err: ErrCorruptBatch}
	}
	if errors.Is(err, batch.ErrCorrupt) {
		return errors.Join(ErrCorruptBatch, err)
	}
	if errors.Is(err, batch.ErrFormat) {
		return errors.Join(ErrUnsupportedFormat, err)
	}
	if errors.Is(err, batch.ErrTooLarge) {
		return errors.Join(ErrTooLarge, err)
	}
	return err
}
