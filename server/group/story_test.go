package group

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/integration/golden"
	"ottla/zkcoord/cluster"
)

// TestStories plays the scripts in testdata: deeds, then ---- and what the clients were told and how the group stands.
func TestStories(t *testing.T) {
	golden.Stories(t, "testdata/*.story", func(t *testing.T, story string) (told string) {
		synctest.Test(t, func(t *testing.T) { told = tell(t, story) })
		return told
	})
}

// tell plays the deeds of a story and returns it with the outcomes that came of them.
func tell(t *testing.T, text string) string {
	s := &story{t: t, memory: newMemory(), ids: make(map[string]string), generations: make(map[string]int32)}
	defer s.stop()
	return golden.Scenes(text, func(deeds []string, _ string) string {
		for _, deed := range deeds {
			s.play(strings.Fields(deed))
			s.listen()
		}
		return s.outcome()
	})
}

// story is the stage: one coordinator, one group, clients by name.
type story struct {
	t           *testing.T
	memory      *memory
	c           *Coordinator
	ids         map[string]string // a client's name to its member id
	names       []string          // member ids and names in the order they were given, to show ids by name
	generations map[string]int32
	told        []string
	config      func(*Config)

	mu    sync.Mutex
	heard []func() // answers that came, on whatever goroutine, and are not noted yet
}

// hear takes an answer; listen notes what was heard, on the story's own goroutine.
func (s *story) hear(note func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, note)
}

func (s *story) listen() {
	synctest.Wait()
	s.mu.Lock()
	heard := s.heard
	s.heard = nil
	s.mu.Unlock()
	for _, note := range heard {
		note()
	}
}

func (s *story) start() {
	if s.c == nil {
		s.c = single(s.t, s.memory, s.config)
		s.c.Elect(0, 1)
		synctest.Wait()
	}
}

func (s *story) stop() {
	if s.c != nil {
		s.c.Close()
		synctest.Wait()
		s.c = nil
	}
}

// deed is one line: a verb, clients, and options.
type deed struct {
	verb    string
	names   []string
	options map[string]string
}

func (d *deed) option(name, otherwise string) string {
	if v, ok := d.options[name]; ok {
		return v
	}
	return otherwise
}

func (d *deed) number(name string, otherwise int) int {
	n, err := strconv.Atoi(d.option(name, strconv.Itoa(otherwise)))
	if err != nil {
		panic(err)
	}
	return n
}

func (d *deed) instance() *string {
	if v, ok := d.options["instance"]; ok {
		return &v
	}
	return nil
}

func (s *story) play(fields []string) {
	d := &deed{verb: fields[0], options: make(map[string]string)}
	for _, f := range fields[1:] {
		if k, v, ok := strings.Cut(f, "="); ok {
			d.options[k] = v
		} else {
			d.names = append(d.names, f)
		}
	}
	switch d.verb {
	case "config":
		s.config = func(c *Config) {
			c.MaxSize = d.number("max-size", c.MaxSize)
			c.InitialRebalanceDelay = s.duration(d.option("initial-delay", "3s"))
			c.OffsetsRetention = s.duration(d.option("retention", "168h"))
		}
		return
	case "stop":
		s.stop()
		return
	}
	s.start()
	switch d.verb {
	case "join":
		s.join(d)
	case "sync":
		s.sync(d)
	case "heartbeat":
		s.heartbeat(d)
	case "leave":
		s.leave(d)
	case "commit":
		s.commit(d)
	case "fetch":
		offset, metadata, code := committed(s.t, s.c, "g", d.option("topic", "t"), int32(d.number("partition", 0)), d.option("stable", "no") == "yes")
		s.say("fetched: offset=%d metadata=%q %s", offset, metadata, codeName(code))
	case "delete":
		req := kmsg.NewPtrDeleteGroupsRequest()
		req.Version, req.Groups = 2, []string{"g"}
		s.c.DeleteGroups(req, func(r *kmsg.DeleteGroupsResponse) {
			s.hear(func() { s.say("deleted: %s", codeName(r.Groups[0].ErrorCode)) })
		})
	case "delete-offset":
		s.deleteOffset(d)
	case "delete-topic":
		s.c.TopicsDeleted([]cluster.TopicPartition{tp(d.names[0], 0)})
	case "fail":
		s.memory.setFail(failures[d.names[0]])
	case "heal":
		s.memory.setFail(nil)
	case "hold":
		s.memory.hold()
	case "release":
		s.memory.release()
	case "resign":
		s.c.Resign(0, nil)
	case "elect":
		s.c.Elect(0, 2)
	case "sleep":
		time.Sleep(s.duration(d.names[0]))
	default:
		s.t.Fatalf("unknown deed %q", d.verb)
	}
}

var failures = map[string]error{
	"NOT_ENOUGH_REPLICAS":      kerr.NotEnoughReplicas,
	"NOT_LEADER_OR_FOLLOWER":   kerr.NotLeaderForPartition,
	"REQUEST_TIMED_OUT":        kerr.RequestTimedOut,
	"MESSAGE_TOO_LARGE":        kerr.MessageTooLarge,
	"a-failure-without-a-code": os.ErrInvalid,
}

func (s *story) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s *story) say(format string, args ...any) {
	s.told = append(s.told, fmt.Sprintf(format, args...))
}

// named shows member ids as the names of the clients they were given to.
func (s *story) named(text string) string {
	for i := 0; i < len(s.names); i += 2 {
		text = strings.ReplaceAll(text, s.names[i], s.names[i+1])
	}
	return text
}

func (s *story) learn(name, id string) {
	if id != "" && s.ids[name] != id {
		s.ids[name] = id
		s.names = append(s.names, id, name)
	}
}

func (s *story) join(d *deed) {
	name := d.names[0]
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version, req.Group, req.MemberID, req.InstanceID = int16(d.number("version", 9)), "g", s.ids[name], d.instance()
	if as, ok := d.options["as"]; ok { // with the member id of another, or of none
		req.MemberID = s.ids[as]
	}
	req.ProtocolType = d.option("type", "consumer")
	for _, p := range strings.Split(d.option("protocols", "range"), ",") {
		name, metadata, _ := strings.Cut(p, ":")
		req.Protocols = append(req.Protocols, kmsg.JoinGroupRequestProtocol{Name: name, Metadata: subscription(metadata)})
	}
	req.SessionTimeoutMillis = int32(s.duration(d.option("session", "10s")).Milliseconds())
	req.RebalanceTimeoutMillis = int32(s.duration(d.option("rebalance", "60s")).Milliseconds())
	s.c.JoinGroup(Client{name, "/127.0.0.1"}, req, func(r *kmsg.JoinGroupResponse) { s.hear(func() { s.joined(name, r) }) })
}

func (s *story) joined(name string, r *kmsg.JoinGroupResponse) {
	s.learn(name, r.MemberID)
	if r.ErrorCode != 0 {
		s.say("%s: join %s", name, codeName(r.ErrorCode))
		if r.ErrorCode == kerr.UnknownMemberID.Code {
			delete(s.ids, name) // as clients do: it begins anew
		}
		return
	}
	s.generations[name] = r.Generation
	line := fmt.Sprintf("%s: joined generation=%d protocol=%s leader=%s", name, r.Generation, *r.Protocol, r.LeaderID)
	if len(r.Members) > 0 {
		var members []string
		for _, m := range r.Members {
			members = append(members, m.MemberID)
		}
		line += " members=" + strings.Join(members, ",")
	}
	if r.SkipAssignment {
		line += " skip-assignment"
	}
	s.say("%s", line)
}

// subscription is a consumer's metadata: version 0, one topic, no user data.
func subscription(topic string) []byte {
	var w writer
	w.int16(0)
	w.int32(1)
	w.string(topic)
	w.int32(-1)
	return w
}

func (s *story) sync(d *deed) {
	name := d.names[0]
	req := kmsg.NewPtrSyncGroupRequest()
	req.Version, req.Group, req.MemberID, req.Generation, req.InstanceID = 3, "g", s.ids[name], s.generation(d), d.instance()
	if assign := d.option("assign", ""); assign != "" {
		for _, a := range strings.Split(assign, ",") {
			to, what, _ := strings.Cut(a, ":")
			req.GroupAssignment = append(req.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{MemberID: s.ids[to], MemberAssignment: []byte(what)})
		}
	}
	s.c.SyncGroup(req, func(r *kmsg.SyncGroupResponse) {
		s.hear(func() {
			if r.ErrorCode != 0 {
				s.say("%s: sync %s", name, codeName(r.ErrorCode))
				return
			}
			s.say("%s: assigned %q", name, r.MemberAssignment)
		})
	})
}

func (s *story) generation(d *deed) int32 {
	return int32(d.number("generation", int(s.generations[d.names[0]])))
}

func (s *story) heartbeat(d *deed) {
	for _, name := range d.names {
		req := kmsg.NewPtrHeartbeatRequest()
		req.Version, req.Group, req.MemberID, req.Generation, req.InstanceID = 4, "g", s.ids[name], int32(d.number("generation", int(s.generations[name]))), d.instance()
		s.c.Heartbeat(req, func(r *kmsg.HeartbeatResponse) {
			s.hear(func() { s.say("%s: heartbeat %s", name, codeName(r.ErrorCode)) })
		})
	}
}

func (s *story) leave(d *deed) {
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Version, req.Group = int16(d.number("version", 5)), "g"
	for _, name := range d.names {
		req.MemberID = s.ids[name]
		req.Members = append(req.Members, kmsg.LeaveGroupRequestMember{MemberID: s.ids[name]})
	}
	if i := d.instance(); i != nil {
		req.Members = append(req.Members, kmsg.LeaveGroupRequestMember{InstanceID: i})
	}
	s.c.LeaveGroup(req, func(r *kmsg.LeaveGroupResponse) {
		line := "left: " + codeName(r.ErrorCode)
		for _, m := range r.Members {
			line += " " + codeName(m.ErrorCode)
		}
		s.hear(func() { s.say("%s", line) })
	})
}

func (s *story) commit(d *deed) {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.Generation, req.InstanceID = int16(d.number("version", 9)), "g", -1, d.instance()
	who := "nobody"
	if len(d.names) > 0 {
		who = d.names[0]
		req.MemberID, req.Generation = s.ids[who], s.generation(d)
	}
	req.RetentionTimeMillis = -1
	if r, ok := d.options["retention"]; ok {
		req.RetentionTimeMillis = s.duration(r).Milliseconds()
	}
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	metadata := d.option("metadata", "")
	p.Offset, p.Partition, p.Metadata = int64(d.number("offset", 0)), int32(d.number("partition", 0)), &metadata
	req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: d.option("topic", "t"), Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}}}
	s.c.OffsetCommit(req, func(r *kmsg.OffsetCommitResponse) {
		s.hear(func() { s.say("%s: committed %s", who, codeName(r.Topics[0].Partitions[0].ErrorCode)) })
	})
}

func (s *story) deleteOffset(d *deed) {
	req := kmsg.NewPtrOffsetDeleteRequest()
	req.Group = "g"
	req.Topics = []kmsg.OffsetDeleteRequestTopic{{Topic: d.names[0], Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 0}}}}
	s.c.OffsetDelete(req, func(r *kmsg.OffsetDeleteResponse) {
		code := r.ErrorCode
		if code == 0 {
			code = r.Topics[0].Partitions[0].ErrorCode
		}
		s.hear(func() { s.say("offset deleted: %s", codeName(code)) })
	})
}

// outcome is what was told since the last one, and the group as it stands now.
func (s *story) outcome() string {
	var out strings.Builder
	now := s.group()
	for _, line := range append(s.told, now) {
		out.WriteString(s.named(line) + "\n")
	}
	s.told = nil
	return out.String()
}

func (s *story) group() string {
	records := fmt.Sprintf(" records=%d", len(s.memory.records(0)))
	if s.c == nil {
		return "no coordinator" + records
	}
	if code := s.c.check("g", refuseEmptyID); code != 0 {
		return codeName(code) + records
	}
	g := s.c.get("g")
	if g == nil {
		return "no group" + records
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	line := fmt.Sprintf("%s generation=%d", g.mu.state, g.mu.generation)
	var members []string
	for _, m := range g.mu.order {
		s.names = append(s.names, m.id, m.clientID) // known here before its own client knows it
		members = append(members, m.id)
	}
	if len(members) > 0 {
		line += " leader=" + g.mu.leader + " members=" + strings.Join(members, ",")
	}
	if n := len(g.mu.pending); n > 0 {
		line += fmt.Sprintf(" pending=%d", n)
	}
	return line + records
}
