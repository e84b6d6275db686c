//go:build !linux

package main

import (
	"errors"
	"os"
)

// forgetPages cannot be asked for here.
func forgetPages(*os.File) error {
	return errors.New("only Linux drops a file from the page cache on request")
}
