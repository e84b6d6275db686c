package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// connection is one of the load's.
type connection struct {
	net.Conn
	in     *bufio.Reader
	answer []byte // of the last read; used again by the next
}

func dial(addr string) (*connection, error) {
	nc, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return nil, err
	}
	return &connection{Conn: nc, in: bufio.NewReaderSize(nc, 64<<10)}, nil
}

// read returns the next answer without its length and correlation id. It is valid until the next read.
func (c *connection) read() ([]byte, error) {
	var start [8]byte
	if _, err := io.ReadFull(c.in, start[:]); err != nil {
		return nil, fmt.Errorf("read an answer: %w", err)
	}
	n := int(binary.BigEndian.Uint32(start[:])) - 4
	if n < 0 || n > 256<<20 {
		return nil, fmt.Errorf("an answer of %d bytes", n)
	}
	if cap(c.answer) < n {
		c.answer = make([]byte, n+n/8)
	}
	c.answer = c.answer[:n]
	_, err := io.ReadFull(c.in, c.answer)
	return c.answer, err
}

func (c *connection) roundTrip(request []byte) ([]byte, error) {
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	defer c.SetDeadline(time.Time{})
	if _, err := c.Write(request); err != nil {
		return nil, err
	}
	return c.read()
}
