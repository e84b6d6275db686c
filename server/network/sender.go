package network

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

const (
	// gatherBuffer is what a sender gathers before it writes.
	gatherBuffer = 64 << 10
	// gatherBytes is the longest piece of memory that is copied in order to be gathered. A longer one
	// leaves from where it is, in one writev with what was gathered before it.
	gatherBytes = 8 << 10
	// gatherFile is the longest file range that is read into the buffer instead of being sent by sendfile:
	// a read and a shared write cost less than a write and a sendfile, until copying twice outweighs it.
	gatherFile = 32 << 10
)

// fileError is a file range that could not be read as promised.
type fileError struct{ err error }

func (e fileError) Error() string { return e.err.Error() }
func (e fileError) Unwrap() error { return e.err }

// sender writes answers, as few system calls as it can. It belongs to one goroutine at a time.
type sender struct {
	nc         net.Conn
	gatherFile int         // the constant, but for benchmarks
	files      fileSender  // nil if file ranges have to pass through memory
	buffer     *Buffer     // gathered and not written yet; nil while there is nothing
	begin      func()      // called before a write, which may take as long as the client likes
	wrote      func(n int) // called after it with the bytes that left
}

// fileSender sends a file range to a socket without copying it.
type fileSender interface {
	// sendMore writes b and tells the system that a file range follows.
	sendMore(b []byte) error
	// sendFile sends the range of a part. An error of the file, not the socket, is a fileError. handled is
	// false, and nothing was sent, if this file cannot be sent this way.
	sendFile(p *Part) (handled bool, err error)
}

// gathered returns how many bytes wait to be written.
func (s *sender) gathered() int {
	if s.buffer == nil {
		return 0
	}
	return len(s.buffer.B)
}

// answer sends or gathers one answer. When it returns, nothing refers to the answer any more.
func (s *sender) answer(correlationID int32, a *Answer) error {
	start, err := s.room(sizeLength + 4)
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint32(start, uint32(4+a.size()))
	binary.BigEndian.PutUint32(start[sizeLength:], uint32(correlationID))
	if err := s.bytes(a.Head); err != nil {
		return err
	}
	for i := range a.Parts {
		p := &a.Parts[i]
		var err error
		switch {
		case p.File == nil:
			err = s.bytes(p.Bytes)
		case p.Length <= s.gatherFile || s.files == nil:
			err = s.copyFile(p)
		default:
			err = s.file(p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// room returns n bytes of the buffer to write into, n <= gatherBuffer, having flushed if they did not fit.
func (s *sender) room(n int) ([]byte, error) {
	if s.buffer != nil && len(s.buffer.B)+n > gatherBuffer {
		if err := s.flush(); err != nil {
			return nil, err
		}
	}
	if s.buffer == nil {
		s.buffer = GetBuffer(0)
	}
	have := len(s.buffer.B)
	if have+n > cap(s.buffer.B) {
		larger := GetBuffer(max(have+n, min(4*cap(s.buffer.B), gatherBuffer)))
		larger.B = append(larger.B[:0], s.buffer.B...)
		s.buffer.Release()
		s.buffer = larger
	}
	s.buffer.B = s.buffer.B[:have+n]
	return s.buffer.B[have:], nil
}

// bytes gathers b, or writes it together with what was gathered.
func (s *sender) bytes(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if len(b) <= gatherBytes {
		to, err := s.room(len(b))
		copy(to, b)
		return err
	}
	pieces := net.Buffers{b}
	if s.buffer != nil {
		pieces = net.Buffers{s.buffer.B, b}
	}
	s.begin()
	n, err := pieces.WriteTo(s.nc)
	s.wrote(int(n))
	s.close()
	return err
}

// file sends a large range by sendfile.
func (s *sender) file(p *Part) error {
	if s.buffer != nil {
		n := len(s.buffer.B)
		s.begin()
		err := s.files.sendMore(s.buffer.B)
		s.wrote(n)
		s.close()
		if err != nil {
			return err
		}
	}
	s.begin()
	handled, err := s.files.sendFile(p)
	if !handled {
		s.wrote(0)
		return s.copyFile(p)
	}
	s.wrote(p.Length)
	return err
}

// copyFile gathers a range, in pieces if it is large.
func (s *sender) copyFile(p *Part) error {
	position := p.Position
	for left := p.Length; left > 0; {
		n := min(left, gatherBuffer)
		to, err := s.room(n)
		if err != nil {
			return err
		}
		if got, err := p.File.ReadAt(to, position); got < n {
			return shortFile(p, position+int64(got), err)
		}
		position += int64(n)
		left -= n
	}
	return nil
}

// shortFile is the error of a range that ends at position. What was promised cannot be sent any more, so
// that the connection has to end.
func shortFile(p *Part, position int64, err error) error {
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return fileError{fmt.Errorf("range of %d bytes at position %d ends at %d: %w", p.Length, p.Position, position, err)}
}

// flush writes what was gathered.
func (s *sender) flush() error {
	if s.buffer == nil {
		return nil
	}
	s.begin()
	n, err := s.nc.Write(s.buffer.B)
	s.wrote(n)
	s.close()
	return err
}

// close gives the buffer back with whatever is in it.
func (s *sender) close() {
	if s.buffer != nil {
		s.buffer.Release()
		s.buffer = nil
	}
}
