package network

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatIsNoRequestClosesItsConnection(t *testing.T) {
	size := func(n int32, rest ...byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(n)), rest...)
	}
	for name, tc := range map[string]struct {
		bytes []byte
		log   string
	}{
		"size 0":                       {size(0), "Error parsing request header. Our best guess of the apiKey is: -1"},
		"size -1":                      {size(-1), "Invalid receive (size = -1)"},
		"a size above the limit":       {size(104857601), "Invalid receive (size = 104857601 larger than 104857600)"},
		"HTTP":                         {[]byte("GET / HTTP/1.1\r\n"), "Invalid receive (size = 1195725856 larger than 104857600)"},
		"four bytes":                   {size(4, 0, 3, 0, 0), "Our best guess of the apiKey is: 3"},
		"an unknown API key":           {frame(999, 0, 1, ""), "Error parsing request header. Our best guess of the apiKey is: 999"},
		"an unknown version":           {frame(3, 99, 1, ""), "Received request api key METADATA with version 99 which is not enabled"},
		"a client id cut short":        {size(10, 0, 3, 0, 0, 0, 0, 0, 1, 0, 9), "Our best guess of the apiKey is: 3"},
		"more tags than bytes":         {size(15, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f), "Our best guess of the apiKey is: 3"},
		"a tag longer than the frame":  {size(13, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 1, 5, 9), "Our best guess of the apiKey is: 3"},
		"the handler closes":           {frame(3, 0, 1, "bad"), "Closing socket for 127.0.0.1:"},
		"the handler closes, in words": {frame(3, 0, 1, "bad"), "because of error: truncated body"},
	} {
		t.Run(name, func(t *testing.T) {
			log, out := testLog(t)
			s := start(t, Options{Log: log, APIName: func(key int16) string { return map[int16]string{3: "METADATA"}[key] }},
				handlerFunc(func(r *Request) {
					if string(r.Body) == "bad" {
						r.Close(errors.New("truncated body"))
						return
					}
					echo(r)
				}))
			c := dial(t, s)
			c.send(frame(3, 0, 7, "before"), tc.bytes)
			c.expect(7, "before")
			c.expectEnd()
			s.Close()
			if !strings.Contains(out.String(), tc.log) {
				t.Errorf("logged %q, want %q", out, tc.log)
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	id := func(r *Request) string {
		if r.ClientID == nil {
			return "null"
		}
		return *r.ClientID
	}
	s := start(t, Options{}, handlerFunc(func(r *Request) { r.Answer(Answer{Head: []byte(id(r) + ":" + string(r.Body))}) }))
	c := dial(t, s)
	head := []byte{0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 1}
	request := func(version byte, rest ...byte) []byte {
		b := append(bytes.Clone(head), rest...)
		b[3], b[7] = byte(len(b)-4), version
		return b
	}
	for name, tc := range map[string]struct {
		frame []byte
		want  string
	}{
		"a client id":             {request(0, 0, 2, 'm', 'e', 'x'), "me:x"},
		"an empty one":            {request(0, 0, 0, 'x'), ":x"},
		"null":                    {request(0, 0xff, 0xff, 'x'), "null:x"},
		"length -2 reads as null": {request(0, 0xff, 0xfe, 'x'), "null:x"},
		"no tags":                 {request(1, 0, 1, 'c', 0, 'x'), "c:x"},
		"two tags":                {request(1, 0, 1, 'c', 2, 1, 0, 200, 1, 2, 'a', 'b', 'x'), "c:x"},
	} {
		t.Run(name, func(t *testing.T) {
			c.TB = t
			c.send(tc.frame)
			c.expect(1, tc.want)
		})
	}
}

func TestLogLinesOfOneCauseAreRare(t *testing.T) {
	log, out := testLog(t)
	s := start(t, Options{Log: log}, handlerFunc(echo))
	for range 20 {
		c := dial(t, s)
		c.send(frame(999, 0, 1, ""))
		c.expectEnd()
	}
	s.Close()
	if n := strings.Count(out.String(), "\n"); n > 3 {
		t.Errorf("%d lines for one cause within a moment:\n%s", n, out)
	}
}

func TestAFrameLongerThanAnyBuffer(t *testing.T) {
	s := start(t, Options{}, handlerFunc(echo))
	c := dial(t, s)
	long := strings.Repeat("0123456789abcdef", 1<<18) // 4 MiB
	go c.Write(bytes.Join([][]byte{frame(3, 0, 1, "a"), frame(3, 0, 2, long), frame(3, 0, 3, long[:200<<10]), frame(3, 0, 4, "b")}, nil))
	c.expect(1, "a")
	c.expect(2, long)
	c.expect(3, long[:200<<10])
	c.expect(4, "b")
}

func TestAnAnnouncedFrameCostsNothingUntilItsBytesCome(t *testing.T) {
	f := newFrameReader(onceReceiver{}, 100<<20)
	f.buffer = wholeBuffer(16)
	binary.BigEndian.PutUint32(f.buffer.B, 100<<20)
	f.end = 4
	if _, err := f.size(); err != nil {
		t.Fatal(err)
	}
	if err := f.fill(); err != nil {
		t.Fatal(err)
	}
	if got := len(f.buffer.B); got > trusted {
		t.Errorf("%d bytes of buffer for 5 bytes read", got)
	}
}

// onceReceiver reads one byte at a time.
type onceReceiver struct{}

func (onceReceiver) receive(f *frameReader) (int, error) { return copy(f.space(), "x"), nil }

func TestFileRanges(t *testing.T) {
	content := []byte(strings.Repeat("the quick brown fox ", 60_000))
	name := filepath.Join(t.TempDir(), "segment")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	s := start(t, Options{}, handlerFunc(func(r *Request) {
		var f File = file
		if r.APIVersion == 2 {
			f = noDescriptor{file}
		}
		r.Answer(Answer{Head: []byte("<"), Parts: []Part{
			{File: f, Position: 20, Length: 100},
			{Bytes: []byte("|")},
			{File: f, Position: 7, Length: 1_000_000},
			{Bytes: content[:10_000]},
			{File: f, Position: 3, Length: 200_000},
			{Bytes: []byte(">")},
		}})
	}))
	c := dial(t, s)
	want := "<" + string(content[20:120]) + "|" + string(content[7:1_000_007]) + string(content[:10_000]) + string(content[3:200_003]) + ">"
	for _, version := range []int16{0, 2} {
		c.send(frame(1, version, 5, ""))
		c.expect(5, want)
	}
	if position, _ := file.Seek(0, 1); position != 0 {
		t.Errorf("the file's own position moved to %d", position)
	}
}

// noDescriptor is a file that sendfile cannot use.
type noDescriptor struct{ *os.File }

func (noDescriptor) Fd() uintptr { return ^uintptr(0) }

func TestAFileShorterThanItsRangeClosesTheConnection(t *testing.T) {
	for name, length := range map[string]int{"sendfile": 100_000, "read": 1000} {
		t.Run(name, func(t *testing.T) {
			file, err := os.Create(filepath.Join(t.TempDir(), "segment"))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			if _, err := file.Write(make([]byte, length-1)); err != nil {
				t.Fatal(err)
			}
			log, out := testLog(t)
			done := make(chan struct{})
			s := start(t, Options{Log: log}, handlerFunc(func(r *Request) {
				r.Answer(Answer{Parts: []Part{{File: file, Length: length}}, Done: func() { close(done) }})
			}))
			c := dial(t, s)
			c.send(frame(1, 0, 1, ""))
			got, _ := new(bytes.Buffer).ReadFrom(c)
			if got >= int64(length+8) {
				t.Errorf("got %d bytes, want fewer than promised", got)
			}
			<-done
			s.Close()
			if !strings.Contains(out.String(), "could not be read") {
				t.Errorf("logged %q", out)
			}
		})
	}
}

// With max.connections.per.ip=0 only the addresses that are named may come.
func TestStrangersMayBeKeptOut(t *testing.T) {
	s := start(t, Options{Limits: Limits{MaxConnectionsPerIP: -1, PerIP: map[string]int{"127.0.0.1": 1}}}, handlerFunc(echo))
	named := dial(t, s)
	named.send(frame(3, 0, 1, "x"))
	named.expect(1, "x")
	s.SetLimits(Limits{MaxConnectionsPerIP: -1})
	dial(t, s).expectEnd()
}

func TestTooManyConnectionsOfOneAddress(t *testing.T) {
	s := start(t, Options{Limits: Limits{MaxConnectionsPerIP: 2}}, handlerFunc(echo))
	first, second := dial(t, s), dial(t, s)
	for _, c := range []client{first, second} {
		c.send(frame(3, 0, 1, "x"))
		c.expect(1, "x")
	}
	dial(t, s).expectEnd()
	s.SetLimits(Limits{PerIP: map[string]int{"127.0.0.1": 3}})
	third := dial(t, s)
	third.send(frame(3, 0, 1, "x"))
	third.expect(1, "x")
	dial(t, s).expectEnd()
}
