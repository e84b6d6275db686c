package peer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// release is a broker of some release: it serves AlterPartition in these versions.
type release struct {
	mu       sync.Mutex
	serves   []int16  // from, to; nothing if it is nil
	asked    []string // what it was sent: key and version
	conn     net.Conn
	refusing int16 // the error with which it answers ApiVersions
}

func (r *release) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	r.mu.Lock()
	r.conn = theirs
	r.mu.Unlock()
	go r.serve(theirs)
	return ours, nil
}

func (r *release) serve(conn net.Conn) {
	defer conn.Close()
	for {
		var size [4]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		frame := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(conn, frame); err != nil {
			return
		}
		key, version := int16(binary.BigEndian.Uint16(frame)), int16(binary.BigEndian.Uint16(frame[2:]))
		if _, err := conn.Write(r.answer(key, version, int32(binary.BigEndian.Uint32(frame[4:])))); err != nil {
			return
		}
	}
}

func (r *release) answer(key, version int16, correlation int32) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, fmt.Sprintf("%d v%d", key, version))
	head := kbin.AppendInt32(nil, correlation)
	var body []byte
	if key == apiVersions {
		resp := &kmsg.ApiVersionsResponse{Version: version, ErrorCode: r.refusing}
		if r.serves != nil {
			resp.ApiKeys = []kmsg.ApiVersionsResponseApiKey{{ApiKey: 56, MinVersion: r.serves[0], MaxVersion: r.serves[1]}}
		}
		body = resp.AppendTo(head)
	} else {
		body = (&kmsg.AlterPartitionResponse{Version: version}).AppendTo(append(head, 0)) // tags
	}
	return append(kbin.AppendInt32(nil, int32(len(body))), body...)
}

func (r *release) wasAsked() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.asked)
}

func alterPartition(version int16) *kmsg.AlterPartitionRequest {
	return &kmsg.AlterPartitionRequest{Version: version}
}

func TestTheNewestCommonVersionIsSent(t *testing.T) {
	for name, tc := range map[string]struct {
		serves         []int16
		oldest, newest int16
		refusing       int16
		want           []string
		err            error
	}{
		"theirs, where it is older":           {serves: []int16{0, 1}, newest: 3, want: []string{"18 v3", "56 v1"}},
		"ours, where theirs is newer":         {serves: []int16{0, 9}, newest: 3, want: []string{"18 v3", "56 v3"}},
		"none that is older than what we can": {serves: []int16{0, 1}, oldest: 2, newest: 3, want: []string{"18 v3"}, err: ErrVersion},
		"none that is newer than what we can": {serves: []int16{4, 5}, newest: 3, want: []string{"18 v3"}, err: ErrVersion},
		"none where it is not known":          {newest: 3, want: []string{"18 v3"}, err: ErrVersion},
	} {
		t.Run(name, func(t *testing.T) {
			r := &release{serves: tc.serves}
			c := New(Options{Dial: r.dial})
			defer c.Close()
			req := alterPartition(tc.newest)
			resp, err := c.RoundTripNegotiated(t.Context(), there, req, tc.oldest)
			if !errors.Is(err, tc.err) {
				t.Errorf("%v, want %v", err, tc.err)
			}
			if err == nil && resp.GetVersion() != req.Version {
				t.Errorf("an answer of version %d to a request of %d", resp.GetVersion(), req.Version)
			}
			if got := r.wasAsked(); !slices.Equal(got, tc.want) {
				t.Errorf("it was asked %q, want %q", got, tc.want)
			}
		})
	}
}

// In a roll the broker at an address comes back as another binary; a connection is to one binary only.
func TestVersionsAreLearnedAnewWithEachConnection(t *testing.T) {
	r := &release{serves: []int16{0, 3}}
	c := New(Options{Dial: r.dial})
	defer c.Close()
	ask := func() error {
		_, err := c.RoundTripNegotiated(t.Context(), there, alterPartition(3), 0)
		return err
	}
	for range 2 {
		if err := ask(); err != nil {
			t.Fatal(err)
		}
	}
	r.mu.Lock()
	r.serves = []int16{0, 1}
	r.conn.Close()
	r.mu.Unlock()
	if err := ask(); err == nil {
		t.Error("the broken connection gave an answer")
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	if got, want := r.wasAsked(), []string{"18 v3", "56 v3", "56 v3", "18 v3", "56 v1"}; !slices.Equal(got, want) {
		t.Errorf("it was asked %q, want %q", got, want)
	}
}

func TestABrokerThatDoesNotTellItsVersionsIsSentNothing(t *testing.T) {
	r := &release{refusing: 35}
	c := New(Options{Dial: r.dial})
	defer c.Close()
	if _, err := c.RoundTripNegotiated(t.Context(), there, alterPartition(3), 0); err == nil {
		t.Error("no error")
	}
	if got, want := r.wasAsked(), []string{"18 v3"}; !slices.Equal(got, want) {
		t.Errorf("it was asked %q, want %q", got, want)
	}
}
