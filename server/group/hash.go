package group

import (
	"cmp"
	"slices"
	"unicode/utf16"

	"ottla/server/statetopic"
)

// inHashOrder sorts the way a hash table of the JVM walks: some answers come in that order, and tools' output
// with them.
func inHashOrder[T any](items []T, id func(T) string) {
	size := uint32(16)
	for uint32(len(items)) > size/4*3 {
		size *= 2
	}
	slot := func(item T) uint32 {
		h := uint32(statetopic.JavaHash(id(item)))
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
