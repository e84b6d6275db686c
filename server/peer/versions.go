package peer

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// ErrVersion says that the other side serves no version of the request that would do.
var ErrVersion = errors.New("no version of the request is served there")

// apiVersions is the key of ApiVersions, and apiVersionsVersion the version of it that every broker since 2.4 serves, the
// oldest whose protocol is spoken here.
const (
	apiVersions        int16 = 18
	apiVersionsVersion int16 = 3
)

// versionRange is the versions of a request that a broker serves, both included.
type versionRange struct{ min, max int16 }

// RoundTripNegotiated is RoundTrip in the newest version that the other side serves, from oldest to the request's own, which
// is set to it. The other side is asked for its versions once on each connection, since it may be another
// binary after a restart. ErrVersion is the answer where there is no such version; nothing is sent then.
func (c *Client) RoundTripNegotiated(ctx context.Context, to cluster.Endpoint, req kmsg.Request, oldest int16) (kmsg.Response, error) {
	newest := req.GetVersion()
	return c.send(ctx, to, req, func(ctx context.Context, l *link) error {
		if err := l.learnVersions(ctx); err != nil {
			return err
		}
		version, err := l.versions.choose(req.Key(), oldest, newest)
		req.SetVersion(version)
		return err
	})
}

// servedVersions are what a broker serves, by API key; nil while nobody has asked.
type servedVersions map[int16]versionRange

// choose is the newest common version.
func (s servedVersions) choose(key, oldest, newest int16) (int16, error) {
	served, known := s[key]
	switch {
	case !known:
		return newest, fmt.Errorf("%w: it is not known", ErrVersion)
	case served.min > newest || served.max < oldest:
		return newest, fmt.Errorf("%w: it serves %d to %d, %d to %d would do", ErrVersion, served.min, served.max, oldest, newest)
	}
	return min(served.max, newest), nil
}

// learnVersions asks for what the other side serves, unless this connection has asked already.
func (l *link) learnVersions(ctx context.Context) error {
	if l.versions != nil {
		return nil
	}
	req := kmsg.NewPtrApiVersionsRequest()
	req.SetVersion(apiVersionsVersion)
	req.ClientSoftwareName, req.ClientSoftwareVersion = "ottla", "unknown"
	answer, err := l.exchange(ctx, req)
	if err != nil {
		return err
	}
	resp := answer.(*kmsg.ApiVersionsResponse) // exchange has made it from our request
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return fmt.Errorf("ask for its versions: %w", err)
	}
	l.versions = make(servedVersions, len(resp.ApiKeys))
	for _, k := range resp.ApiKeys {
		l.versions[k.ApiKey] = versionRange{k.MinVersion, k.MaxVersion}
	}
	return nil
}
