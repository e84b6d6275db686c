//go:build !linux

package network

import "net"

// newFileSender returns nil: where there is no sendfile(2) with an explicit offset, file ranges pass through
// a pooled buffer.
func newFileSender(net.Conn, func()) fileSender { return nil }
