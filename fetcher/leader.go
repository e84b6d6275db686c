package fetcher

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Leader is a connection to a broker from which partitions are copied. One fetcher uses it, from one goroutine.
type Leader interface {
	// RoundTrip sends a request in its version and returns the answer, dialing if it must. It ends with ctx. An answer may hold
	// views into a buffer that the next RoundTrip of the same request overwrites.
	RoundTrip(ctx context.Context, req kmsg.Request) (kmsg.Response, error)
	// Close closes the connection.
	Close()
}
