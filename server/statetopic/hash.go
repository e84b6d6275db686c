package statetopic

import "unicode/utf16"

// JavaHash is Java's String.hashCode: over UTF-16 units, wrapping.
func JavaHash(s string) int32 {
	var h int32
	for _, r := range s {
		if r <= 0xffff {
			h = 31*h + r
			continue
		}
		high, low := utf16.EncodeRune(r)
		h = 31*(31*h+high) + low
	}
	return h
}

// PartitionOf is the partition of its topic that a group or a transactional id lives in. Kafka's abs makes the one
// integer without a positive twin 0.
func PartitionOf(id string, partitions int32) int32 {
	h := JavaHash(id)
	if h == -1<<31 {
		return 0
	}
	return max(h, -h) % partitions
}
