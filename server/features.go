package server

import (
	"context"
	"sync/atomic"

	"ottla/server/config"
)

// features follows /feature, whose version clients are told as the epoch of the finalized features, of which a
// cluster with ZooKeeper has none [FinalizedFeatureChangeListener]. Until it is read it is that of a new cluster.
type features struct {
	epoch atomic.Int64
}

// featureEpoch is -1 where nothing can be finalized, as in a cluster that speaks a protocol of before 2.7.
func (b *Broker) featureEpoch() int64 {
	if b.live.Static().Protocol < config.Protocol27IV0 {
		return -1
	}
	return b.features.epoch.Load()
}

// watchFeatures reads /feature and follows it from here on.
func (b *Broker) watchFeatures(ctx context.Context) error {
	changed := make(chan struct{}, 1)
	watch := b.zk.WatchFeature(func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	b.readFeatures(ctx)
	ctx, stop := context.WithCancel(context.Background())
	b.work.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-changed:
				b.readFeatures(ctx)
			}
		}
	})
	b.running("features", func() error { watch.Stop(); stop(); return nil }, nil)
	return nil
}

// readFeatures keeps what was known if /feature cannot be read: a reconnect has it read again.
func (b *Broker) readFeatures(ctx context.Context) {
	epoch, err := b.zk.FeatureEpoch(ctx)
	if err == nil {
		b.features.epoch.Store(epoch)
	} else if ctx.Err() == nil {
		b.log.Errorf("Finalized features: %v", err)
	}
}
