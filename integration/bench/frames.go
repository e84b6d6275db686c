package main

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// The load speaks Produce v8 and Fetch v11, encoded by hand: frames are made once and sent as they are, but for
// the correlation id, so that what is measured is the broker.
const (
	produceKey, produceVersion = 0, 8
	fetchKey, fetchVersion     = 1, 11
	forgetKey                  = 1000 // understood by the bare loop only: remove all topics
)

// Values of acks.
const (
	acksLeader = 1
	acksAll    = -1
)

// correlationAt is where a request's correlation id stands in its frame, the length field included.
const correlationAt = 8

// batchOverhead is the length of a record batch's header; batchLengthAt, ... are positions in it.
const (
	batchOverhead      = 61
	batchLengthAt      = 8
	batchMagicAt       = 16
	batchCRCAt         = 17
	batchAttributesAt  = 21
	batchLastOffsetAt  = 23
	batchTimestampAt   = 27
	batchProducerAt    = 43
	batchRecordCountAt = 57
)

// encodeBatch returns a record batch of at most size bytes with as many records of valueSize bytes as it
// holds, and their number.
func encodeBatch(size, valueSize int, timestampMS int64) ([]byte, int) {
	return encodeKeyed(size, valueSize, timestampMS, func() []byte { return nil })
}

// encodeKeyed does so with keys; nil is none.
func encodeKeyed(size, valueSize int, timestampMS int64, key func() []byte) ([]byte, int) {
	b := make([]byte, batchOverhead, size)
	value := make([]byte, valueSize)
	for i := range value {
		value[i] = 'a' + byte(i*7%26)
	}
	count := 0
	for {
		var record []byte
		record = append(record, 0) // attributes
		record = binary.AppendVarint(record, 0)
		record = binary.AppendVarint(record, int64(count))
		if k := key(); k != nil {
			record = append(binary.AppendVarint(record, int64(len(k))), k...)
		} else {
			record = binary.AppendVarint(record, -1)
		}
		record = binary.AppendVarint(record, int64(len(value)))
		record = append(record, value...)
		record = binary.AppendVarint(record, 0) // headers
		length := binary.AppendVarint(nil, int64(len(record)))
		if len(b)+len(length)+len(record) > size {
			break
		}
		b = append(append(b, length...), record...)
		count++
	}
	binary.BigEndian.PutUint32(b[batchLengthAt:], uint32(len(b)-12))
	b[batchMagicAt] = 2
	binary.BigEndian.PutUint32(b[batchLastOffsetAt:], uint32(count-1))
	binary.BigEndian.PutUint64(b[batchTimestampAt:], uint64(timestampMS))
	binary.BigEndian.PutUint64(b[batchTimestampAt+8:], uint64(timestampMS))
	for i := batchProducerAt; i < batchRecordCountAt; i++ {
		b[i] = 0xff // no producer id, epoch, sequence
	}
	binary.BigEndian.PutUint32(b[batchRecordCountAt:], uint32(count))
	setCRC(b)
	return b, count
}

func setCRC(batch []byte) {
	binary.BigEndian.PutUint32(batch[batchCRCAt:], crc32.Checksum(batch[batchAttributesAt:], crc32.MakeTable(crc32.Castagnoli)))
}

// batchTransactional is the attribute of a batch that is part of a transaction.
const batchTransactional = 1 << 4

// setProducer makes a batch a transactional producer's.
func setProducer(batch []byte, id int64, epoch int16, sequence int32) {
	batch[batchAttributesAt+1] = batchTransactional
	binary.BigEndian.PutUint64(batch[batchProducerAt:], uint64(id))
	binary.BigEndian.PutUint16(batch[batchProducerAt+8:], uint16(epoch))
	binary.BigEndian.PutUint32(batch[batchProducerAt+10:], uint32(sequence))
	setCRC(batch)
}

// appendString appends a string as the old versions code it.
func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// beginRequest begins a frame; endFrame sets its length.
func beginRequest(key, version int16) []byte {
	b := make([]byte, 4, 64)
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, 0)
	return appendString(b, "bench")
}

func endFrame(b []byte) []byte {
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

func setCorrelation(frame []byte, id int32) {
	binary.BigEndian.PutUint32(frame[correlationAt:], uint32(id))
}

// encodeProduce returns a produce request that has the same batch for each of the partitions.
func encodeProduce(topic string, acks int16, batch []byte, partitions ...int32) []byte {
	return encodeProduceIn("", topic, acks, batch, partitions...)
}

// encodeProduceIn does so in a transaction; "" is none.
func encodeProduceIn(transaction, topic string, acks int16, batch []byte, partitions ...int32) []byte {
	b := beginRequest(produceKey, produceVersion)
	if transaction == "" {
		b = binary.BigEndian.AppendUint16(b, 0xffff)
	} else {
		b = appendString(b, transaction)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(acks))
	b = binary.BigEndian.AppendUint32(b, 30_000) // ms
	b = binary.BigEndian.AppendUint32(b, 1)
	b = appendString(b, topic)
	b = binary.BigEndian.AppendUint32(b, uint32(len(partitions)))
	for _, p := range partitions {
		b = binary.BigEndian.AppendUint32(b, uint32(p))
		b = binary.BigEndian.AppendUint32(b, uint32(len(batch)))
		b = append(b, batch...)
	}
	return endFrame(b)
}

// fetchFrame is a fetch request for all partitions of a topic, whose offsets can be changed.
type fetchFrame struct {
	bytes   []byte
	offsets []int // where each partition's offset stands
}

// encodeFetch returns a fetch outside of sessions.
func encodeFetch(topic string, partitions, partitionBytes int, maxWaitMS int32) fetchFrame {
	b := beginRequest(fetchKey, fetchVersion)
	b = binary.BigEndian.AppendUint32(b, 0xffffffff) // replica
	b = binary.BigEndian.AppendUint32(b, uint32(maxWaitMS))
	b = binary.BigEndian.AppendUint32(b, 1)                                 // min bytes
	b = binary.BigEndian.AppendUint32(b, uint32(partitions*partitionBytes)) // max bytes
	b = append(b, 0)                                                        // read uncommitted
	b = binary.BigEndian.AppendUint32(b, 0)                                 // session
	b = binary.BigEndian.AppendUint32(b, 0xffffffff)                        // session epoch
	b = binary.BigEndian.AppendUint32(b, 1)
	b = appendString(b, topic)
	b = binary.BigEndian.AppendUint32(b, uint32(partitions))
	f := fetchFrame{}
	for p := range partitions {
		b = binary.BigEndian.AppendUint32(b, uint32(p))
		b = binary.BigEndian.AppendUint32(b, 0xffffffff) // leader epoch
		f.offsets = append(f.offsets, len(b))
		b = binary.BigEndian.AppendUint64(b, 0)
		b = binary.BigEndian.AppendUint64(b, 0xffffffffffffffff) // log start
		b = binary.BigEndian.AppendUint32(b, uint32(partitionBytes))
	}
	b = binary.BigEndian.AppendUint32(b, 0) // nothing to forget
	b = appendString(b, "")                 // rack
	f.bytes = endFrame(b)
	return f
}

func (f *fetchFrame) offset(partition int) int64 {
	return int64(binary.BigEndian.Uint64(f.bytes[f.offsets[partition]:]))
}

func (f *fetchFrame) setOffset(partition int, offset int64) {
	binary.BigEndian.PutUint64(f.bytes[f.offsets[partition]:], uint64(offset))
}

// walk reads an answer from front to back. A read past the end is noted once, at the end.
type walk struct {
	b     []byte
	short bool
}

func (w *walk) take(n int) []byte {
	if n < 0 || n > len(w.b) {
		w.short, w.b = true, nil
		return make([]byte, max(0, min(n, 8)))
	}
	taken := w.b[:n]
	w.b = w.b[n:]
	return taken
}
func (w *walk) int16() int16    { return int16(binary.BigEndian.Uint16(w.take(2))) }
func (w *walk) int32() int32    { return int32(binary.BigEndian.Uint32(w.take(4))) }
func (w *walk) int64() int64    { return int64(binary.BigEndian.Uint64(w.take(8))) }
func (w *walk) string() []byte  { return w.take(max(0, int(w.int16()))) }
func (w *walk) records() []byte { return w.take(max(0, int(w.int32()))) }

// walkProduced calls partition with what became of each partition of a produce request. The answer begins
// after its correlation id.
func walkProduced(answer []byte, partition func(index int32, code int16, message []byte) error) error {
	w := walk{b: answer}
	for range w.int32() {
		w.string()
		for range w.int32() {
			index, code := w.int32(), w.int16()
			w.take(24) // base offset, append time, log start
			for range w.int32() {
				w.int32()
				w.string()
			}
			message := w.string()
			if w.short {
				break
			}
			if err := partition(index, code, message); err != nil {
				return err
			}
		}
		if w.short {
			break
		}
	}
	if w.short {
		return fmt.Errorf("produce: answer of %d bytes is cut short", len(answer))
	}
	return nil
}

// checkProduced returns an error unless every partition of a produce answer has none.
func checkProduced(answer []byte) error {
	return walkProduced(answer, func(partition int32, code int16, message []byte) error {
		if code != 0 {
			return fmt.Errorf("produce to partition %d: error code %d %s", partition, code, message)
		}
		return nil
	})
}

// appendProduceAnswer appends what checkProduced reads, without an error, for the bare loop.
func appendProduceAnswer(b []byte, topic string, partitions []int32) []byte {
	b = binary.BigEndian.AppendUint32(b, 1)
	b = appendString(b, topic)
	b = binary.BigEndian.AppendUint32(b, uint32(len(partitions)))
	for _, p := range partitions {
		b = binary.BigEndian.AppendUint32(b, uint32(p))
		b = append(b, make([]byte, 2+24+4)...)
		b = binary.BigEndian.AppendUint16(b, 0xffff)
	}
	return binary.BigEndian.AppendUint32(b, 0)
}

// walkFetched calls partition with the records of each partition of a fetch answer.
func walkFetched(answer []byte, partition func(index int, records []byte) error) error {
	w := walk{b: answer}
	w.int32() // throttled
	if code := w.int16(); code != 0 {
		return fmt.Errorf("fetch: error code %d", code)
	}
	w.int32() // session
	for range w.int32() {
		w.string()
		for range w.int32() {
			index, code := w.int32(), w.int16()
			w.take(24) // high watermark, last stable offset, log start
			for range w.int32() {
				w.take(16) // aborted transaction
			}
			w.int32() // preferred replica
			records := w.records()
			if w.short {
				return fmt.Errorf("fetch: answer of %d bytes is cut short", len(answer))
			}
			if code != 0 {
				return fmt.Errorf("fetch of partition %d: error code %d", index, code)
			}
			if err := partition(int(index), records); err != nil {
				return err
			}
		}
	}
	return nil
}

// fetchedPartitionBytes is the length of what appendFetchedPartition appends.
const fetchedPartitionBytes = 42

// appendFetchedPartition appends the beginning of one partition in a fetch answer, up to its records.
func appendFetchedPartition(b []byte, index int32, highWatermark int64, bytes int) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(index))
	b = binary.BigEndian.AppendUint16(b, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(highWatermark))
	b = binary.BigEndian.AppendUint64(b, uint64(highWatermark))
	b = binary.BigEndian.AppendUint64(b, 0)
	b = binary.BigEndian.AppendUint32(b, 0xffffffff)
	b = binary.BigEndian.AppendUint32(b, 0xffffffff)
	return binary.BigEndian.AppendUint32(b, uint32(bytes))
}

// walkBatches passes over the batch headers of fetched records and returns the offset after the last whole
// batch, or next if there is none.
func walkBatches(records []byte, next int64) int64 {
	for len(records) >= batchOverhead {
		size := 12 + int(binary.BigEndian.Uint32(records[batchLengthAt:]))
		if size > len(records) {
			break
		}
		next = int64(binary.BigEndian.Uint64(records)) + int64(binary.BigEndian.Uint32(records[batchLastOffsetAt:])) + 1
		records = records[size:]
	}
	return next
}
