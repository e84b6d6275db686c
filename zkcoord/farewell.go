package zkcoord

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// farewell is the connection that the library gets when its session is over: a server that lets it in, hears
// everything and answers nothing.
//
// The library ends only when its Close has been called and its loop comes by. Close queues a request and waits for
// its answer, but a loop that has noticed Close already throws the queue away unanswered, and Close waits for a
// second. With a farewell the loop sits here, cannot be past that point, and takes the request out of the queue:
// the error it gets is the answer that Close waits for.
type farewell struct {
	hello  chan []byte // what is to be read
	left   []byte
	gone   chan struct{}
	closed sync.Once
	said   bool
	until  time.Duration // the session timeout that it grants
}

func newFarewell(timeout time.Duration) *farewell {
	return &farewell{hello: make(chan []byte, 1), gone: make(chan struct{}), until: max(timeout, time.Second)}
}

const opClose = -11

var errSessionOver = errors.New("session is over")

// Write hears a frame. The end of the session is refused, so that nobody waits for its answer.
func (f *farewell) Write(b []byte) (int, error) {
	if !f.said {
		f.said = true
		f.hello <- f.welcome()
		return len(b), nil
	}
	if opcode(b) == opClose {
		return 0, errSessionOver
	}
	return len(b), nil
}

// welcome lets the library in, to a session that no server knows.
func (f *farewell) welcome() []byte {
	const passwordBytes = 16
	b := make([]byte, 4, 40)
	b = binary.BigEndian.AppendUint32(b, 0) // protocol
	b = binary.BigEndian.AppendUint32(b, uint32(f.until.Milliseconds()))
	b = binary.BigEndian.AppendUint64(b, 1) // the session; 0 would say that it has expired
	b = binary.BigEndian.AppendUint32(b, passwordBytes)
	b = append(b, make([]byte, passwordBytes)...)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// Read gives the welcome, and then nothing until Close.
func (f *farewell) Read(b []byte) (int, error) {
	if len(f.left) == 0 {
		select {
		case f.left = <-f.hello:
		case <-f.gone:
			return 0, io.EOF
		}
	}
	n := copy(b, f.left)
	f.left = f.left[n:]
	return n, nil
}

// Close ends the reading.
func (f *farewell) Close() error {
	err := os.ErrClosed
	f.closed.Do(func() {
		close(f.gone)
		err = nil
	})
	return err
}

// LocalAddr and RemoteAddr are nowhere, and there is no hurry.
func (f *farewell) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (f *farewell) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (f *farewell) SetDeadline(time.Time) error      { return nil }
func (f *farewell) SetReadDeadline(time.Time) error  { return nil }
func (f *farewell) SetWriteDeadline(time.Time) error { return nil }
