package zkcoord

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-zookeeper/zk"
	"golang.org/x/sync/errgroup"
)

// maxRequestBytes is the largest request we send. A server closes the connection on anything above
// 1,048,575 bytes, and every other call in flight dies with it.
const maxRequestBytes = 1_000_000

const persistent, ephemeral, sequential = 0, zk.FlagEphemeral, zk.FlagSequence

// openACL is Kafka's without zookeeper.set.acl: world:anyone:cdrwa.
func openACL() []zk.ACL { return zk.WorldACL(zk.PermAll) }

// call runs one request in the current session and tries again when the connection was lost, for as long
// as that session and ctx last. attempt counts from 0: a write that is tried again may find its own first
// try. A call that ctx abandons leaves its worker behind until the library answers it.
func call[T any](ctx context.Context, c *Client, request func(conn *zk.Conn, attempt int) (T, error)) (T, error) {
	var zero T
	s, err := c.currentSession(ctx)
	if err != nil {
		return zero, err
	}
	type answer struct {
		value T
		err   error
	}
	for attempt := 0; ; attempt++ {
		if err := s.waitConnected(ctx); err != nil {
			return zero, err
		}
		select {
		case c.inFlight <- struct{}{}:
		case <-ctx.Done():
			return zero, ctx.Err()
		case <-s.ctx.Done():
			return zero, s.whyOver()
		}
		answers := make(chan answer, 1)
		started := time.Now()
		go func() {
			defer func() { <-c.inFlight }()
			value, err := request(s.conn, attempt)
			answers <- answer{value, translate(err)}
		}()
		select {
		case a := <-answers:
			c.metrics.observe(time.Since(started))
			if errors.Is(a.err, errConnectionLost) && s.ctx.Err() == nil {
				// The library's loop may need a moment to say that it is disconnected.
				if err := pause(ctx, s, attempt); err != nil {
					return zero, err
				}
				continue
			}
			if errors.Is(a.err, errConnectionLost) {
				return zero, s.whyOver()
			}
			return a.value, a.err
		case <-ctx.Done():
			return zero, ctx.Err()
		case <-s.ctx.Done():
			return zero, s.whyOver()
		}
	}
}

// pause keeps a call from spinning on a connection that fails at once, again and again.
func pause(ctx context.Context, s *session, attempt int) error {
	timer := time.NewTimer(min(time.Duration(attempt)*20*time.Millisecond+5*time.Millisecond, lastBackoff))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ctx.Done():
		return s.whyOver()
	}
}

func (s *session) whyOver() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.expired {
		return ErrSessionExpired
	}
	return ErrClosed
}

// parallel runs f for 0 to n-1, as many at once as may be in flight, and stops at the first error.
func (c *Client) parallel(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(cap(c.inFlight))
	for i := range n {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return f(ctx, i)
		})
	}
	return g.Wait()
}

type node struct {
	data []byte
	stat zk.Stat
}

// get reads a node, and sets a watch if there is interest in it and none stands.
func (c *Client) get(ctx context.Context, path string) (node, error) {
	key := watchKey{path, watchNode}
	for {
		want, fired := c.watches.want(key)
		if !want {
			return c.read(ctx, path)
		}
		n, err := call(ctx, c, func(conn *zk.Conn, _ int) (node, error) {
			data, stat, _, err := conn.GetW(c.full(path))
			return toNode(data, stat, err)
		})
		if err == nil {
			c.watches.set(key, fired)
			return n, nil
		}
		if !errors.Is(err, ErrNoNode) {
			return n, fmt.Errorf("get %s: %w", path, err)
		}
		// Reading a node that is not there leaves no watch; asking for its existence does.
		exists, err := call(ctx, c, func(conn *zk.Conn, _ int) (bool, error) {
			exists, _, _, err := conn.ExistsW(c.full(path))
			return exists, err
		})
		if err != nil {
			return n, fmt.Errorf("exists %s: %w", path, err)
		}
		c.watches.set(key, fired)
		if !exists {
			return n, fmt.Errorf("get %s: %w", path, ErrNoNode)
		}
	}
}

// read reads a node and sets no watch.
func (c *Client) read(ctx context.Context, path string) (node, error) {
	n, err := call(ctx, c, func(conn *zk.Conn, _ int) (node, error) {
		data, stat, err := conn.Get(c.full(path))
		return toNode(data, stat, err)
	})
	if err != nil {
		return n, fmt.Errorf("get %s: %w", path, err)
	}
	return n, nil
}

func toNode(data []byte, stat *zk.Stat, err error) (node, error) {
	if err != nil || stat == nil {
		return node{}, err
	}
	return node{data: data, stat: *stat}, nil
}

// children lists a node's children, and sets a watch if there is interest in them and none stands.
func (c *Client) children(ctx context.Context, path string) ([]string, error) {
	key := watchKey{path, watchChildren}
	want, fired := c.watches.want(key)
	names, err := call(ctx, c, func(conn *zk.Conn, _ int) ([]string, error) {
		if want {
			names, _, _, err := conn.ChildrenW(c.full(path))
			return names, err
		}
		names, _, err := conn.Children(c.full(path))
		return names, err
	})
	if err != nil {
		return nil, fmt.Errorf("children of %s: %w", path, err)
	}
	if want {
		c.watches.set(key, fired)
	}
	return names, nil
}

// create makes a node and returns its path, which for a sequential one has a number at its end. A
// NodeExists on a second try is success if the node is what we meant to create: our session's, if it is
// ephemeral, or with our data. A sequential node may be created twice; who reads them bears that.
func (c *Client) create(ctx context.Context, path string, data []byte, flags int32) (string, error) {
	if len(data) > maxRequestBytes {
		return "", fmt.Errorf("create %s, %d bytes: %w", path, len(data), ErrTooLarge)
	}
	type result struct {
		path    string
		attempt int
		session int64
	}
	r, err := call(ctx, c, func(conn *zk.Conn, attempt int) (result, error) {
		created, err := conn.Create(c.full(path), data, flags, openACL())
		return result{c.bare(created), attempt, conn.SessionID()}, err
	})
	if errors.Is(err, ErrNodeExists) && r.attempt > 0 {
		n, readErr := c.read(ctx, path)
		if readErr == nil && (flags&ephemeral != 0 && n.stat.EphemeralOwner == r.session ||
			flags&ephemeral == 0 && bytes.Equal(n.data, data)) {
			return path, nil
		}
	}
	if err != nil {
		return "", fmt.Errorf("create %s: %w", path, err)
	}
	return r.path, nil
}

// anyVersion makes a write unconditional.
const anyVersion = -1

// set writes a node and returns its version. A BadVersion on a second try is success if the node has our
// data and the version that our first try gave it.
func (c *Client) set(ctx context.Context, path string, data []byte, version int32) (int32, error) {
	if len(data) > maxRequestBytes {
		return 0, fmt.Errorf("set %s, %d bytes: %w", path, len(data), ErrTooLarge)
	}
	type result struct {
		version int32
		attempt int
	}
	r, err := call(ctx, c, func(conn *zk.Conn, attempt int) (result, error) {
		stat, err := conn.Set(c.full(path), data, version)
		if err != nil || stat == nil {
			return result{attempt: attempt}, err
		}
		return result{stat.Version, attempt}, nil
	})
	if errors.Is(err, ErrBadVersion) && r.attempt > 0 {
		if n, readErr := c.read(ctx, path); readErr == nil && n.stat.Version == version+1 && bytes.Equal(n.data, data) {
			return n.stat.Version, nil
		}
	}
	if err != nil {
		return 0, fmt.Errorf("set %s: %w", path, err)
	}
	return r.version, nil
}

// remove deletes a node. A NoNode on a second try is our first one.
func (c *Client) remove(ctx context.Context, path string, version int32) error {
	attempt, err := call(ctx, c, func(conn *zk.Conn, attempt int) (int, error) {
		return attempt, conn.Delete(c.full(path), version)
	})
	if errors.Is(err, ErrNoNode) && attempt > 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", path, err)
	}
	return nil
}

// ensure creates a persistent node and the parents it lacks, leaf first as Kafka does, and is content
// with a node that is there.
func (c *Client) ensure(ctx context.Context, path string, data []byte) error {
	_, err := c.create(ctx, path, data, persistent)
	if errors.Is(err, ErrNoNode) {
		if parent := path[:max(0, lastSlash(path))]; parent != "" {
			if err := c.ensure(ctx, parent, nil); err != nil {
				return err
			}
			_, err = c.create(ctx, path, data, persistent)
		}
	}
	if errors.Is(err, ErrNodeExists) {
		return nil
	}
	return err
}

func lastSlash(path string) int {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return i
		}
	}
	return -1
}

func (c *Client) full(path string) string { return c.chroot + path }

func (c *Client) bare(path string) string {
	if len(path) >= len(c.chroot) {
		return path[len(c.chroot):]
	}
	return path
}

// createChroot makes the path that zookeeper.connect ends in, node by node.
func (c *Client) createChroot(ctx context.Context) error {
	if c.chroot == "" {
		return nil
	}
	rootless := &Client{shared: &shared{
		options: c.options, metrics: c.metrics, watches: c.watches, inFlight: c.inFlight, born: c.born,
	}}
	rootless.mu.session, rootless.mu.changed = c.mu.session, c.mu.changed
	if err := rootless.ensure(ctx, c.chroot, nil); err != nil {
		return fmt.Errorf("create the chroot: %w", err)
	}
	return nil
}
