package peer

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

var there = cluster.Endpoint{Listener: "PLAINTEXT", Protocol: "PLAINTEXT", Host: "there", Port: 9092}

// broker is the other side, in memory: answer gets a request's correlation id and body and says what to write.
type broker struct {
	dials  atomic.Int32
	answer func(correlation int32, body []byte) []byte
}

func (b *broker) dial(context.Context, string, string) (net.Conn, error) {
	b.dials.Add(1)
	ours, theirs := net.Pipe()
	go b.serve(theirs)
	return ours, nil
}

func (b *broker) serve(conn net.Conn) {
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
		out := b.answer(int32(binary.BigEndian.Uint32(frame[4:])), frame[8:])
		if out == nil {
			return
		}
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

// frame is an answer as it stands on the wire. LeaderAndIsr v7 is flexible: a byte of tags follows the correlation id.
func frame(correlation int32, resp kmsg.Response) []byte {
	body := resp.AppendTo(append(kbin.AppendInt32(nil, correlation), 0))
	return append(kbin.AppendInt32(nil, int32(len(body))), body...)
}

func request(epoch int32) *kmsg.LeaderAndISRRequest {
	return &kmsg.LeaderAndISRRequest{Version: 7, ControllerEpoch: epoch}
}

func ok(correlation int32, _ []byte) []byte {
	return frame(correlation, &kmsg.LeaderAndISRResponse{Version: 7, ErrorCode: int16(correlation)})
}

func TestRequestsShareAConnection(t *testing.T) {
	b := &broker{answer: ok}
	c := New(Options{ClientID: "1", Dial: b.dial})
	defer c.Close()
	for i := range int16(3) {
		resp, err := c.RoundTrip(t.Context(), there, request(0))
		if err != nil || resp.(*kmsg.LeaderAndISRResponse).ErrorCode != i+1 {
			t.Fatalf("round trip %d: %+v, %v", i, resp, err)
		}
	}
	if b.dials.Load() != 1 {
		t.Errorf("%d dials for one broker", b.dials.Load())
	}
}

// fetching is a request with a place for its answers.
type fetching struct {
	*kmsg.LeaderAndISRRequest
	buffer []byte
}

func (f *fetching) AnswerBuffer(size int) []byte { return f.buffer[:size] }

func TestAnswersGoWhereTheRequestSays(t *testing.T) {
	c := New(Options{Dial: (&broker{answer: ok}).dial})
	defer c.Close()
	f := &fetching{request(0), make([]byte, 100)}
	if _, err := c.RoundTrip(t.Context(), there, f); err != nil {
		t.Fatal(err)
	}
	if f.buffer[0] == 0 && f.buffer[2] == 0 { // tags, then the error code 1
		t.Errorf("nothing came into the buffer: %v", f.buffer[:10])
	}
}

func TestAFailedConnectionIsDialedAnewButNothingIsSentTwice(t *testing.T) {
	for name, answer := range map[string]func(int32, []byte) []byte{
		"closed":              func(int32, []byte) []byte { return nil },
		"wrong correlation":   func(id int32, _ []byte) []byte { return ok(id+1, nil) },
		"a negative size":     func(int32, []byte) []byte { return []byte{255, 255, 255, 255, 0, 0, 0, 1} },
		"too large":           func(int32, []byte) []byte { return []byte{127, 0, 0, 0, 0, 0, 0, 1} },
		"cut in the middle":   func(id int32, _ []byte) []byte { return frame(id, &kmsg.LeaderAndISRResponse{Version: 7})[:7] },
		"a body out of shape": func(int32, []byte) []byte { return []byte{0, 0, 0, 5, 0, 0, 0, 1, 0} },
	} {
		t.Run(name, func(t *testing.T) {
			var requests atomic.Int32
			b := &broker{}
			b.answer = func(id int32, body []byte) []byte {
				if requests.Add(1) == 1 {
					return answer(id, body)
				}
				return ok(id, body)
			}
			c := New(Options{Dial: b.dial, Timeout: 100 * time.Millisecond})
			defer c.Close()
			if _, err := c.RoundTrip(t.Context(), there, request(0)); err == nil {
				t.Fatal("no error")
			}
			if requests.Load() != 1 {
				t.Errorf("%d requests were sent for one", requests.Load())
			}
			if _, err := c.RoundTrip(t.Context(), there, request(0)); err != nil || b.dials.Load() != 2 {
				t.Errorf("the next one: %v after %d dials", err, b.dials.Load())
			}
		})
	}
}

func TestABrokerThatDoesNotAnswerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := make(chan struct{})
		b := &broker{answer: func(int32, []byte) []byte { <-silent; return nil }}
		c := New(Options{Dial: b.dial, Timeout: 30 * time.Second})
		started := time.Now()
		_, err := c.RoundTrip(t.Context(), there, request(0))
		if !errors.Is(err, context.DeadlineExceeded) && !isTimeout(err) {
			t.Errorf("got %v", err)
		}
		if waited := time.Since(started); waited != 30*time.Second {
			t.Errorf("waited %v", waited)
		}
		c.Close()
		close(silent)
	})
}

// A machine that is off answers nothing at all, not even with a refusal.
func TestAMachineThatIsOffIsGivenUpSooner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		off := true
		b := &broker{answer: ok}
		c := New(Options{SetupTimeout: 10 * time.Second, SetupTimeoutMax: 30 * time.Second, Timeout: time.Minute,
			Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				if off {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return b.dial(ctx, network, address)
			}})
		attempt := func(low, high time.Duration) {
			t.Helper()
			began := time.Now()
			_, err := c.RoundTrip(t.Context(), there, request(0))
			if waited := time.Since(began); err == nil || waited < low || waited > high {
				t.Errorf("waited %v, want %v to %v: %v", waited, low, high, err)
			}
		}
		attempt(8*time.Second, 12*time.Second)
		attempt(16*time.Second, 24*time.Second)
		attempt(24*time.Second, 30*time.Second)
		attempt(24*time.Second, 30*time.Second)
		off = false
		if _, err := c.RoundTrip(t.Context(), there, request(0)); err != nil {
			t.Error(err)
		}
		off = true
		time.Sleep(10 * time.Minute) // the connection that was made is not trusted any more
		attempt(8*time.Second, 12*time.Second)
		c.Close()
	})
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

func TestARestingConnectionIsNotTrusted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broker{answer: ok}
		c := New(Options{Dial: b.dial})
		for _, rest := range []time.Duration{0, time.Minute, 10 * time.Minute} {
			time.Sleep(rest)
			if _, err := c.RoundTrip(t.Context(), there, request(0)); err != nil {
				t.Error(err)
			}
		}
		if b.dials.Load() != 2 {
			t.Errorf("%d dials, want 2: after ten minutes the other side may be closing", b.dials.Load())
		}
		c.Close()
	})
}

func TestRequestsGoOutInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var epochs []int32
		gate := make(chan struct{})
		b := &broker{answer: func(id int32, body []byte) []byte {
			<-gate
			var req kmsg.LeaderAndISRRequest
			req.Version = 7
			if err := req.ReadFrom(body[3:]); err != nil { // an empty client id is two bytes, tags one
				t.Error(err)
			}
			epochs = append(epochs, req.ControllerEpoch)
			return ok(id, body)
		}}
		c := New(Options{Dial: b.dial})
		var wg sync.WaitGroup
		for i := range int32(10) {
			wg.Go(func() {
				if _, err := c.RoundTrip(t.Context(), there, request(i)); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait() // the caller stands in the queue before the next one comes
		}
		close(gate)
		wg.Wait()
		for i, epoch := range epochs {
			if int(epoch) != i {
				t.Fatalf("sent in the order %v", epochs)
			}
		}
		c.Close()
	})
}

func TestCloseEndsWhatIsInFlightAndWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := make(chan struct{})
		b := &broker{answer: func(int32, []byte) []byte { <-silent; return nil }}
		c := New(Options{Dial: b.dial})
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if _, err := c.RoundTrip(t.Context(), there, request(0)); !errors.Is(err, ErrClosed) {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		c.Close()
		wg.Wait()
		if _, err := c.RoundTrip(t.Context(), there, request(0)); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		c.Close()
		close(silent)
	})
}

func TestForgetClosesWhenTheRequestIsThrough(t *testing.T) {
	b := &broker{answer: ok}
	c := New(Options{Dial: b.dial})
	defer c.Close()
	for range 2 {
		if _, err := c.RoundTrip(t.Context(), there, request(0)); err != nil {
			t.Fatal(err)
		}
		c.Forget(there)
	}
	if b.dials.Load() != 2 {
		t.Errorf("%d dials, want one after each Forget", b.dials.Load())
	}
}

func TestOnlyPlainTextIsSpoken(t *testing.T) {
	c := New(Options{})
	defer c.Close()
	tls := there
	tls.Protocol = "SSL"
	if _, err := c.RoundTrip(t.Context(), tls, request(0)); !errors.Is(err, ErrProtocol) {
		t.Errorf("got %v", err)
	}
}
