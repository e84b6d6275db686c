package network

import (
	"errors"
	"net"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// sendFileChunk bounds one call of sendfile(2), so that progress shows while a large range is under way.
const sendFileChunk = 1 << 20

// linuxFileSender sends by sendfile(2). The offset is passed with each call, since the descriptor's own is
// shared by everyone who reads the segment.
type linuxFileSender struct {
	raw   syscall.RawConn
	moved func()
}

// newFileSender returns nil if the connection is not a bare socket.
func newFileSender(nc net.Conn, moved func()) fileSender {
	socket, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	return &linuxFileSender{raw, moved}
}

func (l *linuxFileSender) sendMore(b []byte) error {
	var failed error
	err := l.raw.Write(func(fd uintptr) bool {
		for len(b) > 0 {
			n, err := unix.SendmsgN(int(fd), b, nil, nil, unix.MSG_MORE|unix.MSG_NOSIGNAL)
			switch {
			case err == unix.EINTR:
			case err == unix.EAGAIN:
				return false
			case err != nil:
				failed = err
				return true
			default:
				b = b[n:]
			}
		}
		return true
	})
	return errors.Join(err, failed)
}

func (l *linuxFileSender) sendFile(p *Part) (handled bool, err error) {
	in := p.File.Fd()
	if in == ^uintptr(0) {
		return false, nil
	}
	position, left := p.Position, p.Length
	var failed error
	handled = true
	err = l.raw.Write(func(fd uintptr) bool {
		for left > 0 {
			n, err := unix.Sendfile(int(fd), int(in), &position, min(left, sendFileChunk))
			switch {
			case n > 0:
				left -= n
				l.moved()
			case err == unix.EINTR:
			case err == unix.EAGAIN:
				return false
			case (err == unix.EINVAL || err == unix.ENOSYS || err == unix.EOPNOTSUPP) && left == p.Length:
				handled = false // not a file that sendfile can read from
				return true
			case err == unix.EPIPE || err == unix.ECONNRESET || err == unix.ETIMEDOUT:
				failed = err
				return true
			default: // the end of the file, or what its disk said
				failed = shortFile(p, position, err)
				return true
			}
		}
		return true
	})
	runtime.KeepAlive(p.File)
	return handled, errors.Join(err, failed)
}
