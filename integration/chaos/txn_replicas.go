package main

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// committedOf is what a replica's segments say is committed, by their batches and markers alone: what its broker, as a
// leader, has to show to committed readers. Transactions that have no marker yet are an error.
func committedOf(b *broker, topic string, partition int32) (View, error) {
	log := &committedLog{partition: partition, open: make(map[int64][]Entry)}
	err := eachSegment(b, topic, partition, func(text []byte) error { return eachBatch(text, log.add) })
	if err == nil && len(log.open) > 0 {
		err = fmt.Errorf("%s-%d on %v: transactions of %d producers are open", topic, partition, b.id, len(log.open))
	}
	return View{Reader: fmt.Sprintf("%v, as its markers say", b.id), Partition: partition, Entries: log.entries()}, err
}

// committedLog sorts a partition's records into committed, aborted and open ones.
type committedLog struct {
	partition int32
	committed []Entry
	open      map[int64][]Entry // by producer id
}

func (l *committedLog) add(batch kmsg.RecordBatch) error {
	entries, err := parseBatch(l.partition, batch)
	switch {
	case err != nil || len(entries) == 0:
		return err
	case batch.Attributes&control == 0 && batch.Attributes&transactional == 0:
		l.committed = append(l.committed, entries...)
	case batch.Attributes&control == 0:
		l.open[batch.ProducerID] = append(l.open[batch.ProducerID], entries...)
	default:
		if entries[0].Record.Sequence == commitMarker {
			l.committed = append(l.committed, l.open[batch.ProducerID]...)
		}
		delete(l.open, batch.ProducerID)
	}
	return nil
}

// entries are the committed records by their offsets.
func (l *committedLog) entries() []Entry {
	return slices.SortedFunc(slices.Values(l.committed), func(a, b Entry) int { return cmp.Compare(a.Offset, b.Offset) })
}
