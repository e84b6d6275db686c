package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/metadata"
	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

type createTopic = kmsg.CreateTopicsRequestTopic

func topicRequest(name string, partitions int32, replicationFactor int16, with ...func(*createTopic)) createTopic {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, replicationFactor
	for _, f := range with {
		f(&t)
	}
	return t
}

func assigned(partition int32, replicas ...int32) func(*createTopic) {
	return func(t *createTopic) {
		a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		a.Partition, a.Replicas = partition, replicas
		t.ReplicaAssignment = append(t.ReplicaAssignment, a)
	}
}

func set(name string, value *string) func(*createTopic) {
	return func(t *createTopic) {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = name, value
		t.Configs = append(t.Configs, c)
	}
}

func is(s string) *string { return &s }

func createRequest(timeout int32, topics ...createTopic) *kmsg.CreateTopicsRequest {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics, req.TimeoutMillis = topics, timeout
	return req
}

func message(s *string) string {
	if s == nil {
		return "~"
	}
	return *s
}

// mustCreate makes a topic that the controller puts into the cache.
func (r *adminRig) mustCreate(c *client, topics ...createTopic) {
	r.t.Helper()
	for _, t := range ask[*kmsg.CreateTopicsResponse](c, createRequest(5000, topics...), 7).Topics {
		if t.ErrorCode != 0 {
			r.t.Fatalf("%s: %d %s", t.Topic, t.ErrorCode, message(t.ErrorMessage))
		}
	}
}

// Each line is what Apache Kafka 3.9.1 answers: code, message, partitions, replication factor.
func TestCreateTopicsAtTheEdges(t *testing.T) {
	r := newAdminRig(t)
	c := r.dial()
	r.mustCreate(c, topicRequest("taken", 1, 1))
	for name, tc := range map[string]struct {
		topics   []createTopic
		validate bool
		timeout  int32
		want     []string
	}{
		"twins do not stop others": {[]createTopic{topicRequest("d", 1, 1), topicRequest("apart", 1, 1), topicRequest("d", 1, 1)}, false, 5000, []string{
			"42 Found multiple entries for this topic. -1 -1", "0 ~ 1 1", "42 Found multiple entries for this topic. -1 -1"}},
		"a negative replication factor":      {[]createTopic{topicRequest("x1", 1, -2)}, false, 5000, []string{"38 Replication factor must be larger than 0. -1 -1"}},
		"partitions go before replicas":      {[]createTopic{topicRequest("x3", 0, 3)}, false, 5000, []string{"37 Number of partitions must be larger than 0. -1 -1"}},
		"an assignment of partition -1":      {[]createTopic{topicRequest("x4", -1, -1, assigned(-1, 1))}, false, 5000, []string{"-1 ~ -1 -1"}},
		"partitions beside an assignment":    {[]createTopic{topicRequest("x5", 1, -1, assigned(0, 1))}, false, 5000, []string{"42 Both numPartitions or replicationFactor and replicasAssignments were set. Both cannot be used at the same time. -1 -1"}},
		"uneven assignments":                 {[]createTopic{topicRequest("x6", -1, -1, assigned(0, 1), assigned(1, 1, 2))}, false, 5000, []string{"39 All partitions should have the same number of replicas -1 -1"}},
		"twins among unknown brokers":        {[]createTopic{topicRequest("x7", -1, -1, assigned(0, 9, 9))}, false, 5000, []string{"39 Duplicate replica assignment found: HashMap(0 -> ArrayBuffer(9, 9)) -1 -1"}},
		"a gap":                              {[]createTopic{topicRequest("x9", -1, -1, assigned(0, 1), assigned(2, 1))}, false, 5000, []string{"39 partitions should be a consecutive 0-based integer sequence -1 -1"}},
		"a setting twice: the later counts":  {[]createTopic{topicRequest("x10", 1, 1, set("retention.ms", is("1")), set("retention.ms", is("2")))}, false, 5000, []string{"0 ~ 1 1"}},
		"two nulls":                          {[]createTopic{topicRequest("x11", 1, 1, set("retention.ms", nil), set("segment.ms", nil))}, false, 5000, []string{"40 Null value not supported for topic configs: retention.ms,segment.ms -1 -1"}},
		"settings against each other":        {[]createTopic{topicRequest("x12", 1, 1, set("min.compaction.lag.ms", is("10")), set("max.compaction.lag.ms", is("5")))}, false, 5000, []string{"40 conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5) -1 -1"}},
		"tiered storage":                     {[]createTopic{topicRequest("x13", 1, 1, set("remote.storage.enable", is("true")))}, false, 5000, []string{"40 Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage. -1 -1"}},
		"replicas go before settings":        {[]createTopic{topicRequest("x14", 1, 5, set("no.such", is("true")))}, false, 5000, []string{"38 Replication factor: 5 larger than available brokers: 1. -1 -1"}},
		"existence goes before all":          {[]createTopic{topicRequest("taken", 1, 5, set("no.such", is("true")))}, false, 5000, []string{"36 Topic 'taken' already exists. -1 -1"}},
		"unknown brokers may be asked for":   {[]createTopic{topicRequest("x15", -1, -1, assigned(0, 9))}, true, 5000, []string{"0 ~ 1 1"}},
		"no time at all, but made":           {[]createTopic{topicRequest("x16", 1, 1)}, false, -1, []string{"7 ~ -1 -1"}},
		"no time, and only asked":            {[]createTopic{topicRequest("x17", 1, 1)}, true, 0, []string{"0 ~ 1 1"}},
		"the first takes the name":           {[]createTopic{topicRequest("a.b", 1, 1), topicRequest("a_b", 1, 1)}, false, 5000, []string{"0 ~ 1 1", "17 Topic 'a_b' collides with existing topics: a.b -1 -1"}},
		"KRaft's topic":                      {[]createTopic{topicRequest("__cluster_metadata", 1, 1)}, false, 5000, []string{"42 Creation of internal topic __cluster_metadata is prohibited. -1 -1"}},
		"nulls go before unknown settings":   {[]createTopic{topicRequest("x18", 1, 1, set("zzz", nil), set("no.such", is("1")))}, false, 5000, []string{"40 Null value not supported for topic configs: zzz -1 -1"}},
		"many partitions":                    {[]createTopic{topicRequest("x19", 100000, 1)}, true, 5000, []string{"0 ~ 100000 1"}},
		"one broker that lives is enough":    {[]createTopic{topicRequest("x20", -1, -1, assigned(0, 1, 9))}, false, 3000, []string{"0 ~ 1 2"}},
		"a partition that nobody can lead":   {[]createTopic{topicRequest("x23", -1, -1, assigned(0, 1), assigned(1, 9))}, false, 30, []string{"7 ~ -1 -1"}},
		"a list with nothing in it":          {[]createTopic{topicRequest("x21", 1, 1, set("cleanup.policy", is("")))}, false, 5000, []string{"0 ~ 1 1"}},
		"more partitions than can be stored": {[]createTopic{topicRequest("x24", 2147483647, 1)}, true, 5000, []string{"37 Number of partitions must not be larger than 500000. -1 -1"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.t = t
			req := createRequest(tc.timeout, tc.topics...)
			req.ValidateOnly = tc.validate
			var got []string
			for _, a := range ask[*kmsg.CreateTopicsResponse](c, req, 7).Topics {
				got = append(got, fmt.Sprintf("%d %s %d %d", a.ErrorCode, message(a.ErrorMessage), a.NumPartitions, a.ReplicationFactor))
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
	t.Run("a topic that was made in no time has an id", func(t *testing.T) {
		a, err := r.zk.Topic(t.Context(), "x16")
		if err != nil || a.ID.IsZero() {
			t.Errorf("%v, %v", a, err)
		}
	})
}

func TestOldVersionsOfCreateTopics(t *testing.T) {
	r := newAdminRig(t)
	c := r.dial()
	for version := range int16(8) {
		name := fmt.Sprintf("v%d", version)
		resp := ask[*kmsg.CreateTopicsResponse](c, createRequest(5000, topicRequest(name, 1, 1), topicRequest(name+"x", 1, 9)), version)
		if a, b := resp.Topics[0], resp.Topics[1]; a.ErrorCode != 0 || b.ErrorCode != codeInvalidReplicationFactor || version >= 5 && len(a.Configs) != 36 {
			t.Errorf("version %d: %+v", version, resp)
		}
	}
}

func TestOnlyTheControllerMakesTopics(t *testing.T) {
	r := newAdminRig(t)
	r.controller.active.Store(false)
	c := r.dial()
	if a := ask[*kmsg.CreateTopicsResponse](c, createRequest(5000, topicRequest("x", 1, 1)), 7).Topics[0]; a.ErrorCode != codeNotController || message(a.ErrorMessage) != "" {
		t.Errorf("CreateTopics: %d %s", a.ErrorCode, message(a.ErrorMessage))
	}
	if a := ask[*kmsg.CreatePartitionsResponse](c, growRequest(5000, growTopic("x", 2)), 3).Topics[0]; a.ErrorCode != codeNotController || a.ErrorMessage != nil {
		t.Errorf("CreatePartitions: %d %s", a.ErrorCode, message(a.ErrorMessage))
	}
	if a := ask[*kmsg.DeleteTopicsResponse](c, deleteRequest(5000, "x"), 6).Topics[0]; a.ErrorCode != codeNotController || *a.Topic != "x" {
		t.Errorf("DeleteTopics: %d", a.ErrorCode)
	}
}

// A topic is answered as made only when the cache has its leaders, and then the other brokers are given time.
func TestCreateTopicsWaitsForLeadersAndForTheOthers(t *testing.T) {
	r := newAdminRig(t)
	c := r.dial()
	began := time.Now()
	req := createRequest(60_000, topicRequest("late", -1, -1, assigned(0, 9)))
	c.send(req, 7)
	// Broker 9 comes to life and leads as soon as the topic stands in ZooKeeper.
	for {
		a, err := r.zk.Topic(t.Context(), "late")
		if err == nil {
			r.controller.lead("late", a.ID, func(int32) int32 { return 9 }, 1)
			break
		}
	}
	if a := c.receive(req).(*kmsg.CreateTopicsResponse).Topics[0]; a.ErrorCode != 0 {
		t.Errorf("%d %s", a.ErrorCode, message(a.ErrorMessage))
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("answered after %v, by the time-out and not by the event", took)
	}
	if !slices.Equal(r.controller.broadcast, []string{"late"}) {
		t.Errorf("waited for the broadcast of %v", r.controller.broadcast)
	}
}

func TestSettingsOfATopicAreWrittenWithIt(t *testing.T) {
	r := newAdminRig(t)
	r.mustCreate(r.dial(), topicRequest("set", 1, 1, set("retention.ms", is("5")), set("local.retention.ms", is("5"))))
	got, err := r.zk.EntityConfig(t.Context(), zkcoord.TopicConfig, "set")
	if err != nil || len(got) != 2 || got["retention.ms"] != "5" {
		t.Errorf("%v, %v", got, err)
	}
	if log := r.log.String(); !strings.Contains(log, "local.retention.ms: it does nothing") {
		t.Errorf("what does nothing is not said: %s", log)
	}
}

func growTopic(name string, count int32, assignment ...[]int32) kmsg.CreatePartitionsRequestTopic {
	t := kmsg.NewCreatePartitionsRequestTopic()
	t.Topic, t.Count = name, count
	for _, replicas := range assignment {
		a := kmsg.NewCreatePartitionsRequestTopicAssignment()
		a.Replicas = replicas
		t.Assignment = append(t.Assignment, a)
	}
	return t
}

func growRequest(timeout int32, topics ...kmsg.CreatePartitionsRequestTopic) *kmsg.CreatePartitionsRequest {
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.Topics, req.TimeoutMillis = topics, timeout
	return req
}

func TestCreatePartitions(t *testing.T) {
	r := newAdminRig(t)
	c := r.dial()
	r.mustCreate(c, topicRequest("p", 1, 1))
	if err := r.zk.RequestDeletion(t.Context(), "going"); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name     string
		topics   []kmsg.CreatePartitionsRequestTopic
		validate bool
		timeout  int32
		want     string
	}{
		{"a topic twice", []kmsg.CreatePartitionsRequestTopic{growTopic("p", 3), growTopic("p", 4)}, false, 5000, "42 Duplicate topic in request."},
		{"fewer", []kmsg.CreatePartitionsRequestTopic{growTopic("p", 0)}, false, 5000, "37 Topic currently has 1 partitions, which is higher than the requested 0."},
		{"negative", []kmsg.CreatePartitionsRequestTopic{growTopic("p", -1)}, false, 5000, "37 Topic currently has 1 partitions, which is higher than the requested -1."},
		{"as many", []kmsg.CreatePartitionsRequestTopic{growTopic("p", 1)}, false, 5000, "37 Topic already has 1 partitions."},
		{"too many assignments", []kmsg.CreatePartitionsRequestTopic{growTopic("p", 2, []int32{1}, []int32{1})}, false, 5000, "39 Increasing the number of partitions by 1 but 2 assignments provided."},
		{"an unknown broker", []kmsg.CreatePartitionsRequestTopic{growTopic("p", 2, []int32{9})}, false, 5000, "39 Unknown broker(s) in replica assignment: 9."},
		{"no replicas", []kmsg.CreatePartitionsRequestTopic{growTopic("p", 2, []int32{})}, false, 5000, "39 Cannot have replication factor of 0 for partition id 1."},
		{"a broker twice", []kmsg.CreatePartitionsRequestTopic{growTopic("p", 2, []int32{1, 1})}, false, 5000, "39 Duplicate brokers not allowed in replica assignment: 1, 1 for partition id 1."},
		{"only asked", []kmsg.CreatePartitionsRequestTopic{growTopic("p", 2)}, true, 5000, "0 ~"},
		{"only asked, and no", []kmsg.CreatePartitionsRequestTopic{growTopic("p", 1)}, true, 5000, "37 Topic already has 1 partitions."},
		{"no time, but grown", []kmsg.CreatePartitionsRequestTopic{growTopic("p", 2)}, false, 0, "7 ~"},
		{"grown", []kmsg.CreatePartitionsRequestTopic{growTopic("p", 3)}, false, 5000, "0 ~"},
		{"grown before", []kmsg.CreatePartitionsRequestTopic{growTopic("p", 3)}, false, 5000, "37 Topic already has 3 partitions."},
		{"grown as assigned", []kmsg.CreatePartitionsRequestTopic{growTopic("p", 5, []int32{1}, []int32{1})}, false, 5000, "0 ~"},
		{"a bad name", []kmsg.CreatePartitionsRequestTopic{growTopic("a/b", 3)}, false, 5000, "3 The topic 'a/b' does not exist."},
		{"no name", []kmsg.CreatePartitionsRequestTopic{growTopic("", 3)}, false, 5000, "3 The topic '' does not exist."},
		{"one that is being deleted", []kmsg.CreatePartitionsRequestTopic{growTopic("going", 3)}, false, 5000, "17 The topic is queued for deletion."},
		{"more than can be", []kmsg.CreatePartitionsRequestTopic{growTopic("p", 2147483647)}, true, 5000, "37 A topic cannot grow by more than 500000 partitions."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c.t = t
			req := growRequest(tc.timeout, tc.topics...)
			req.ValidateOnly = tc.validate
			resp := ask[*kmsg.CreatePartitionsResponse](c, req, 3)
			if len(resp.Topics) != 1 {
				t.Fatalf("%d answers", len(resp.Topics))
			}
			if got := fmt.Sprint(resp.Topics[0].ErrorCode, " ", message(resp.Topics[0].ErrorMessage)); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
	a, err := r.zk.Topic(t.Context(), "p")
	if err != nil || len(a.Partitions) != 5 || !slices.Equal(a.Partitions[4].Replicas, []cluster.BrokerID{1}) {
		t.Errorf("in ZooKeeper: %v, %v", a, err)
	}
}

// The controller writes the same znode while replicas move: who grew the topic meanwhile would undo it.
func TestATopicWhoseReplicasMoveDoesNotGrow(t *testing.T) {
	_, err := existingReplicas("m", zkcoord.TopicAssignment{Partitions: map[int32]zkcoord.ReplicaAssignment{
		0: {Replicas: []cluster.BrokerID{1, 2}, Adding: []cluster.BrokerID{2}}}})
	if code(err) != codeReassignmentInProgress || err.Error() != "A partition reassignment is in progress for the topic 'm'." {
		t.Errorf("%v", err)
	}
	if _, err := existingReplicas("gap", zkcoord.TopicAssignment{Partitions: map[int32]zkcoord.ReplicaAssignment{1: {}}}); err == nil {
		t.Error("a topic with a gap grows")
	}
}

func TestAddedPartitionsHaveTheTopicsReplicationFactor(t *testing.T) {
	brokers := []zkcoord.BrokerRack{{ID: 1}, {ID: 2}}
	existing := [][]cluster.BrokerID{{1}, {2}}
	err := checkAdded([][]cluster.BrokerID{{1, 2}, {1}, {2, 1}}, existing, 3, brokers)
	want := "Inconsistent replication factor between partitions, partition 0 has 1 while partitions [2, 4] have replication factors [2, 2], respectively."
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func deleteRequest(timeout int32, names ...string) *kmsg.DeleteTopicsRequest {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis = timeout
	for _, name := range names {
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.Topic = &name
		req.Topics = append(req.Topics, t)
		req.TopicNames = append(req.TopicNames, name)
	}
	return req
}

func deleted(resp *kmsg.DeleteTopicsResponse) string {
	var all []string
	for _, t := range resp.Topics {
		all = append(all, fmt.Sprintf("%s %d %s %t", message(t.Topic), t.ErrorCode, message(t.ErrorMessage), t.TopicID != [16]byte{}))
	}
	return strings.Join(all, ", ")
}

func TestDeleteTopics(t *testing.T) {
	r := newAdminRig(t)
	c := r.dial()
	for _, name := range []string{"one", "two", "three", "four", "five"} {
		r.mustCreate(c, topicRequest(name, 1, 1))
	}
	byID := kmsg.NewPtrDeleteTopicsRequest()
	byID.TimeoutMillis = 5000
	id := kmsg.NewDeleteTopicsRequestTopic()
	known, _ := r.api.Metadata.Snapshot().Topic("four")
	id.TopicID = known.ID
	byID.Topics = append(byID.Topics, id)
	both := deleteRequest(1000, "five")
	both.Topics[0].TopicID = [16]byte{1}
	neither := kmsg.NewPtrDeleteTopicsRequest()
	neither.Topics = append(neither.Topics, kmsg.NewDeleteTopicsRequestTopic())
	for _, tc := range []struct {
		name    string
		req     *kmsg.DeleteTopicsRequest
		version int16
		want    string
	}{
		{"deleted", deleteRequest(5000, "one"), 6, "one 0 ~ false"},
		{"again", deleteRequest(5000, "one"), 6, "one 3 ~ false"},
		{"twice, beside one that is not there", deleteRequest(5000, "one", "two", "two"), 6, "one 3 ~ false, two 0 ~ false, two 0 ~ false"},
		{"no time", deleteRequest(-1, "three"), 6, "three 7 ~ false"},
		{"bad names", deleteRequest(5000, "", "a/b"), 6, " 3 ~ false, a/b 3 ~ false"},
		{"by id", byID, 6, "four 0 ~ true"},
		{"by id and name", both, 6, "five 42 ~ true"},
		{"by nothing", neither, 6, "~ 29 ~ false"},
		{"the first version", deleteRequest(5000, "five"), 0, "five 0 ~ false"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c.t = t
			if got := deleted(ask[*kmsg.DeleteTopicsResponse](c, tc.req, tc.version)); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
	asked, err := r.zk.Deletions(t.Context())
	if want := []string{"five", "four", "one", "three", "two"}; err != nil || !slices.Equal(asked, want) {
		t.Errorf("in ZooKeeper: %v, %v, want %v", asked, err, want)
	}
}

func TestDeletionMayBeOff(t *testing.T) {
	r := newAdminRig(t, "delete.topic.enable", "false")
	c := r.dial()
	r.mustCreate(c, topicRequest("kept", 1, 1))
	for version, want := range map[int16]int16{6: codeTopicDeletionDisabled, 3: codeTopicDeletionDisabled, 2: codeInvalidRequest} {
		if got := ask[*kmsg.DeleteTopicsResponse](c, deleteRequest(5000, "kept"), version).Topics[0].ErrorCode; got != want {
			t.Errorf("version %d: %d, want %d", version, got, want)
		}
	}
}

func TestAutoCreate(t *testing.T) {
	r := newAdminRig(t, "num.partitions", "3", "offsets.topic.num.partitions", "4", "offsets.topic.replication.factor", "1")
	for name, tc := range map[string]struct {
		topic      string
		code       int16
		partitions int
		configs    map[string]string
	}{
		"by the broker's defaults":            {"plain", 0, 3, map[string]string{}},
		"the offsets by their own":            {offsetsTopic, 0, 4, map[string]string{"cleanup.policy": "compact", "segment.bytes": "104857600", "compression.type": "producer"}},
		"too few brokers for transactions":    {transactionsTopic, codeInvalidReplicationFactor, 0, nil},
		"a bad name":                          {"a b", codeInvalidTopicException, 0, nil},
		"one that metrics would take for it":  {"_consumer.offsets", 0, 3, map[string]string{}},
		"one that metrics do take for it":     {"__consumer.offsets", codeInvalidTopicException, 0, nil},
		"one that is there already: no error": {"plain", 0, 3, map[string]string{}},
	} {
		if name == "one that metrics do take for it" {
			// Needs its twin first, whatever the order.
			_ = r.api.Topics.AutoCreate(t.Context(), offsetsTopic)
		}
		t.Run(name, func(t *testing.T) {
			if err := r.api.Topics.AutoCreate(t.Context(), tc.topic); code(err) != tc.code {
				t.Fatalf("%v", err)
			}
			if tc.code != 0 {
				return
			}
			a, err := r.zk.Topic(t.Context(), tc.topic)
			configs, _ := r.zk.EntityConfig(t.Context(), zkcoord.TopicConfig, tc.topic)
			if err != nil || len(a.Partitions) != tc.partitions || fmt.Sprint(configs) != fmt.Sprint(tc.configs) {
				t.Errorf("%v, %v, %v", a, configs, err)
			}
		})
	}
}

func TestAwaitIsWokenByTheEvent(t *testing.T) {
	r := newAdminRig(t)
	found := make(chan bool)
	go func() {
		found <- r.api.Topics.Await(t.Context(), time.Minute, func(s *metadata.Snapshot) bool { _, ok := s.Topic("new"); return ok })
	}()
	r.controller.lead("new", cluster.TopicID{1}, func(int32) int32 { return 1 }, 1)
	if !<-found {
		t.Error("not found")
	}
	if r.api.Topics.Await(t.Context(), 0, func(*metadata.Snapshot) bool { return false }) {
		t.Error("found what is not there")
	}
}
