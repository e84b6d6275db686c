package zkserver

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// version is what we say we are: tools compare it to decide what a server can do.
const version = "3.8.4-ottla, built on 2024-02-12 22:16 UTC"

// stats counts what srvr and mntr report.
type stats struct {
	received, sent   int64
	requests         int64
	latency          time.Duration // of all requests together
	minimum, maximum time.Duration
}

func (s *stats) took(d time.Duration) {
	s.requests++
	s.latency += d
	s.maximum = max(s.maximum, d)
	if s.requests == 1 || d < s.minimum {
		s.minimum = d
	}
}

func (s *stats) average() float64 {
	if s.requests == 0 {
		return 0
	}
	return ms(s.latency) / float64(s.requests)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// fourLetters answers a command of four letters. They come instead of a frame, and as a length they would be
// over 512 MB, so they can be told apart from the first bytes of a connection.
func (s *Server) fourLetters(word string) (answer string, is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch word {
	case "ruok":
		return "imok", true
	case "isro":
		return "rw", true
	case "srvr":
		return s.describeLocked(false), true
	case "stat":
		return s.describeLocked(true), true
	case "mntr":
		return s.monitorLocked(), true
	case "cons":
		return s.connectionsLocked(true) + "\n", true
	case "dump":
		return s.sessionsLocked(), true
	case "wchs":
		return s.watchSummaryLocked(), true
	case "conf":
		return s.configurationLocked(), true
	default:
		return "", false
	}
}

func (s *Server) describeLocked(withClients bool) string {
	var b strings.Builder
	st := &s.mu.stats
	fmt.Fprintf(&b, "Zookeeper version: %s\n", version)
	if withClients {
		fmt.Fprintf(&b, "Clients:\n%s\n", s.connectionsLocked(false))
	}
	fmt.Fprintf(&b, "Latency min/avg/max: %.0f/%.1f/%.0f\n", ms(st.minimum), st.average(), ms(st.maximum))
	fmt.Fprintf(&b, "Received: %d\nSent: %d\nConnections: %d\nOutstanding: 0\n", st.received, st.sent, len(s.mu.conns))
	fmt.Fprintf(&b, "Zxid: 0x%x\nMode: standalone\nNode count: %d\n", s.mu.db.zxid, len(s.mu.db.nodes))
	return b.String()
}

func (s *Server) connectionsLocked(long bool) string {
	var lines []string
	for c := range s.mu.conns {
		line := fmt.Sprintf(" /%s[1](queued=0,recved=%d,sent=%d", c.net.RemoteAddr(), c.stats.received, c.stats.sent)
		if long && c.session != nil {
			line += fmt.Sprintf(",sid=0x%x,lop=%s,est=%d,to=%d,lcxid=0x%x,lzxid=0x%x,lresp=%d,llat=0,minlat=%.0f,avglat=%.0f,maxlat=%.0f",
				c.session.id, opName(c.lastOp), c.opened.UnixMilli(), c.session.timeout.Milliseconds(), uint32(c.lastXid), c.lastZxid,
				c.lastAnswer.Sub(s.started).Milliseconds(), ms(c.stats.minimum), c.stats.average(), ms(c.stats.maximum))
		}
		lines = append(lines, line+")\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func (s *Server) monitorLocked() string {
	var b strings.Builder
	put := func(key string, value any) { fmt.Fprintf(&b, "zk_%s\t%v\n", key, value) }
	st, db := &s.mu.stats, s.mu.db
	ephemerals := 0
	for _, owned := range db.ephemerals {
		ephemerals += len(owned)
	}
	put("version", version)
	put("server_state", "standalone")
	put("peer_state", "leading - broadcast")
	put("avg_latency", fmt.Sprintf("%.4f", st.average()))
	put("max_latency", fmt.Sprintf("%.0f", ms(st.maximum)))
	put("min_latency", fmt.Sprintf("%.0f", ms(st.minimum)))
	put("packets_received", st.received)
	put("packets_sent", st.sent)
	put("num_alive_connections", len(s.mu.conns))
	put("outstanding_requests", 0)
	put("znode_count", len(db.nodes))
	put("watch_count", s.mu.watches.count)
	put("ephemerals_count", ephemerals)
	put("global_sessions", len(db.sessions))
	put("local_sessions", 0)
	put("approximate_data_size", db.bytes)
	put("uptime", time.Since(s.started).Milliseconds())
	return b.String()
}

func (s *Server) sessionsLocked() string {
	var b strings.Builder
	fmt.Fprintf(&b, "SessionTracker dump:\nSession Sets (%d)/(%d):\n", len(s.mu.sessions.byID), len(s.mu.sessions.byID))
	ids := make([]int64, 0, len(s.mu.sessions.byID))
	for id := range s.mu.sessions.byID {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		fmt.Fprintf(&b, "\t0x%x\t%dms\n", id, s.mu.sessions.byID[id].timeout.Milliseconds())
	}
	fmt.Fprintf(&b, "ephemeral nodes dump:\nSessions with Ephemerals (%d):\n", len(s.mu.db.ephemerals))
	for _, id := range ids {
		if paths := s.mu.db.ephemeralsOf(id); len(paths) > 0 {
			fmt.Fprintf(&b, "0x%x:\n\t%s\n", id, strings.Join(paths, "\n\t"))
		}
	}
	return b.String()
}

func (s *Server) watchSummaryLocked() string {
	watching, paths := 0, map[string]struct{}{}
	for c := range s.mu.conns {
		if len(c.watches) > 0 {
			watching++
		}
		for key := range c.watches {
			paths[key.path] = struct{}{}
		}
	}
	return fmt.Sprintf("%d connections watching %d paths\nTotal watches:%d\n", watching, len(paths), s.mu.watches.count)
}

func (s *Server) configurationLocked() string {
	o := s.options
	return fmt.Sprintf("clientPort=%s\ndataDir=%s\ntickTime=%d\nmaxClientCnxns=0\nminSessionTimeout=%d\nmaxSessionTimeout=%d\nserverId=1\n",
		s.listener.Addr(), o.DataDir, o.TickTime.Milliseconds(), o.MinSession.Milliseconds(), o.MaxSession.Milliseconds())
}
