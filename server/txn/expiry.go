package txn

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// expire forgets the transactional ids that nobody has used for transactional.id.expiration.ms.
func (c *Coordinator) expire() {
	before := nowMillis() - int64(c.config.IDExpiration/time.Millisecond)
	all, _ := c.owned.All()
	for _, t := range all {
		t.mu.Lock()
		if t.mu.pending != none || t.mu.state != Empty && !t.mu.state.complete() || t.mu.updated > before {
			t.mu.Unlock()
			continue
		}
		next := t.beginLocked(t.mu.toDead())
		t.mu.Unlock()
		c.store(t, next, nil, func(code int16) {
			if code != 0 {
				t.log(c.log).Warnf("transactional id has expired and could not be removed, trying again in %v: %v", c.config.ExpiryCheckInterval, kerr.ErrorForCode(code))
				return
			}
			c.owned.Remove(t.reign.Partition, t.id, t)
			t.log(c.log).Infof("transactional id has expired: nobody has used it for %v", c.config.IDExpiration)
		})
	}
}
