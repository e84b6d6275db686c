package replica

import (
	"fmt"
	"sync"
	"time"

	"ottla/logdir"
	"ottla/zkcoord/cluster"
)

// A disk without space has cut the batch that did not fit, and the log is as it was before. What follows depends on who
// else has the partition's records.
//
// Where other members of the ISR live, the log directory goes offline as one that fails does: the controller hears of it, they go on
// without us, and nobody waits for a replica that cannot write. It comes back with the next start of the broker.
//
// A leader that is alone stays. Nobody could take over, and what it has can still be read; it refuses what does not fit, and goes on
// when there is space again.

// fullGrace is how long a follower goes on trying. Equal replicas fill their disks at the same time: if all of them left at once,
// nobody would be there to take over. So the leader goes first, and a follower that leads by then is asked as leader.
const fullGrace = time.Second

// fullSince is when a follower's disk was found full, and under which leader epoch.
type fullSince struct {
	sync.Mutex
	epoch int32
	since time.Time
}

// struck notes that an append found no space, and returns for how long none has found any under this epoch.
func (f *fullSince) struck(epoch int32, now time.Time) time.Duration {
	f.Lock()
	defer f.Unlock()
	if f.since.IsZero() || f.epoch != epoch {
		f.epoch, f.since = epoch, now
	}
	return now.Sub(f.since)
}

// over notes that there was space.
func (f *fullSince) over() {
	f.Lock()
	f.since = time.Time{}
	f.Unlock()
}

// diskFull decides what to do about an append that found no space. The caller holds no lock.
func (p *Partition) diskFull() {
	r := p.mu.reign.Load()
	if r.failed || r.log == nil {
		return
	}
	heirs := p.owner.heirs(r)
	if len(heirs) == 0 || !r.leads && p.full.struck(r.leaderEpoch, time.Now()) < fullGrace {
		return
	}
	p.owner.logs.FailDir(r.log.Dir(), fmt.Errorf("%s: %w, and %s can go on without it", p.tp, logdir.ErrDiskFull, idList(heirs)))
}

// heirs are the other members of the ISR that live, as far as this broker knows: a leader knows them all, a follower knows its leader.
func (m *Manager) heirs(r *reign) (heirs []cluster.BrokerID) {
	members := r.isr
	if !r.leads {
		members = []cluster.BrokerID{r.leader}
	}
	for _, id := range members {
		if id != m.id && m.eligible(id) {
			heirs = append(heirs, id)
		}
	}
	return heirs
}
