//go:build unix

package network

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
)

// newReceiver returns how to read from a connection: for a bare socket without holding a buffer while there
// is nothing to read.
func newReceiver(nc net.Conn) receiver {
	if socket, ok := nc.(syscall.Conn); ok {
		if raw, err := socket.SyscallConn(); err == nil {
			s := &socketReceiver{raw: raw}
			s.once = s.readOnce
			return s
		}
	}
	return plainReceiver{nc}
}

// socketReceiver calls read(2) itself, so that the buffer is taken from its pool only when there are bytes
// for it: ten thousand idle connections hold none.
type socketReceiver struct {
	raw  syscall.RawConn
	once func(fd uintptr) (done bool) // readOnce, made into a func value once
	into *frameReader
	n    int
	err  error
}

func (s *socketReceiver) receive(f *frameReader) (int, error) {
	s.into, s.n, s.err = f, 0, nil
	if err := s.raw.Read(s.once); err != nil {
		return 0, err
	}
	return s.n, s.err
}

func (s *socketReceiver) readOnce(fd uintptr) bool {
	for {
		n, err := syscall.Read(int(fd), s.into.space())
		switch {
		case n > 0:
			s.n = n
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			s.into.rest()
			return false // wait until there is something to read
		case err == nil:
			s.err = io.EOF
		default:
			s.err = err
		}
		return true
	}
}

// listenTCP listens with a receive buffer of so many bytes, unless that is not positive. It is set before the
// socket listens, since a connection's window scale is agreed when it is made. So many connections may wait, unless backlog is 0.
func listenTCP(network, address string, receiveBuffer, backlog int) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		if receiveBuffer <= 0 {
			return nil
		}
		var failed error
		err := raw.Control(func(fd uintptr) {
			failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, receiveBuffer)
		})
		if err != nil {
			return err
		}
		return failed
	}}
	l, err := config.Listen(context.Background(), network, address)
	if err != nil || backlog <= 0 {
		return l, err
	}
	if err := setBacklog(l, backlog); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// setBacklog listens once more: a socket that listens already takes the other length for its queue.
func setBacklog(l net.Listener, backlog int) error {
	socket, ok := l.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = syscall.Listen(int(fd), backlog) })
	return errors.Join(err, failed)
}
