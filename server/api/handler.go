package api

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/network"
)

// API answers every request that this broker serves. It is a network.Handler, it owns no goroutine of
// its own, and its methods may be called from any number of connections at once.
type API struct {
	Options
	rows     map[int16]*row // by API key
	sessions *fetchSessions

	quiet quiet

	// Requests in work, with their buffers, to be used again.
	produces sync.Pool // of *produce
	fetches  sync.Pool // of *fetch

	// downgrades bounds how many batches are converted for old consumers at a time.
	downgrades chan struct{}
}

// New makes an API out of the broker's parts.
func New(o Options) *API {
	return &API{Options: o, rows: served(), sessions: newFetchSessions(int(o.Config.Static().FetchSessionCacheSlots)),
		downgrades: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// call is one request on its way through its handler. A handler ends in exactly one reply, silence or
// refuse, at once or later from any goroutine.
type call struct {
	// ctx ends with the connection.
	ctx     context.Context
	frame   *network.Request
	version int16
	// flexible tells that the answer's header ends in tagged fields (response header 1).
	flexible bool
}

// clientID is what the client calls itself, "" when it sent null.
func (c *call) clientID() string {
	if id := c.frame.ClientID; id != nil {
		return *id
	}
	return ""
}

// clientHost is the client's address as Kafka shows it to operators: /127.0.0.1.
func (c *call) clientHost() string { return c.frame.Session.RemoteHost() }

// listener is the name of the listener that the client came by: it is told that listener's addresses.
func (c *call) listener() string { return c.frame.Session.Listener }

// reply answers with resp in the request's version.
func (c *call) reply(resp kmsg.Response) {
	resp.SetVersion(c.version)
	c.frame.Answer(network.Answer{Head: resp.AppendTo(c.head(0))})
}

// head begins an answer: what of the response header follows the correlation id, in a buffer with room
// for size bytes of body.
func (c *call) head(size int) []byte {
	if size < minAnswer {
		size = minAnswer
	}
	b := make([]byte, 0, size+1)
	if c.flexible {
		b = append(b, 0) // no tagged fields
	}
	return b
}

// minAnswer is the room, in bytes, that an answer of unknown size begins with.
const minAnswer = 128

// silence ends a request that wants no answer: acks=0.
func (c *call) silence() { c.frame.NoAnswer() }

// refuse ends the connection after the answers to earlier requests.
func (c *call) refuse(err error) { c.frame.Close(err) }

// Name is an API key's name as Kafka's log and metrics have it: METADATA. It is empty for one that is not served.
func (a *API) Name(key int16) string {
	if r := a.rows[key]; r != nil {
		return r.name
	}
	return ""
}

// HeaderVersion tells how the header of a request is coded: 1 with a client id, 2 also with tagged
// fields, 0 with neither. A request that is not served has no header that anybody could read.
//
// ApiVersions is the exception: a client that knows a later version of it must be told so, and
// whatever its version, its header is read as the latest.
func (a *API) HeaderVersion(key, version int16) (header int16, ok bool) {
	r := a.rows[key]
	switch {
	case r == nil:
		return 0, false
	case r.min <= version && version <= r.max:
		return r.headerVersion(version), true
	case key == keyAPIVersions:
		return 2, true
	}
	return 0, false
}

// Handle decodes a request and runs its handler. A body that does not decode ends the connection, as
// it would in Kafka.
func (a *API) Handle(ctx context.Context, frame *network.Request) {
	r := a.rows[frame.APIKey]
	c := &call{ctx: ctx, frame: frame, version: frame.APIVersion}
	if frame.APIVersion < r.min || frame.APIVersion > r.max {
		// Only ApiVersions comes here: HeaderVersion let nothing else pass.
		a.refuseAPIVersions(c)
		return
	}
	c.flexible = r.flexibleAnswer(frame.APIVersion)
	if err := r.handle(a, c); err != nil {
		c.refuse(fmt.Errorf("Error getting request for apiKey: %s, apiVersion: %d, connectionId: %s, listenerName: %s: %w",
			r.name, frame.APIVersion, frame.Session.ConnectionID, frame.Session.Listener, err))
	}
}

// on makes the handler of a request that kmsg decodes. The frame has been walked by its schema before,
// so what kmsg's decoder allocates is bounded by the frame's length (guard.go).
//
// Strings are copied out of the frame, byte fields are views into it: they are valid until the answer.
func on[R kmsg.Request](handle func(*API, *call, R)) func(*row) func(*API, *call) error {
	return func(r *row) func(*API, *call) error {
		return func(a *API, c *call) error {
			used, err := r.schema.check(c.frame.Body, c.version)
			if err != nil {
				return err
			}
			body := c.frame.Body[:used]
			switch {
			case r.mend != nil:
				body = r.mend(body, c.version)
			case r.keepsBytes:
				body = bytes.Clone(body)
			}
			req := kmsg.RequestForKey(r.key).(R)
			req.SetVersion(c.version)
			if err := req.ReadFrom(body); err != nil {
				return err
			}
			handle(a, c, req)
			return nil
		}
	}
}

// raw makes the handler of a request that decodes its body itself, as Produce and Fetch do.
func raw(handle func(*API, *call) error) func(*row) func(*API, *call) error {
	return func(*row) func(*API, *call) error { return handle }
}
