package disk

import (
	"math"

	"golang.org/x/sys/unix"
)

// OpenFileLimit is how many files this process may have open at once (RLIMIT_NOFILE, which the Go runtime has raised as far as it goes).
func OpenFileLimit() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > math.MaxInt32 {
		return math.MaxInt32
	}
	return int(limit.Cur)
}
