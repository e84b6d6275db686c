package replica

import (
	"slices"
	"strings"
	"time"
)

// A log on this broker's disks may belong to no partition that the cluster has: its topic was deleted while the disk was away, or somebody
// has copied it here. It may be all that is left of something, so it is never deleted, only told of.

// strayPatience is how long a controller may take, from its first LeaderAndIsr on, to name all that this broker has.
const strayPatience = time.Minute

// mostStraysNamed is how many of them the line in the log names.
const mostStraysNamed = 20

// reportStrays tells, once, which logs no LeaderAndIsr has named.
func (m *Manager) reportStrays() {
	select {
	case <-m.ctx.Done():
		return
	case <-m.named:
	}
	m.pause(strayPatience)
	if m.ctx.Err() != nil {
		return
	}
	folders := m.strays()
	if n := len(folders); n > 0 {
		slices.Sort(folders)
		m.log.Warnf("%d logs belong to no partition that the controller knows of; they are left alone, and may be removed while the broker is down: %s",
			n, strings.Join(folders[:min(n, mostStraysNamed)], ", "))
	}
}

// countStrays is 0 until the controller has said anything.
func (m *Manager) countStrays() int {
	select {
	case <-m.named:
		return len(m.strays())
	default:
		return 0
	}
}

// strays are the directories of logs that nobody has asked for.
func (m *Manager) strays() (folders []string) {
	for _, l := range m.logs.Logs() {
		if _, hosted := m.hosted(l.TopicPartition()); !hosted {
			folders = append(folders, l.Folder())
		}
	}
	return folders
}
