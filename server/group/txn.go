package group

// TransactionEnded applies or drops the offsets that a transaction has committed to groups of a partition, after its
// marker was written there. A loading that goes on may have missed the marker.
func (c *Coordinator) TransactionEnded(producerID int64, partition int32, commit bool) {
	if c.owned.WhenLoaded(partition, func(groups []*Group) {
		for _, g := range groups {
			g.mu.offsets.endTransaction(producerID, commit) // nobody else knows of g yet
		}
	}) {
		return
	}
	for _, g := range c.owned.In(partition) {
		g.turn(func() {
			if g.mu.state != dead {
				g.mu.offsets.endTransaction(producerID, commit)
			}
		})
	}
}
