package metadata

import (
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord/cluster"
)

// Cache holds the newest Snapshot.
type Cache struct {
	current atomic.Pointer[Snapshot]
	// updating is held while a Snapshot is made out of the last one, so that no update is lost.
	updating sync.Mutex
}

// New returns a cache that knows of nothing: no controller, no broker, no topic.
func New() *Cache {
	c := &Cache{}
	c.current.Store(emptySnapshot())
	return c
}

// Snapshot returns the state after the last update.
func (c *Cache) Snapshot() *Snapshot { return c.current.Load() }

// Update applies a controller's request and returns the partitions that it took away, because their topic
// is being deleted. The request's strings are kept, so they must not be views into a buffer that is used again.
func (c *Cache) Update(req *kmsg.UpdateMetadataRequest) (deleted []cluster.TopicPartition) {
	c.updating.Lock()
	defer c.updating.Unlock()
	next, deleted := c.current.Load().after(req)
	c.current.Store(next)
	return deleted
}
