package batch

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// ErrInvalidTimestamp says that records are older or younger than the topic allows.
var ErrInvalidTimestamp = errors.New("invalid timestamp")

// RecordError is one refused record: its index in the batch and the reason, as clients are told.
type RecordError struct {
	Index   int32
	Message string
}

// RecordsError refuses a batch for the sake of single records. It is an ErrInvalidTimestamp if any of
// them is, else an ErrInvalidRecord.
type RecordsError struct {
	Records []RecordError
	cause   error
}

// Error is the text that clients are told.
func (e *RecordsError) Error() string {
	if e.cause == ErrInvalidTimestamp {
		return "One or more records have been rejected due to invalid timestamp"
	}
	var first []string
	for _, r := range e.Records[:min(3, len(e.Records))] {
		first = append(first, fmt.Sprintf("RecordError(batchIndex=%d, message='%s')", r.Index, r.Message))
	}
	return fmt.Sprintf("One or more records have been rejected due to %d record errors in total, and only showing the first three errors at most: [%s]",
		len(e.Records), strings.Join(first, ", "))
}

// Unwrap is the kind of error.
func (e *RecordsError) Unwrap() error { return e.cause }

// Rules are what a topic demands of a batch that a leader is to append.
type Rules struct {
	// Partition names the partition in messages to clients.
	Partition fmt.Stringer
	// FromClient adds the rules that coordinators need not keep: no markers, a sane header.
	FromClient bool
	// Compacted topics take no record without a key.
	Compacted bool
	Type      TimestampType
	// Now is the leader's clock in ms; BeforeMax and AfterMax say how far from it a CreateTime may be.
	Now                 int64
	BeforeMax, AfterMax int64
	// Target is how the topic wants records compressed; Keep leaves them as they came.
	Target Compression
	Keep   bool
}

// Checked is what Validate found out.
type Checked struct {
	// Batch is the batch to append: the one given, or a new one if it had to be compressed anew.
	Batch      []byte
	Header     Header
	Conversion Conversion
}

// Validate checks the one whole batch b, whose CRC was checked before, as a leader must, and makes it
// ready but for its base offset and leader epoch: the maximum timestamp is the true one, the timestamp type
// the topic's, the codec the topic's. It may write into b. For an uncompressed batch that needs no change
// it allocates nothing. Errors: *RecordsError, ErrInvalidRecord, ErrUnknownCodec, ErrDecompress, ErrTooLarge.
func Validate(b []byte, h Header, r *Rules) (Checked, error) {
	source := h.Codec()
	if !source.Known() {
		return Checked{}, fmt.Errorf("%v: %w", source, ErrUnknownCodec)
	}
	if r.FromClient {
		if err := checkClientHeader(&h); err != nil {
			return Checked{}, err
		}
	}
	payload, opened := b[HeaderSize:h.SizeInBytes()], 0
	if source != None {
		buf := payloads.Get().(*[]byte)
		defer putPayload(buf)
		var err error
		if payload, err = Decompress((*buf)[:0], source, payload, MaxDecompressed); err != nil {
			return Checked{}, err
		}
		*buf, opened = payload, len(payload)
	}
	maxTimestamp, err := checkRecords(&h, payload, r)
	if err != nil {
		return Checked{}, err
	}
	if r.Type == LogAppendTime {
		maxTimestamp = r.Now
	}
	// Control records are never compressed on the broker's own account.
	if r.Keep || r.Target.Codec == source || source == None && h.IsControl() {
		if h.TimestampType() != r.Type || h.MaxTimestamp != maxTimestamp {
			setTimestamps(b[:h.SizeInBytes()], r.Type, maxTimestamp)
			h = decodeHeader(b)
		}
		return Checked{Batch: b[:h.SizeInBytes()], Header: h, Conversion: Conversion{Temporary: opened}}, nil
	}
	return recompress(h, r, payload, maxTimestamp)
}

// Buffers for decompressed records. A rare huge one is left to the collector.
var payloads = sync.Pool{New: func() any { return new([]byte) }}

func putPayload(b *[]byte) {
	if cap(*b) <= 4<<20 {
		payloads.Put(b)
	}
}

func recompress(h Header, r *Rules, payload []byte, maxTimestamp int64) (Checked, error) {
	began := time.Now()
	h.Attributes = h.Attributes&^(attrCodec|attrLogAppendTime) | int16(r.Target.Codec)
	if r.Type == LogAppendTime {
		h.Attributes |= attrLogAppendTime
	}
	h.MaxTimestamp = maxTimestamp
	out, err := assemble(h, r.Target, payload)
	if err != nil {
		return Checked{}, err
	}
	cost := Conversion{Records: int(h.Count), Temporary: len(payload) + len(out), Took: time.Since(began)}
	return Checked{Batch: out, Header: decodeHeader(out), Conversion: cost}, nil
}

// checkClientHeader refuses headers that no producer writes.
func checkClientHeader(h *Header) error {
	spans := int64(h.LastOffsetDelta) + 1
	switch {
	case spans <= 0:
		return fmt.Errorf("batch has an invalid offset range [%d, %d]: %w", h.BaseOffset, h.LastOffset(), ErrInvalidRecord)
	case h.Count <= 0:
		return fmt.Errorf("invalid reported count for record batch: %d: %w", h.Count, ErrInvalidRecord)
	case spans != int64(h.Count):
		return fmt.Errorf("inconsistent batch offset range [%d, %d] and count of records %d: %w",
			h.BaseOffset, h.LastOffset(), h.Count, ErrInvalidRecord)
	case h.IsControl():
		return fmt.Errorf("clients are not allowed to write control records: %w", ErrInvalidRecord)
	case h.HasProducerID() && h.BaseSequence < 0:
		return fmt.Errorf("invalid sequence number %d in record batch with producer id %d: %w", h.BaseSequence, h.ProducerID, ErrInvalidRecord)
	}
	return nil
}

// checkRecords walks all records and returns their maximum timestamp. Offset differences are not
// looked at: Kafka does not, and clients exist that write zeros.
func checkRecords(h *Header, payload []byte, r *Rules) (maxTimestamp int64, err error) {
	maxTimestamp = NoTimestamp
	var bad *RecordsError
	oldest, youngest := r.Now-r.BeforeMax, addClamped(r.Now, r.AfterMax)
	checkTime := r.Type == CreateTime
	at := 0
	whole := h.TimestampType() == LogAppendTime // one timestamp for all
	for i := int32(0); i < h.Count; i++ {
		next, delta, hasKey, ok := skipRecord(payload, at)
		if !ok {
			_, _, err := nextRecord(payload[at:])
			return 0, err
		}
		ts := h.BaseTimestamp + delta
		if whole {
			ts = h.MaxTimestamp
		}
		maxTimestamp = max(maxTimestamp, ts)
		timed := checkTime && ts != NoTimestamp
		if r.Compacted && !hasKey || timed && (ts < oldest || ts > youngest) || whole && !timed {
			bad = bad.refuse(i, h, payload[at:], ts, r)
		}
		at = next
	}
	if at < len(payload) {
		return 0, errRemaining
	}
	if bad != nil {
		return 0, bad
	}
	return maxTimestamp, nil
}

// refuse adds the reason why the record that p begins with is refused.
func (e *RecordsError) refuse(index int32, h *Header, p []byte, ts int64, r *Rules) *RecordsError {
	record, _, _ := nextRecord(p) // it was read before
	if r.Compacted && !record.hasKey {
		return e.add(index, ErrInvalidRecord, "Compacted topic cannot accept message without key in topic partition "+r.Partition.String())
	}
	if h.TimestampType() == LogAppendTime && (r.Type == LogAppendTime || ts == NoTimestamp) {
		// Only a leader knows that time. Where it will not be used, and looks like any other, Kafka does not mind.
		return e.add(index, ErrInvalidTimestamp, fmt.Sprintf("Invalid timestamp type in message %s(offset=%d, timestamp=%d, key=%d bytes, value=%d bytes)."+
			" Producer should not set timestamp type to LogAppendTime.", r.recordName(h), h.BaseOffset+int64(record.offsetDelta), ts, len(record.key), len(record.value)))
	}
	return e.add(index, ErrInvalidTimestamp, fmt.Sprintf("Timestamp %d of message with offset %d is out of range. The timestamp should be within [%d, %d]",
		ts, h.BaseOffset+int64(record.offsetDelta), r.Now-r.BeforeMax, r.Now+r.AfterMax))
}

// recordName is what Kafka calls a record in a message: it does not read all of those that stay compressed as they are.
func (r *Rules) recordName(h *Header) string {
	if c := h.Codec(); c != None && (r.Keep || r.Target.Codec == c) {
		return "PartialDefaultRecord"
	}
	return "DefaultRecord"
}

func (e *RecordsError) add(index int32, cause error, message string) *RecordsError {
	if e == nil {
		e = &RecordsError{cause: cause}
	}
	if cause == ErrInvalidTimestamp {
		e.cause = cause
	}
	e.Records = append(e.Records, RecordError{Index: index, Message: message})
	return e
}

// addClamped adds without running over: the usual allowance is the largest number there is.
func addClamped(a, b int64) int64 {
	if sum := a + b; sum >= a {
		return sum
	}
	return 1<<63 - 1
}
