package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// connection is one of the load's.
type connection struct {
	net.Conn
	in     *bufio.Reader
	answer []byte // of the last read; used again by the next
}

func dial(addr string) (*connection, error) {
	nc, err := net.DialTimeout("tcp", addr, 10*time.Second)
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

// patience is how long a single request may take: Kafka needs a while to create thousands of partitions.
const patience = 10 * time.Minute

func (c *connection) roundTrip(request []byte) ([]byte, error) {
	_ = c.SetDeadline(time.Now().Add(patience))
	defer c.SetDeadline(time.Time{})
	if _, err := c.Write(request); err != nil {
		return nil, err
	}
	return c.read()
}

// ask sends a request of a version that has no tagged fields and decodes its answer. It is for what happens
// rarely: loads are encoded by hand.
func (c *connection) ask(request kmsg.Request) (kmsg.Response, error) {
	answer, err := c.roundTrip(kmsg.NewRequestFormatter(kmsg.FormatterClientID("bench")).AppendRequest(nil, request, 0))
	if err != nil {
		return nil, err
	}
	response := request.ResponseKind()
	return response, response.ReadFrom(answer)
}

// askAt asks over a connection of its own.
func askAt(addr string, request kmsg.Request) (kmsg.Response, error) {
	c, err := dial(addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.ask(request)
}
