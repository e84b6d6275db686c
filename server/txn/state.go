package txn

import "slices"

// State is how far a transaction has come. The numbers are those of the records in __transaction_state.
type State int8

const (
	// Empty: there is a producer, and no transaction yet.
	Empty State = iota
	// Ongoing: partitions have been added.
	Ongoing
	// PrepareCommit and PrepareAbort: it is decided, and the markers are being written.
	PrepareCommit
	PrepareAbort
	// CompleteCommit and CompleteAbort: every marker is written.
	CompleteCommit
	CompleteAbort
	// Dead: the transactional id is being forgotten.
	Dead
	// PrepareEpochFence: a new producer, or the timeout, ends the transaction of the old one. It is never written.
	PrepareEpochFence
)

// none is the pending state of a transaction that waits for nothing.
const none State = -1

// String is the name that tools show and filter by.
func (s State) String() string {
	if s < Empty || s > PrepareEpochFence {
		return "none"
	}
	return [...]string{"Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "Dead", "PrepareEpochFence"}[s]
}

// stateNamed finds a state by its name.
func stateNamed(name string) (State, bool) {
	for s := Empty; s <= PrepareEpochFence; s++ {
		if s.String() == name {
			return s, true
		}
	}
	return none, false
}

// mayFollow reports whether a transaction may go from a state to this one.
func (s State) mayFollow(from State) bool {
	switch s {
	case Empty:
		return from == Empty || from.complete()
	case Ongoing:
		return from == Ongoing || from == Empty || from.complete()
	case PrepareCommit, PrepareAbort, PrepareEpochFence:
		return from == Ongoing
	case CompleteCommit:
		return from == PrepareCommit
	case CompleteAbort:
		return from == PrepareAbort
	case Dead:
		return slices.Contains([]State{Empty, CompleteCommit, CompleteAbort}, from)
	}
	return false
}

// complete: the last transaction is over, and the next may begin.
func (s State) complete() bool { return s == CompleteCommit || s == CompleteAbort }

// decided: the outcome is in the log, and the markers are on their way.
func (s State) decided() bool { return s == PrepareCommit || s == PrepareAbort }
