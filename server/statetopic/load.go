package statetopic

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"
)

const (
	firstLoadRetry = time.Second
	lastLoadRetry  = 30 * time.Second
)

// Load has the reign's partition of a topic read until that succeeds, with a rest after each failure, and reports whether it
// did before the reign was over. What was read only in part must not be served: a member would be told an offset of long ago,
// and a producer given an epoch that another has.
func (r *Reign[T]) Load(log logrus.FieldLogger, topic string, read func(context.Context) error) bool {
	for rest := firstLoadRetry; ; rest = min(2*rest, lastLoadRetry) {
		err := read(r.ctx)
		switch {
		case err == nil:
			return true
		case r.ctx.Err() != nil:
			return false
		}
		log.Errorf("load %s-%d, trying again in %v: %v", topic, r.Partition, rest, err)
		select {
		case <-time.After(rest):
		case <-r.ctx.Done():
			return false
		}
	}
}
