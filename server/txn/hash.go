package txn

import "unicode/utf16"

// partitionOf is the partition of __transaction_state that a transactional id lives in: Java's String.hashCode, over
// UTF-16 units, made positive. Kafka's abs makes the one integer without a positive twin 0.
func partitionOf(id string, partitions int32) int32 {
	var h int32
	for _, unit := range utf16.Encode([]rune(id)) {
		h = 31*h + int32(unit)
	}
	if h == -1<<31 {
		return 0
	}
	return max(h, -h) % partitions
}
