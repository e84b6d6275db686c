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
	segments, err := filepath.Glob(filepath.Join(b.dir, "logs", fmt.Sprintf("%s-%d", topic, partition), "*.log"))
	if err != nil {
		return read, err
	}
	slices.Sort(segments) // their names are their first offsets, with leading zeros
	for _, segment := range segments {
		text, err := os.ReadFile(segment)
		if err != nil {
			return read, err
		}
		entries, err := parseSegment(partition, text)
		if err != nil {
			return read, fmt.Errorf("%s: %w", segment, err)
		}
		read.Entries = append(read.Entries, entries...)
	}
	return read, nil
}

// batchHead is how many bytes of a batch come before its length counts: first offset and length.
const batchHead = 12

// parseSegment reads batches up to the end, or up to one that is still being written.
func parseSegment(partition int32, text []byte) ([]Entry, error) {
	var entries []Entry
	for position := 0; len(text)-position >= batchHead; {
		size := batchHead + int(int32(binary.BigEndian.Uint32(text[position+8:])))
		if size <= batchHead || len(text)-position < size {
			break
		}
		var batch kmsg.RecordBatch
		if err := batch.ReadFrom(text[position : position+size]); err != nil {
			return nil, fmt.Errorf("position %d: %w", position, err)
		}
		records := batch.Records
		for range batch.NumRecords {
			var r kmsg.Record
			length, n := binary.Varint(records)
			if n <= 0 || length < 0 || int(length) > len(records)-n {
				return nil, fmt.Errorf("position %d: a record of %d bytes", position, length)
			}
			if err := r.ReadFrom(records[:n+int(length)]); err != nil {
				return nil, fmt.Errorf("position %d: %w", position, err)
			}
			entries = append(entries, Entry{batch.FirstOffset + int64(r.OffsetDelta), batch.PartitionLeaderEpoch, parsePayload(partition, r.Value)})
			records = records[n+int(length):]
		}
		position += size
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
