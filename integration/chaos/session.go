package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// session is what ZooKeeper grants a client when it connects, and what the client must know to come back.
type session struct {
	id       int64
	password []byte
}

// helloLength is the length of ZooKeeper's first answer up to the password: length 4, protocol 4, time-out 4,
// session 8, length of the password 4, password 16.
const helloLength = 40

// sniffer reads along the first bytes that ZooKeeper sends.
type sniffer struct {
	head  []byte
	found func(session)
}

func (s *sniffer) read(b []byte) {
	if len(s.head) == helloLength || len(b) == 0 {
		return
	}
	s.head = append(s.head, b[:min(len(b), helloLength-len(s.head))]...)
	if len(s.head) < helloLength {
		return
	}
	if id := int64(binary.BigEndian.Uint64(s.head[12:])); id != 0 { // 0: the session is over
		s.found(session{id, s.head[24:]})
	}
}

// expire ends a session: a second connection takes it over and closes it, and the first learns that it is gone
// when it comes back. It may come back too soon and take the session over in its turn, so that this is tried until
// ZooKeeper says that there is no such session.
func (s session) expire(server string) error {
	const attempts = 10
	var err error
	for range attempts {
		var over bool
		if over, err = s.close(server); over {
			return nil
		}
	}
	return fmt.Errorf("session 0x%x lives after %d attempts to end it: %w", s.id, attempts, err)
}

// close tries to end a session, and reports whether it was over before.
func (s session) close(server string) (over bool, err error) {
	conn, err := net.DialTimeout("tcp", server, time.Second)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return false, err
	}
	hello := binary.BigEndian.AppendUint32(nil, 0)       // protocol
	hello = binary.BigEndian.AppendUint64(hello, 0)      // the last change seen
	hello = binary.BigEndian.AppendUint32(hello, 10_000) // time-out, ms
	hello = binary.BigEndian.AppendUint64(hello, uint64(s.id))
	hello = binary.BigEndian.AppendUint32(hello, uint32(len(s.password)))
	hello = append(append(hello, s.password...), 0) // not content with a server that only reads
	answer, err := exchange(conn, hello)
	if err != nil {
		return false, err
	}
	if len(answer) < 16 || int64(binary.BigEndian.Uint64(answer[8:])) != s.id {
		return true, nil
	}
	const closeSession = -11
	request := binary.BigEndian.AppendUint32(nil, 1) // xid
	operation := int32(closeSession)
	_, err = exchange(conn, binary.BigEndian.AppendUint32(request, uint32(operation)))
	return false, err
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
	if n > 1<<20 {
		return nil, fmt.Errorf("a frame of %d bytes", n)
	}
	answer := make([]byte, n)
	_, err := io.ReadFull(conn, answer)
	return answer, err
}
