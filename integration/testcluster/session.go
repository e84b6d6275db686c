package testcluster

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// handshake is what ZooKeeper grants a client when it connects, and what the client must know to come back.
type handshake struct {
	session  int64
	password []byte
}

// helloLength is a handshake's answer up to the password: length 4, protocol 4, time-out 4, session 8,
// length of the password 4, password 16.
const helloLength = 40

// sniffer reads along the first bytes of a connection to ZooKeeper.
type sniffer struct {
	mu    sync.Mutex
	head  []byte
	found func(handshake)
}

func (s *sniffer) read(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.head) == helloLength || len(b) == 0 {
		return
	}
	s.head = append(s.head, b[:min(len(b), helloLength-len(s.head))]...)
	if len(s.head) < helloLength {
		return
	}
	if id := int64(binary.BigEndian.Uint64(s.head[12:])); id != 0 { // 0: the session is over
		s.found(handshake{id, s.head[24:helloLength]})
	}
}

// closeSession ends a session at any ZooKeeper as if its client had expired: a second connection takes it
// over and closes it, and the first learns that it is gone when it comes back.
func closeSession(server string, h handshake) error {
	conn, err := net.DialTimeout("tcp", server, 5*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	const closeOp = -11
	hello := make([]byte, 0, 48)
	hello = binary.BigEndian.AppendUint32(hello, 0)      // protocol
	hello = binary.BigEndian.AppendUint64(hello, 0)      // last zxid seen
	hello = binary.BigEndian.AppendUint32(hello, 10_000) // time-out, ms
	hello = binary.BigEndian.AppendUint64(hello, uint64(h.session))
	hello = binary.BigEndian.AppendUint32(hello, uint32(len(h.password)))
	hello = append(hello, h.password...)
	answer, err := exchange(conn, hello)
	if err != nil {
		return err
	}
	if len(answer) < 16 || binary.BigEndian.Uint64(answer[8:]) != uint64(h.session) {
		return fmt.Errorf("session 0x%x is over already", h.session)
	}
	end := binary.BigEndian.AppendUint32(nil, 1) // xid
	op := int32(closeOp)
	_, err = exchange(conn, binary.BigEndian.AppendUint32(end, uint32(op)))
	return err
}

// exchange sends one frame and reads one.
func exchange(conn net.Conn, body []byte) ([]byte, error) {
	frame := append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	if _, err := conn.Write(frame); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > 100<<20 {
		return nil, fmt.Errorf("a frame of %d bytes", n)
	}
	answer := make([]byte, n)
	_, err := io.ReadFull(conn, answer)
	return answer, err
}
