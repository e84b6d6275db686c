package zkcoord

import (
	"context"
	"errors"
	"sync"
	"time"
)

// configChangeLife is how long a notification stays for brokers that were away.
const configChangeLife = 15 * time.Minute

// ConfigChanges hands on the notifications below /config/changes. It owns a goroutine until Close.
type ConfigChanges struct {
	client  *Client
	changed func(entityPath string)
	last    string // the newest notification that was handed on
	stop    context.CancelFunc
	wg      sync.WaitGroup
}

// WatchConfigChanges calls changed for each notification, oldest first, beginning with those that are
// there: topics/orders, brokers/1, users/alice/clients/c1. One call at a time; it may block.
func (c *Client) WatchConfigChanges(changed func(entityPath string)) *ConfigChanges {
	ctx, stop := context.WithCancel(context.Background())
	w := &ConfigChanges{client: c, changed: changed, stop: stop}
	wake := make(chan struct{}, 1)
	wake <- struct{}{}
	watch := c.watches.add(configChangesPath, watchChildren, func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	w.wg.Go(func() {
		defer watch.Stop()
		w.run(ctx, wake)
	})
	return w
}

// Close ends the calls and waits for the one under way.
func (w *ConfigChanges) Close() {
	w.stop()
	w.wg.Wait()
}

func (w *ConfigChanges) run(ctx context.Context, wake <-chan struct{}) {
	for {
		var retry <-chan time.Time
		select {
		case <-wake:
		case <-ctx.Done():
			return
		}
		for {
			err := w.handOn(ctx)
			if err == nil || ctx.Err() != nil || errors.Is(err, ErrClosed) {
				break
			}
			w.client.options.Log.Warnf("Reading changed settings from ZooKeeper, trying again: %v", err)
			retry = time.After(lastBackoff)
			select {
			case <-retry:
			case <-ctx.Done():
				return
			}
		}
	}
}

// handOn reads what is new, hands it on, and removes what is old.
func (w *ConfigChanges) handOn(ctx context.Context) error {
	found, err := w.client.notifications(ctx, configChangesPath, configChangePrefix)
	if errors.Is(err, ErrNoNode) {
		return w.client.ensure(ctx, configChangesPath, nil)
	}
	if err != nil {
		return err
	}
	for _, n := range found {
		if n.name <= w.last {
			continue
		}
		w.last = n.name
		path := configChangesPath + "/" + n.name
		entityPath, err := decodeConfigChange(path, n.data)
		if err != nil {
			w.client.options.Log.Error(err)
			continue
		}
		w.changed(entityPath)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	for _, n := range found {
		if time.Since(time.UnixMilli(n.stat.Ctime)) <= configChangeLife {
			continue
		}
		if err := w.client.remove(ctx, configChangesPath+"/"+n.name, anyVersion); err != nil && !errors.Is(err, ErrNoNode) {
			return err
		}
	}
	return nil
}
