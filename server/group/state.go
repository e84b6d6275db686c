package group

// state is where a group stands.
//
//	Empty                no members; maybe offsets
//	PreparingRebalance   members are called upon to join again
//	CompletingRebalance  all have joined, the leader's assignment is awaited
//	Stable               everyone has an assignment
//	Dead                 the group is gone, or its partition is
type state int8

const (
	empty state = iota
	preparingRebalance
	completingRebalance
	stable
	dead
	states = iota
)

func (s state) String() string {
	return [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead"}[s]
}

// mayBecome is the state machine. Dead is entered from everywhere, by deletion and by unloading.
func (s state) mayBecome(next state) bool {
	switch next {
	case empty:
		return s == preparingRebalance
	case preparingRebalance:
		return s == stable || s == completingRebalance || s == empty
	case completingRebalance:
		return s == preparingRebalance
	case stable:
		return s == completingRebalance
	default:
		return true
	}
}
