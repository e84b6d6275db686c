package integration

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// test is a client id on the wire.
const test = "000474657374"

// rawProbes are the probes that sent bytes of their own, of which the recording keeps words only. Bytes are
// written in hexadecimal, a frame without its length.
var rawProbes = map[string]func(t *testing.T, address string){
	malformed("ApiVersions v99 (header v1 style)"):                               closes("0012006300000007" + test),
	malformed("ApiVersions v99 with flexible header and body"):                   answers("0012006300000007"+test+"00"+"0261023100", "00000007002300000001001200000004"),
	malformed("ApiVersions v99 decoded as v0"):                                   answers("0012006300000007"+test+"00"+"0261023100", "00000007002300000001001200000004"),
	malformed("ApiVersions v3 with an empty software name"):                      answers("0012000300000007"+test+"00"+"01023100", "00000007002a010000000000"),
	malformed("unknown api key 999"):                                             closes("03e7000000000007" + test),
	malformed("api key -1"):                                                      closes("ffff000000000007" + test),
	malformed("Metadata v99"):                                                    closes("0003006300000007" + test),
	malformed("Metadata v-1"):                                                    closes("0003ffff00000007" + test),
	malformed("BrokerHeartbeat (63, KRaft only)"):                                closes("003f000000000007" + test + "00"),
	malformed("GetTelemetrySubscriptions (71), not advertised"):                  closes("0047000000000007" + test + "00"),
	malformed("Vote (52)"):                                                       closes("0034000000000007" + test + "00"),
	malformed("Produce v3 with truncated body"):                                  closes("0000000300000007" + test + "ffff0001"),
	malformed("body with 3 trailing garbage bytes (Metadata v0, empty list)"):    answers("0003000000000007"+test+"00000000"+"010203", "0000000700000001000000010009"),
	malformed("array length 2147483647 in Metadata v0"):                          closes("0003000000000007" + test + "7fffffff"),
	malformed("array length -2 in Metadata v1"):                                  answers("0003000100000007"+test+"fffffffe", "0000000700000001000000010009"),
	malformed("size 0"):                                                          closesAfter("00000000"),
	malformed("size -1"):                                                         closesAfter("ffffffff"),
	malformed("size 104857601 (> socket.request.max.bytes)"):                     closesAfter("06400001"),
	malformed("size 104857600, no data: waits for it"):                           waitsAfter("06400000"),
	malformed("'GET / HTTP/1.1' (size 1195725856)"):                              closesAfter("474554202f20485454502f312e310d0a0d0a"),
	malformed("TLS client hello"):                                                closesAfter("16030100a5010000a10303" + "00000000000000000000000000000000"),
	malformed("size 4, 4 bytes"):                                                 closes("00120000"),
	malformed("null client id"):                                                  answers("0012000000000007ffff", "000000070000"),
	malformed("client id length -2"):                                             answers("0012000000000007fffe", "000000070000"),
	malformed("three pipelined requests are answered in order, correlation ids"): pipelined,
	malformed("Fetch v4 with no topics, maxWait 800: answered after"):            answers("0001000400000007"+test+"ffffffff"+"00000320"+"00000001"+"00100000"+"00"+"00000000", "000000070000000000000000"),
}

func malformed(name string) string { return "ApiVersions and malformed requests: " + name }

func dialRaw(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func sized(frame []byte) []byte { return binary.BigEndian.AppendUint32(nil, uint32(len(frame))) }

// answers sends a frame and expects an answer that begins with some bytes.
func answers(frame, beginning string) func(t *testing.T, address string) {
	return func(t *testing.T, address string) {
		b := unhex(t, frame)
		got, err := exchange(dialRaw(t, address), sized(b), b, true)
		if want := unhex(t, beginning); err != nil || !bytes.HasPrefix(got, want) {
			t.Errorf("answered %x, %v, want %x", got, err, want)
		}
	}
}

// closes sends a frame and expects the connection to end without an answer.
func closes(frame string) func(t *testing.T, address string) {
	return func(t *testing.T, address string) {
		b := unhex(t, frame)
		if got, err := exchange(dialRaw(t, address), sized(b), b, true); !errors.Is(err, io.EOF) {
			t.Errorf("answered %x, %v, want the connection closed", got, err)
		}
	}
}

// closesAfter sends bytes that need not be a frame.
func closesAfter(stream string) func(t *testing.T, address string) {
	return func(t *testing.T, address string) {
		if got, err := exchange(dialRaw(t, address), nil, unhex(t, stream), true); !errors.Is(err, io.EOF) {
			t.Errorf("answered %x, %v, want the connection closed", got, err)
		}
	}
}

func waitsAfter(stream string) func(t *testing.T, address string) {
	return func(t *testing.T, address string) {
		c := dialRaw(t, address)
		if _, err := c.Write(unhex(t, stream)); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		var timeout net.Error
		if n, err := c.Read(make([]byte, 1)); n > 0 || !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%d bytes, %v; want the broker to wait for the rest", n, err)
		}
	}
}

func pipelined(t *testing.T, address string) {
	c := dialRaw(t, address)
	var stream []byte
	for id := byte(1); id <= 3; id++ {
		frame := append(unhex(t, "00120000000000"), id, 0xff, 0xff)
		stream = append(append(stream, sized(frame)...), frame...)
	}
	for id := uint32(1); id <= 3; id++ {
		got, err := exchange(c, nil, stream, true)
		if stream = nil; err != nil || binary.BigEndian.Uint32(got) != id {
			t.Fatalf("answer %d: %x, %v", id, got, err)
		}
	}
}
