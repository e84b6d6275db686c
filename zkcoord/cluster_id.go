package zkcoord

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
)

// EnsurePaths creates the permanent nodes that every broker expects, in Kafka's order.
func (c *Client) EnsurePaths(ctx context.Context) error {
	for _, path := range startPaths() {
		if err := c.ensure(ctx, path, nil); err != nil {
			return err
		}
	}
	return nil
}

// ClusterID is the cluster's name for itself: 16 random bytes, made up by the first broker.
func (c *Client) ClusterID(ctx context.Context) (string, error) {
	n, err := c.read(ctx, clusterIDPath)
	if errors.Is(err, ErrNoNode) {
		if err := c.ensure(ctx, clusterIDPath, encodeClusterID(newUUID())); err != nil {
			return "", err
		}
		n, err = c.read(ctx, clusterIDPath)
	}
	if err != nil {
		return "", fmt.Errorf("cluster id: %w", err)
	}
	return decodeClusterID(n.data)
}

// newUUID is random in Kafka's text. One that begins with a dash would look like an option to its tools.
func newUUID() string {
	for {
		var b [16]byte
		rand.Read(b[:])
		if text := base64.RawURLEncoding.EncodeToString(b[:]); text[0] != '-' {
			return text
		}
	}
}
