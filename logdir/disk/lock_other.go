//go:build !linux

package disk

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lockFile takes a whole-file lock. It keeps a second Ottla out; a Java broker on the same directory
// takes record locks, which some systems keep apart from these.
func lockFile(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return fmt.Errorf("lock %s: %w", f.Name(), ErrLocked)
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return nil
}
