//go:build !linux

package apache

import "os/exec"

// dieWithParent does nothing where the system has no such service; the test's cleanup remains.
func dieWithParent(*exec.Cmd) {}
