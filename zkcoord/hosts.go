package zkcoord

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"
)

// parseConnect splits host1:port1,host2:port2/chroot. A host without a port gets ZooKeeper's 2181.
func parseConnect(connect string) (hosts []string, chroot string, err error) {
	list, root, _ := strings.Cut(connect, "/")
	if root = strings.Trim(root, "/"); root != "" {
		chroot = "/" + root
	}
	for _, host := range strings.Split(list, ",") {
		if host = strings.TrimSpace(host); host == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), "2181")
		}
		hosts = append(hosts, host)
	}
	if len(hosts) == 0 {
		return nil, "", fmt.Errorf("zookeeper.connect=%q names no server", connect)
	}
	if strings.Contains(chroot, "//") {
		return nil, "", fmt.Errorf("zookeeper.connect=%q: empty name in the path %s", connect, chroot)
	}
	return hosts, chroot, nil
}

const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = time.Second
)

// hostList hands the library one server after another. It keeps names, where the library's own would
// keep the addresses they had at the start, and it is where a failing session waits between attempts.
type hostList struct {
	hosts []string
	over  <-chan struct{} // closed when the session is expired or closing

	mu struct {
		sync.Mutex
		next     int
		failures int // since the last time a server let us in
	}
}

func newHostList(hosts []string, over <-chan struct{}) *hostList {
	shuffled := append([]string(nil), hosts...)
	rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	return &hostList{hosts: shuffled, over: over}
}

// Init ignores the library's list, which has lost the names.
func (h *hostList) Init([]string) error { return nil }

// Len is the number of servers.
func (h *hostList) Len() int { return len(h.hosts) }

// Next waits as long as the failures so far demand, then names a server. It never reports that it starts
// over: the library would fail the calls that wait, where ours wait as long as their contexts allow.
func (h *hostList) Next() (server string, retryStart bool) {
	h.mu.Lock()
	server = h.hosts[h.mu.next%len(h.hosts)]
	wait := backoff(h.mu.failures / len(h.hosts))
	h.mu.next++
	h.mu.failures++
	h.mu.Unlock()

	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-h.over:
		}
	}
	return server, false
}

// Connected notes that a server let us in.
func (h *hostList) Connected() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.failures = 0
}

// backoff is how long to wait after so many rounds over all servers: nothing before the first, then 100 ms
// to 1 s, with jitter so that the brokers do not come back to a restarted server all at once.
func backoff(rounds int) time.Duration {
	if rounds == 0 {
		return 0
	}
	wait := min(firstBackoff<<min(rounds-1, 10), lastBackoff)
	return wait/2 + rand.N(wait/2+1)
}
