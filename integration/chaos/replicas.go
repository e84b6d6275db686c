package main

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// readReplica reads what a broker keeps of a partition, from the segments in its directory: not what it might
// tell, and without trust in any broker's way of reading.
func readReplica(b *broker, topic string, partition int32) (Read, error) {
	read := Read{Replica: b.id.String(), Partition: partition}
	err := eachSegment(b, topic, partition, func(text []byte) error {
		entries, err := parseSegment(partition, text)
		read.Entries = append(read.Entries, entries...)
		return err
	})
	return read, err
}

// eachSegment calls f with the bytes of each segment, the oldest first.
func eachSegment(b *broker, topic string, partition int32, f func([]byte) error) error {
	segments, err := filepath.Glob(filepath.Join(b.dir, "logs", fmt.Sprintf("%s-%d", topic, partition), "*.log"))
	if err != nil {
		return err
	}
	slices.Sort(segments) // their names are their first offsets, with leading zeros
	for _, segment := range segments {
		text, err := os.ReadFile(segment)
		if err == nil {
			err = f(text)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", segment, err)
		}
	}
	return nil
}

// batchHead is how many bytes of a batch come before its length counts: first offset and length.
const batchHead = 12

// marker is the producer of control records, as entries show them; their sequence is their type.
const (
	marker       = -2
	abortMarker  = 0
	commitMarker = 1
)

// The bits of a batch's attributes that are about transactions.
const (
	transactional = 1 << 4
	control       = 1 << 5
)

// parseSegment reads batches up to the end, or up to one that is still being written.
func parseSegment(partition int32, text []byte) ([]Entry, error) {
	var entries []Entry
	err := eachBatch(text, func(batch kmsg.RecordBatch) error {
		some, err := parseBatch(partition, batch)
		entries = append(entries, some...)
		return err
	})
	return entries, err
}

// eachBatch calls f for the batches of a segment up to the end, or up to one that is still being written.
func eachBatch(text []byte, f func(kmsg.RecordBatch) error) error {
	for position := 0; len(text)-position >= batchHead; {
		size := batchHead + int(int32(binary.BigEndian.Uint32(text[position+8:])))
		if size <= batchHead || len(text)-position < size {
			break
		}
		var batch kmsg.RecordBatch
		err := batch.ReadFrom(text[position : position+size])
		if err == nil {
			err = f(batch)
		}
		if err != nil {
			return fmt.Errorf("position %d: %w", position, err)
		}
		position += size
	}
	return nil
}

// parseBatch reads the records of a batch, markers as well.
func parseBatch(partition int32, batch kmsg.RecordBatch) ([]Entry, error) {
	var entries []Entry
	records := batch.Records
	for range batch.NumRecords {
		var r kmsg.Record
		length, n := binary.Varint(records)
		if n <= 0 || length < 0 || int(length) > len(records)-n {
			return nil, fmt.Errorf("a record of %d bytes", length)
		}
		if err := r.ReadFrom(records[:n+int(length)]); err != nil {
			return nil, err
		}
		record := parsePayload(partition, r.Value)
		if batch.Attributes&control != 0 && len(r.Key) >= 4 {
			record = Record{marker, int64(binary.BigEndian.Uint16(r.Key[2:]))} // after a version
		}
		entries = append(entries, Entry{batch.FirstOffset + int64(r.OffsetDelta), batch.PartitionLeaderEpoch, record})
		records = records[n+int(length):]
	}
	return entries, nil
}

// readReplicas reads every replica of every partition. Replicas in sync may still be a fetch behind: it returns an
// error as long as they are not equally long, with what they hold.
func (c *cluster) readReplicas(topic string, partitions int32) ([]Read, error) {
	var all []Read
	for partition := range partitions {
		var reads []Read
		for _, b := range c.brokers {
			read, err := readReplica(b, topic, partition)
			if err != nil {
				return all, err
			}
			reads = append(reads, read)
		}
		all = append(all, reads...)
	}
	byLength := func(a, b Read) int { return cmp.Compare(len(a.Entries), len(b.Entries)) }
	for reads := range slices.Chunk(all, len(c.brokers)) {
		if short, long := slices.MinFunc(reads, byLength), slices.MaxFunc(reads, byLength); byLength(short, long) != 0 {
			return all, fmt.Errorf("%s-%d: %d records on %s, %d on %s", topic, short.Partition, len(short.Entries), short.Replica, len(long.Entries), long.Replica)
		}
	}
	return all, nil
}
