package mixed

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"ottla/logdir/batch"
)

// compareReplicas holds the files of every replica to those of the first one: the same batches, byte by byte,
// up to the high watermark. Followers that are a moment behind are waited for.
func (c *cluster) compareReplicas(topic string, partitions int32) {
	c.t.Helper()
	ends, err := c.admin.ListEndOffsets(c.patient(), topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		c.t.Fatalf("the high watermarks of %s: %v", topic, err)
	}
	metadata, err := c.admin.Metadata(c.patient(), topic)
	if err != nil {
		c.t.Fatal(err)
	}
	for p := range partitions {
		hw := ends[topic][p].Offset
		ids := metadata.Topics[topic].Partitions[p].Replicas
		if len(ids) == 0 {
			c.t.Fatalf("nobody knows the replicas of %s-%d", topic, p)
		}
		c.eventually(fmt.Sprintf("the replicas of %s-%d on %v are the same up to offset %d", topic, p, ids, hw), func() error {
			return c.compareReplicasUpTo(topic, p, hw, ids)
		})
	}
}

func (c *cluster) compareReplicasUpTo(topic string, partition int32, hw int64, ids []int32) error {
	var first []byte
	for i, id := range ids {
		data, err := committedBytes(filepath.Join(c.broker(id).logDir(), fmt.Sprintf("%s-%d", topic, partition)), hw)
		if err != nil {
			return fmt.Errorf("broker %d: %w", id, err)
		}
		if i == 0 {
			first = data
		}
		if !bytes.Equal(first, data) {
			return fmt.Errorf("broker %d has %s, broker %d has %s", ids[0], describe(first, data), id, describe(data, first))
		}
	}
	return nil
}

var errShort = errors.New("the log ends before the high watermark")

// logBytes reads the segments of one partition, one after another. Where one segment ends and the next begins is each
// broker's own affair.
func logBytes(dir string) ([]byte, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files) // the names are base offsets of twenty digits
	var data []byte
	for _, file := range files {
		segment, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		data = append(data, segment...)
	}
	return data, nil
}

// committedBytes are those of one partition up to the high watermark.
func committedBytes(dir string, hw int64) ([]byte, error) {
	data, err := logBytes(dir)
	if err != nil {
		return nil, err
	}
	var next int64
	end := 0
	for b, err := range batch.All(data) {
		if err != nil {
			break // a batch that is being written; if it lies below the high watermark, the log is short
		}
		header, err := batch.ReadHeader(b)
		if err != nil {
			return nil, err
		}
		first, err := batch.FirstOffset(b, &header)
		if err != nil {
			return nil, err
		}
		if first >= hw {
			break
		}
		if first != next {
			return nil, fmt.Errorf("offset %d follows %d", first, next-1)
		}
		next = header.LastOffset() + 1
		end += len(b)
	}
	if next < hw {
		return nil, fmt.Errorf("%w: next offset %d of %d", errShort, next, hw)
	}
	return data[:end], nil
}

// describe tells of the first batch in which data differs from other.
func describe(data, other []byte) string {
	at := 0
	for b, err := range batch.All(data) {
		if err != nil {
			break
		}
		if !bytes.HasPrefix(other[min(at, len(other)):], b) {
			header, err := batch.ReadHeader(b)
			return fmt.Sprintf("at position %d %+v, %v", at, header, err)
		}
		at += len(b)
	}
	return fmt.Sprintf("%d bytes", len(data))
}
