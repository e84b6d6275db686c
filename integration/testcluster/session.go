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
// over and closes it, and the first learns that it is gone when it comes back. If the client is quicker and takes the
// session back, it is tried again. Of several servers each is tried in turn, since some of an ensemble may be down.
func closeSession(servers []string, h handshake) error {
	deadline := time.Now().Add(sessionPatience)
	for attempt := 0; ; attempt++ {
		over, err := tryCloseSession(servers[attempt%len(servers)], h)
		if over || time.Now().After(deadline) {
			return err
		}
		time.Sleep(retryPause)
	}
}

// sessionPatience bounds closeSession, sessionAttempt one attempt of it: when the client takes the session back in the very
// moment, ZooKeeper may end the session without an answer.
const (
	sessionPatience = 10 * time.Second
	sessionAttempt  = time.Second
)

func tryCloseSession(server string, h handshake) (over bool, err error) {
	conn, err := net.DialTimeout("tcp", server, sessionAttempt)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(sessionAttempt)); err != nil {
		return false, err
	}
	hello := binary.BigEndian.AppendUint32(nil, 0)       // protocol
	hello = binary.BigEndian.AppendUint64(hello, 0)      // last zxid seen
	hello = binary.BigEndian.AppendUint32(hello, 10_000) // time-out, ms
	hello = binary.BigEndian.AppendUint64(hello, uint64(h.session))
	hello = binary.BigEndian.AppendUint32(hello, uint32(len(h.password)))
	hello = append(hello, h.password...)
	op := int32(-11)                             // close the session
	end := binary.BigEndian.AppendUint32(nil, 1) // xid
	end = binary.BigEndian.AppendUint32(end, uint32(op))
	// Both at once, before the client can come back.
	if _, err := conn.Write(append(frame(hello), frame(end)...)); err != nil {
		return false, err
	}
	answer, err := readFrame(conn)
	if err != nil {
		return false, err
	}
	if len(answer) < 16 || binary.BigEndian.Uint64(answer[8:]) != uint64(h.session) {
		return true, nil // no such session any more
	}
	_, err = readFrame(conn)
	return err == nil, err
}

func frame(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// maxFrame bounds an answer to what this package asks, in bytes.
const maxFrame = 100 << 20

func readFrame(conn net.Conn) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxFrame {
		return nil, fmt.Errorf("a frame of %d bytes", n)
	}
	answer := make([]byte, n)
	_, err := io.ReadFull(conn, answer)
	return answer, err
}
