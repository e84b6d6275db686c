package group

import (
	"cmp"
	"slices"
	"unicode/utf16"
)

// javaHash is Java's String.hashCode: over UTF-16 units, wrapping.
func javaHash(s string) int32 {
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

// partitionOf is the partition of __consumer_offsets that a group lives in. Kafka's abs makes the one
// integer without a positive twin 0.
func partitionOf(group string, partitions int32) int32 {
	h := javaHash(group)
	if h == -1<<31 {
		return 0
	}
	return max(h, -h) % partitions
}

// inHashOrder sorts the way a hash table of the JVM walks: some answers come in that order, and tools' output
// with them.
func inHashOrder[T any](items []T, id func(T) string) {
	size := uint32(16)
	for uint32(len(items)) > size/4*3 {
		size *= 2
	}
	slot := func(item T) uint32 {
		h := uint32(javaHash(id(item)))
		return (h ^ h>>16) & (size - 1)
	}
	slices.SortStableFunc(items, func(a, b T) int { return cmp.Compare(slot(a), slot(b)) })
}

// utf16Length is Java's String.length, by which offset.metadata.max.bytes is measured in spite of its name.
func utf16Length(s string) (n int) {
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}
