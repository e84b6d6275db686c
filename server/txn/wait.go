package txn

import (
	"context"
	"time"
)

// every does a thing again and again until ctx ends, the first time after the interval.
func every(ctx context.Context, interval time.Duration, do func()) {
	for wait(ctx, interval) {
		do()
	}
}

// wait returns after the time, or false when ctx ends.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
