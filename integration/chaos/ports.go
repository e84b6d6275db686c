package main

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// freePort returns a port of the loopback interface where nobody listens. It is outside of the range from which
// systems take the ports of outgoing connections, or one of these could have it while its broker is down.
func freePort() (int, error) {
	const first, last = 15_000, 32_000
	for range 100 {
		port := first + rand.IntN(last-first)
		listener, err := net.Listen("tcp", loopback(port))
		if err == nil {
			return port, listener.Close()
		}
	}
	return 0, fmt.Errorf("no free port between %d and %d", first, last)
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
