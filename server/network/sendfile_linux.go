package network

import (
	"errors"
	"net"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sendFileChunk bounds one call of sendfile(2), so that progress shows while a large range is under way.
const sendFileChunk = 1 << 20

// The calls below that are "at once" never wait, and so are made without telling Go's scheduler. It would expect a
// call to wait, and its monitor would wake up to take the processor away: beside a consumer that reads from the page
// cache that is a sixth of all the time a broker uses.

// sendAtOnce writes to a socket that does not block and tells the system that more follows.
func sendAtOnce(fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		unix.MSG_MORE|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// sendFileAtOnce is sendfile(2) of pages that are in memory, to a socket that does not block.
func sendFileAtOnce(out, in int, position *int64, count int) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDFILE, uintptr(out), uintptr(in), uintptr(unsafe.Pointer(position)), uintptr(count), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// inMemory reports whether the page cache holds all of a range, as far as the system tells (cachestat(2), from Linux
// 6.5 on). Sending what it does not hold waits for the disk.
func inMemory(fd int, position int64, count int) bool {
	page := int64(os.Getpagesize())
	pages := (position+int64(count)-1)/page - position/page + 1
	of := unix.CachestatRange{Off: uint64(position), Len: uint64(count)}
	var found unix.Cachestat_t
	_, _, errno := unix.RawSyscall6(unix.SYS_CACHESTAT, uintptr(fd), uintptr(unsafe.Pointer(&of)), uintptr(unsafe.Pointer(&found)), 0, 0, 0)
	return errno == 0 && found.Cache >= uint64(pages)
}

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
			n, err := sendAtOnce(int(fd), b)
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
	send, known := unix.Sendfile, 0 // what is the way for the first known bytes of what is left
	var failed error
	handled = true
	err = l.raw.Write(func(fd uintptr) bool {
		for left > 0 {
			if known == 0 {
				known, send = min(left, sendFileChunk), unix.Sendfile
				if inMemory(int(in), position, known) {
					send = sendFileAtOnce
				}
			}
			n, err := send(int(fd), int(in), &position, known)
			switch {
			case n > 0:
				left -= n
				known -= n
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
