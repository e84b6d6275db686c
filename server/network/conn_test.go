package network

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// handlerFunc handles requests in tests. Key 999 is unknown to it; every other has header 1, odd versions
// header 2.
type handlerFunc func(r *Request)

func (handlerFunc) HeaderVersion(key, version int16) (int16, bool) {
	return 1 + version&1, key != 999 && version != 99
}
func (h handlerFunc) Handle(_ context.Context, r *Request) { h(r) }

// echo answers with the request's own body.
func echo(r *Request) { r.Answer(Answer{Head: bytes.Clone(r.Body)}) }

// frame encodes a request with client id "c".
func frame(key, version int16, correlation int32, body string) []byte {
	b := make([]byte, 4, 64+len(body))
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, uint32(correlation))
	b = append(b, 0, 1, 'c')
	if version&1 == 1 {
		b = append(b, 0)
	}
	b = append(b, body...)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// client is the other end of a connection.
type client struct {
	testing.TB
	net.Conn
}

// expect reads one answer.
func (c client) expect(correlation int32, body string) {
	c.Helper()
	if got, gotBody := c.read(); got != correlation || gotBody != body {
		c.Fatalf("answer %d %.60q (%d bytes), want %d %.60q (%d bytes)", got, gotBody, len(gotBody), correlation, body, len(body))
	}
}

func (c client) read() (int32, string) {
	c.Helper()
	var start [8]byte
	if _, err := io.ReadFull(c, start[:]); err != nil {
		c.Fatal(err)
	}
	body := make([]byte, binary.BigEndian.Uint32(start[:])-4)
	if _, err := io.ReadFull(c, body); err != nil {
		c.Fatal(err)
	}
	return int32(binary.BigEndian.Uint32(start[4:])), string(body)
}

// expectEnd waits until the server has closed the connection.
func (c client) expectEnd() {
	c.Helper()
	if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil {
		c.Fatalf("read %d bytes, %v, want the end of the connection", n, err)
	}
}

func (c client) send(frames ...[]byte) {
	c.Helper()
	if _, err := c.Write(bytes.Join(frames, nil)); err != nil {
		c.Fatal(err)
	}
}

// start serves h on loopback.
func start(t testing.TB, o Options, h Handler) *Server {
	t.Helper()
	o.Listeners = []Listener{{Name: "PLAINTEXT", Protocol: "PLAINTEXT", Host: "127.0.0.1"}}
	s, err := Listen(o, h)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func dial(t testing.TB, s *Server) client {
	t.Helper()
	nc, err := net.Dial("tcp", s.Addrs()["PLAINTEXT"].String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	return client{t, nc}
}

func testLog(t testing.TB) (logrus.FieldLogger, *bytes.Buffer) {
	var out bytes.Buffer
	log := logrus.New()
	log.SetOutput(&out)
	log.SetFormatter(&logrus.TextFormatter{DisableTimestamp: true, DisableQuote: true})
	return log, &out
}

func TestAnswersKeepTheOrderOfRequests(t *testing.T) {
	s := start(t, Options{}, handlerFunc(func(r *Request) {
		body := string(r.Body)
		if r.CorrelationID%2 == 0 {
			go r.Answer(Answer{Head: []byte(body)})
			return
		}
		r.Answer(Answer{Head: []byte(body)})
	}))
	c := dial(t, s)
	for i := range int32(100) {
		c.send(frame(3, int16(i%3), i, strconv.Itoa(int(i))), frame(0, 1, -i, "produce"))
	}
	for i := range int32(100) {
		c.expect(i, strconv.Itoa(int(i)))
		c.expect(-i, "produce")
	}
}

func TestOnlyAProduceOvertakesAPipelinedProduce(t *testing.T) {
	handled := make(chan *Request, 10)
	s := start(t, Options{}, handlerFunc(func(r *Request) {
		handled <- r
		if r.APIKey == 0 {
			r.Pipeline()
		}
	}))
	c := dial(t, s)
	c.send(frame(0, 0, 1, "a"), frame(0, 0, 2, "b"), frame(3, 0, 3, "c"), frame(0, 0, 4, "d"))
	one, two := <-handled, <-handled
	two.Answer(Answer{Head: []byte("two")})
	select {
	case r := <-handled:
		t.Fatalf("request %d was handled while a produce was outstanding", r.CorrelationID)
	case <-time.After(20 * time.Millisecond):
	}
	one.Answer(Answer{Head: []byte("one")})
	c.expect(1, "one")
	c.expect(2, "two")
	three := <-handled
	three.Answer(Answer{Head: []byte("three")})
	c.expect(3, "three")
	(<-handled).NoAnswer()
	c.send(frame(3, 0, 5, ""))
	(<-handled).Close(errors.New("enough"))
	c.expectEnd()
}
