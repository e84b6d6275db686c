package main

import (
	"fmt"
	"slices"
	"strings"
)

// Violation names a promise that was not kept.
type Violation string

// What check can find.
const (
	LostWrite           Violation = "lost-write"
	Duplicate           Violation = "duplicate"
	Reordered           Violation = "reordered"
	InconsistentOffsets Violation = "inconsistent-offsets"
	NonMonotonicPoll    Violation = "non-monotonic-poll"
	LostCommit          Violation = "lost-commit"
	AbortedRead         Violation = "aborted-read"
	PrecommittedRead    Violation = "precommitted-read"
	TornTransaction     Violation = "torn-transaction"
	NonAtomicOffsets    Violation = "non-atomic-offsets"
	Zombie              Violation = "zombie"
)

// Finding is one violation: which records, and where.
type Finding struct {
	Violation Violation
	Topic     string // "": the one of the idempotent producers
	Partition int32  // or -1
	Offset    int64  // where it shows, or -1
	Detail    string
}

func (f Finding) String() string {
	return fmt.Sprintf("%s: %s: %s", f.Violation, f.where(), f.Detail)
}

func (f Finding) where() string {
	switch {
	case f.Partition < 0:
		return f.Topic
	case f.Topic == "":
		return fmt.Sprintf("partition %d", f.Partition)
	}
	return fmt.Sprintf("%s, partition %d", f.Topic, f.Partition)
}

func (r Record) String() string {
	switch {
	case r == nobody:
		return "a record that nobody sent"
	case r.Producer == marker && r.Sequence == commitMarker:
		return "a marker of a commit"
	case r.Producer == marker:
		return "a marker of an abort"
	}
	return fmt.Sprintf("record %d of producer %d", r.Sequence, r.Producer)
}

// summary prints findings, of each violation in a partition the first few, and how many there are.
func summary(findings []Finding) string {
	const most = 3
	type kind struct {
		violation Violation
		where     string
	}
	var kinds []kind
	byKind := make(map[kind][]Finding)
	for _, f := range findings {
		k := kind{f.Violation, f.where()}
		if byKind[k] == nil {
			kinds = append(kinds, k)
		}
		byKind[k] = append(byKind[k], f)
	}
	var text strings.Builder
	for _, k := range kinds {
		all := byKind[k]
		slices.SortStableFunc(all, func(a, b Finding) int { return int(max(-1, min(1, a.Offset-b.Offset))) })
		for _, f := range all[:min(most, len(all))] {
			fmt.Fprintln(&text, f)
		}
		if len(all) > most {
			fmt.Fprintf(&text, "%s: %s: %d in all, the last: %s\n", k.violation, k.where, len(all), all[len(all)-1].Detail)
		}
	}
	return text.String()
}
