//go:build !unix

package network

import "net"

func newReceiver(nc net.Conn) receiver { return plainReceiver{nc} }

func listenTCP(network, address string, _, _ int) (net.Listener, error) {
	return net.Listen(network, address)
}
