package zkcoord

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Feature is what a controller writes to /feature; it follows from inter.broker.protocol.version.
type Feature struct {
	// Version is the shape of the data: 1, or 2 from 3.3-IV0 on.
	Version int32
	// Enabled says that features may be finalized, from 2.7-IV0 on.
	Enabled bool
}

type featureJSON struct {
	Features *json.RawMessage `json:"features"`
	Version  int32            `json:"version"`
	Status   int32            `json:"status"`
}

// encodeFeature names no feature: none of a cluster with ZooKeeper can be finalized.
func encodeFeature(f Feature) []byte {
	none := json.RawMessage("{}")
	j := featureJSON{Features: &none, Version: f.Version}
	if f.Enabled {
		j.Status = 1
	}
	return encode(j)
}

// decodeFeature also reports whether any feature is named.
func decodeFeature(data []byte) (f Feature, named bool, err error) {
	var j featureJSON
	if err := decode(featurePath, data, &j); err != nil {
		return Feature{}, false, err
	}
	if j.Version < 1 || j.Version > 2 {
		return Feature{}, false, malformed(featurePath, fmt.Sprintf("version %d, want 1 or 2", j.Version))
	}
	named = j.Features != nil && !bytes.Equal(bytes.TrimSpace(*j.Features), []byte("{}"))
	return Feature{Version: j.Version, Enabled: j.Status == 1}, named, nil
}

// EnsureFeature makes /feature what a controller of this protocol wants it to be. Features that are finalized stay
// as long as they may be; to give them another shape is left to who knows them.
func (c *Client) EnsureFeature(ctx context.Context, want Feature) error {
	var err error
	for range 3 {
		// Another version is of a controller whose reign ends or begins at this moment: see what it has made of it.
		if err = c.ensureFeature(ctx, want); !errors.Is(err, ErrBadVersion) {
			break
		}
	}
	return err
}

func (c *Client) ensureFeature(ctx context.Context, want Feature) error {
	n, err := c.read(ctx, featurePath)
	if errors.Is(err, ErrNoNode) {
		return c.ensure(ctx, featurePath, encodeFeature(want))
	}
	if err != nil {
		return err
	}
	stands, named, err := decodeFeature(n.data)
	switch {
	case err != nil:
		return err
	case named && want.Enabled && stands.Enabled:
		if stands.Version != want.Version {
			return malformed(featurePath, fmt.Sprintf("features are finalized in the shape of version %d, and are left alone: %s", stands.Version, n.data))
		}
		return nil
	case stands == want && !named:
		return nil
	}
	_, err = c.set(ctx, featurePath, encodeFeature(want), n.stat.Version)
	return err
}

// WatchFeature tells of changes of /feature; read with FeatureEpoch.
func (c *Client) WatchFeature(changed func()) *Watch {
	return c.watches.add(featurePath, watchNode, changed)
}

// FeatureEpoch is the epoch of the finalized features: the version of /feature, or -1 where nothing may be finalized.
func (c *Client) FeatureEpoch(ctx context.Context) (int64, error) {
	n, err := c.get(ctx, featurePath)
	if errors.Is(err, ErrNoNode) {
		return -1, nil
	}
	if err != nil {
		return -1, err
	}
	f, _, err := decodeFeature(n.data)
	if err != nil || !f.Enabled {
		return -1, err
	}
	return int64(n.stat.Version), nil
}
