package group

// endedTransaction is a marker in a partition of __consumer_offsets.
type endedTransaction struct {
	producerID int64
	commit     bool
}

// TransactionEnded applies or drops the offsets that a transaction has committed to groups of a partition, after its
// marker was written there.
func (c *Coordinator) TransactionEnded(producerID int64, partition int32, commit bool) {
	if c.owned.noteEnded(partition, endedTransaction{producerID, commit}) {
		return
	}
	for _, g := range c.owned.of(partition) {
		g.turn(func() {
			if g.mu.state != dead {
				g.mu.offsets.endTransaction(producerID, commit)
			}
		})
	}
}
