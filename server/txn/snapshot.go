package txn

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// OpenTransaction is a transaction that is open, or decided and not over, as the web page shows it.
type OpenTransaction struct {
	TransactionalID string    `json:"transactionalId"`
	State           string    `json:"state"`
	Since           time.Time `json:"since"`
	Timeout         string    `json:"timeout"`
	ProducerID      int64     `json:"producerId"`
	ProducerEpoch   int16     `json:"producerEpoch"`
	// Partitions are those it has written to, and of one that is decided those that wait for its marker.
	Partitions []string `json:"partitions"`
}

// Snapshot lists the transactions that are not over, the oldest first.
func (c *Coordinator) Snapshot() []OpenTransaction {
	all, _ := c.owned.All()
	open := []OpenTransaction{}
	for _, t := range all {
		t.mu.Lock()
		if t.mu.state == Ongoing || t.mu.state.decided() {
			o := OpenTransaction{TransactionalID: t.id, State: t.mu.state.String(), Since: time.UnixMilli(t.mu.started).UTC(),
				Timeout: (time.Duration(t.mu.timeout) * time.Millisecond).String(), ProducerID: t.mu.producerID, ProducerEpoch: t.mu.epoch}
			for tp := range t.mu.partitions {
				o.Partitions = append(o.Partitions, tp.String())
			}
			open = append(open, o)
		}
		t.mu.Unlock()
	}
	for _, o := range open {
		slices.Sort(o.Partitions)
	}
	slices.SortFunc(open, func(a, b OpenTransaction) int {
		return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.TransactionalID, b.TransactionalID))
	})
	return open
}
