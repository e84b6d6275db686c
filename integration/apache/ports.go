package apache

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// FreePorts returns ports of the loopback interface where nobody listens. They are outside of the range from which
// systems take the ports of outgoing connections, or one of these could have a server's port while it is down.
func FreePorts(n int) ([]int, error) {
	const first, last = 12_000, 32_000
	var ports []int
	for range 100 * n {
		port := first + rand.IntN(last-first)
		listener, err := net.Listen("tcp", Loopback(port))
		if err != nil {
			continue
		}
		defer listener.Close() // all are held until the last is found, so that none is found twice
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("found %d of %d free ports between %d and %d", len(ports), n, first, last)
}

// Loopback is the address of a port on the loopback interface.
func Loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
