package api

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/zkcoord"
)

const (
	topicResource  = kmsg.ConfigResourceTypeTopic
	brokerResource = kmsg.ConfigResourceTypeBroker
	loggerResource = kmsg.ConfigResourceTypeBrokerLogger
)

// change makes one step of an incremental change: =v sets, - deletes, +v appends, /v subtracts, 0 sets null.
func change(name, step string) configChange {
	c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	c.Name = name
	switch step[0] {
	case '-':
		c.Op = kmsg.IncrementalAlterConfigOpDelete
	case '+':
		c.Op = kmsg.IncrementalAlterConfigOpAppend
	case '/':
		c.Op = kmsg.IncrementalAlterConfigOpSubtract
	case '?':
		c.Op = 9
	}
	if v := step[1:]; step[0] != '-' && step[0] != '0' {
		c.Value = &v
	}
	return c
}

func incremental(kind kmsg.ConfigResourceType, name string, changes ...configChange) *kmsg.IncrementalAlterConfigsRequest {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName, r.Configs = kind, name, changes
	req.Resources = append(req.Resources, r)
	return req
}

func (r *adminRig) alter(c *client, req *kmsg.IncrementalAlterConfigsRequest) string {
	r.t.Helper()
	a := ask[*kmsg.IncrementalAlterConfigsResponse](c, req, 1).Resources[0]
	return fmt.Sprint(a.ErrorCode, " ", message(a.ErrorMessage))
}

// Each line is what Apache Kafka 3.9.1 answers, but for those marked as ours.
func TestIncrementalAlterConfigsAtTheEdges(t *testing.T) {
	r := newAdminRig(t)
	c := r.dial()
	r.mustCreate(c, topicRequest("cf", 1, 1))
	for _, tc := range []struct {
		kind    kmsg.ConfigResourceType
		name    string
		changes []configChange
		want    string
	}{
		{brokerResource, "1", []configChange{change("background.threads", "=abc")}, "42 Invalid value abc for configuration background.threads: Not a number of type INT"},
		{brokerResource, "1", []configChange{change("background.threads", "=0")}, "42 Invalid value 0 for configuration background.threads: Value must be at least 1"},
		{brokerResource, "1", []configChange{change("background.threads", "0")}, "42 Null value not supported for : background.threads"},
		{brokerResource, "1", []configChange{change("background.threads", "+1")}, "40 Config value append is not allowed for config key: background.threads"},
		{brokerResource, "7", []configChange{change("background.threads", "=1")}, "42 Unexpected broker id, expected 1, but received 7"},
		{brokerResource, "abc", []configChange{change("background.threads", "=1")}, "42 Node id must be an integer, but it is: abc"},
		{brokerResource, "", []configChange{change("listeners", "=PLAINTEXT://:1"), change("broker.id", "=x")}, "42 Cannot update these configs dynamically: Set(broker.id)"},
		{brokerResource, "1", []configChange{change("log.cleanup.policy", "+compact")}, "0 ~"},
		{brokerResource, "1", []configChange{change("log.cleanup.policy", "/compact")}, "0 ~"},
		{brokerResource, "1", []configChange{change("log.cleanup.policy", "/delete")}, "0 ~"},
		{brokerResource, "1", []configChange{change("log.cleanup.policy", "-")}, "0 ~"},
		{brokerResource, "1", []configChange{change("message.max.bytes", "?1")}, "42 Unknown operations type 9"},
		{brokerResource, "1", []configChange{change("log.message.timestamp.type", "=LogAppendTime")}, "0 ~"},
		{loggerResource, "1", []configChange{change("kafka.controller", "=DEBUG")}, "40 Logger kafka.controller does not exist!"},
		{loggerResource, "1", []configChange{change("kafka.controller", "0")}, "42 Null value not supported for : kafka.controller"},
		{loggerResource, "1", []configChange{change("kafka.controller", "+DEBUG")}, "42 APPEND operation is not allowed for the BROKER_LOGGER resource"},
		{loggerResource, "1", []configChange{change("kafka.controller", "/DEBUG")}, "42 SUBTRACT operation is not allowed for the BROKER_LOGGER resource"},
		{loggerResource, "1", []configChange{change("kafka.controller", "-")}, "40 Logger kafka.controller does not exist!"},
		{loggerResource, "1", []configChange{change("root", "-")}, "42 Removing the log level of the root logger is not allowed"},
		{loggerResource, "1", []configChange{change("root", "=LOUD")}, "40 Cannot set the log level of root to LOUD as it is not a supported log level. Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN"},
		{loggerResource, "1", []configChange{change("root", "=debug")}, "40 Cannot set the log level of root to debug as it is not a supported log level. Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN"},
		{loggerResource, "1", []configChange{change("root", "=WARN")}, "0 ~"},
		{loggerResource, "1", []configChange{change("root", "?WARN")}, "-1 ~"},
		{loggerResource, "", []configChange{change("root", "=WARN")}, "42 Node id must be an integer, but it is: "},
		{loggerResource, "7", []configChange{change("root", "=WARN")}, "42 Unexpected node id. Expected 1, but received 7"}, // ours: Kafka says that it received 1
		{topicResource, "cf", []configChange{change("min.compaction.lag.ms", "=10"), change("max.compaction.lag.ms", "=5")}, "40 conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)"},
		{topicResource, "cf", []configChange{change("remote.storage.enable", "=true")}, "40 Invalid config value for resource ConfigResource(type=TOPIC, name='cf'): Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage."},
		{topicResource, "cf", []configChange{change("cleanup.policy", "/delete")}, "0 ~"},
		{topicResource, "cf", []configChange{change("cleanup.policy", "+delete")}, "0 ~"},
		{topicResource, "cf", []configChange{change("cleanup.policy", "=foo")}, "40 Invalid config value for resource ConfigResource(type=TOPIC, name='cf'): Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete"},
		{topicResource, "cf", []configChange{change("no.such", "+foo")}, "40 Unknown topic config name: no.such"}, // ours: Kafka has no answer but UNKNOWN_SERVER_ERROR
		{topicResource, "cf", []configChange{change("no.such", "-")}, "0 ~"},
		{topicResource, "cf", []configChange{change("a", "0"), change("b", "0"), change("c", "0")}, "42 Null value not supported for : a, b, c"},
		{topicResource, "", []configChange{change("retention.ms", "=1")}, "42 Default topic resources are not allowed."},
		{topicResource, "a/b", []configChange{change("retention.ms", "=1")}, "3 The topic 'a/b' does not exist."},
		{kmsg.ConfigResourceTypeClientMetrics, "x", nil, "42 AlterConfigs is only supported for topics and brokers, but resource type is CLIENT_METRICS"},
		{99, "x", nil, "42 Unknown resource type 99"},
		{brokerResource, "1", []configChange{change("advertised.listeners", "=PLAINTEXT://h:1")}, "42 advertised.listeners cannot be changed while the broker runs yet; change it in the file and restart the broker"}, // ours
	} {
		if got := r.alter(c, incremental(tc.kind, tc.name, tc.changes...)); got != tc.want {
			t.Errorf("%v %s %v: %s, want %s", tc.kind, tc.name, tc.changes, got, tc.want)
		}
	}
	twice := incremental(topicResource, "cf")
	twice.Resources = append(twice.Resources, twice.Resources[0])
	for _, a := range ask[*kmsg.IncrementalAlterConfigsResponse](c, twice, 1).Resources {
		if message(a.ErrorMessage) != "Each resource must appear at most once." {
			t.Errorf("a resource twice: %d %s", a.ErrorCode, message(a.ErrorMessage))
		}
	}
}

func TestListsGrowAndShrinkAsInKafka(t *testing.T) {
	r := newAdminRig(t)
	c := r.dial()
	r.mustCreate(c, topicRequest("zz", 1, 1))
	for _, step := range []struct{ name, step, want string }{
		{"cleanup.policy", "+delete", "delete"},
		{"cleanup.policy", "+compact", "delete,compact"},
		{"cleanup.policy", "+compact,delete", "delete,compact"},
		{"cleanup.policy", "/compact", "delete"},
		{"cleanup.policy", "/delete", ""},
		{"cleanup.policy", "/delete", ""},
		{"cleanup.policy", "+compact", "compact"},
		{"cleanup.policy", "=compact, delete", "compact, delete"},
		{"leader.replication.throttled.replicas", "+0:1", "0:1"},
		{"leader.replication.throttled.replicas", "+0:1,1:2", "0:1,1:2"},
		{"leader.replication.throttled.replicas", "/0:1", "1:2"},
		{"leader.replication.throttled.replicas", "/9:9", "1:2"},
	} {
		if got := r.alter(c, incremental(topicResource, "zz", change(step.name, step.step))); got != "0 ~" {
			t.Fatalf("%s %s: %s", step.name, step.step, got)
		}
		if m, err := r.zk.EntityConfig(t.Context(), zkcoord.TopicConfig, "zz"); err != nil || m[step.name] != step.want {
			t.Errorf("%s %s: %q, want %q", step.name, step.step, m[step.name], step.want)
		}
	}
}

func replacement(kind kmsg.ConfigResourceType, name string, pairs ...*string) *kmsg.AlterConfigsRequest {
	req := kmsg.NewPtrAlterConfigsRequest()
	r := kmsg.NewAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kind, name
	for i := 0; i+1 < len(pairs); i += 2 {
		c := kmsg.NewAlterConfigsRequestResourceConfig()
		c.Name, c.Value = *pairs[i], pairs[i+1]
		r.Configs = append(r.Configs, c)
	}
	req.Resources = append(req.Resources, r)
	return req
}

func TestAlterConfigsAtTheEdges(t *testing.T) {
	r := newAdminRig(t)
	c := r.dial()
	r.mustCreate(c, topicRequest("cf", 1, 1))
	for _, tc := range []struct {
		req  *kmsg.AlterConfigsRequest
		want string
	}{
		{replacement(topicResource, "cf", is("retention.ms"), nil), "42 Null value not supported for : retention.ms"},
		{replacement(topicResource, "cf", is("retention.ms"), is("abc")), "40 Invalid config value for resource ConfigResource(type=TOPIC, name='cf'): Invalid value abc for configuration retention.ms: Not a number of type LONG"},
		{replacement(topicResource, "cf", is("no.such"), is("1")), "40 Unknown topic config name: no.such"},
		{replacement(topicResource, "cf", is("retention.ms"), is("1"), is("retention.ms"), is("2")), "42 Error due to duplicate config keys"},
		{replacement(topicResource, "nosuch", is("retention.ms"), is("1")), "3 The topic 'nosuch' does not exist."},
		{replacement(brokerResource, "1", is("background.threads"), is("abc")), "42 Invalid value abc for configuration background.threads: Not a number of type INT"},
		{replacement(brokerResource, "1", is("background.threads"), nil), "42 Null value not supported for : background.threads"},
		{replacement(brokerResource, "", is("listeners"), is("PLAINTEXT://:1")), "42 Cannot update these configs at default cluster level, broker id must be specified: Set(listeners)"},
		{replacement(brokerResource, "1", is("broker.id"), is("4")), "42 Cannot update these configs dynamically: Set(broker.id)"},
		{replacement(brokerResource, "9", is("background.threads"), is("4")), "42 Unexpected broker id, expected 1, but received 9"},
		{replacement(loggerResource, "1", is("root"), is("DEBUG")), "42 Unknown resource type 8"},
		{replacement(99, "1", is("root"), is("DEBUG")), "42 Unknown resource type 99"},
		{replacement(topicResource, "cf", is("retention.ms"), is("7")), "0 ~"},
	} {
		a := ask[*kmsg.AlterConfigsResponse](c, tc.req, 2).Resources[0]
		if got := fmt.Sprint(a.ErrorCode, " ", message(a.ErrorMessage)); got != tc.want {
			t.Errorf("%s, want %s", got, tc.want)
		}
	}
	// What was set before and is not named any more is gone.
	validate := replacement(topicResource, "cf", is("flush.ms"), is("9"))
	validate.ValidateOnly = true
	ask[*kmsg.AlterConfigsResponse](c, validate, 0)
	ask[*kmsg.AlterConfigsResponse](c, replacement(topicResource, "cf", is("flush.ms"), is("8")), 0)
	if m, err := r.zk.EntityConfig(t.Context(), zkcoord.TopicConfig, "cf"); err != nil || len(m) != 1 || m["flush.ms"] != "8" {
		t.Errorf("in ZooKeeper: %v, %v", m, err)
	}
	// Kafka leaves this one without an answer.
	twice := replacement(topicResource, "cf")
	twice.Resources = append(twice.Resources, twice.Resources[0])
	if a := ask[*kmsg.AlterConfigsResponse](c, twice, 2).Resources; len(a) != 2 || a[0].ErrorCode != codeInvalidRequest {
		t.Errorf("a resource twice: %+v", a)
	}
}

func describe(kind kmsg.ConfigResourceType, name string, keys ...string) *kmsg.DescribeConfigsRequest {
	req := kmsg.NewPtrDescribeConfigsRequest()
	r := kmsg.NewDescribeConfigsRequestResource()
	r.ResourceType, r.ResourceName, r.ConfigNames = kind, name, keys
	req.Resources = append(req.Resources, r)
	return req
}

func TestDescribeConfigsAtTheEdges(t *testing.T) {
	r := newAdminRig(t)
	c := r.dial()
	r.mustCreate(c, topicRequest("cf", 1, 1))
	for _, tc := range []struct {
		req  *kmsg.DescribeConfigsRequest
		want string
	}{
		{describe(loggerResource, ""), "42 Broker id must not be empty"},
		{describe(loggerResource, "7"), "42 Unexpected broker id, expected 1 but received 7"},
		{describe(loggerResource, "abc"), "42 Broker id must be an integer, but it is: abc"},
		{describe(topicResource, ""), "17 Topic name is invalid: the empty string is not allowed"},
		{describe(kmsg.ConfigResourceTypeClientMetrics, "x"), "42 Config type client-metrics is only supported on KRaft clusters"},
		{describe(0, "x"), "42 " + codeMessage(codeInvalidRequest)},
		{describe(brokerResource, "1"), "0 "},
		{describe(topicResource, "cf", []string{}...), "0 "},
	} {
		a := ask[*kmsg.DescribeConfigsResponse](c, tc.req, 4).Resources[0]
		if got := fmt.Sprint(a.ErrorCode, " ", message(a.ErrorMessage)); got != tc.want {
			t.Errorf("%v %s: %s, want %s", a.ResourceType, a.ResourceName, got, tc.want)
		}
	}
	// No names at all are all names, also where the list is there and empty.
	empty := describe(topicResource, "cf")
	empty.Resources[0].ConfigNames = []string{}
	if n := len(ask[*kmsg.DescribeConfigsResponse](c, empty, 4).Resources[0].Configs); n != 36 {
		t.Errorf("%d settings of a topic, want 36", n)
	}
	for version := range int16(5) {
		req := describe(topicResource, "cf", "cleanup.policy")
		req.IncludeDocumentation = true
		got := ask[*kmsg.DescribeConfigsResponse](c, req, version).Resources[0].Configs
		if len(got) != 1 || *got[0].Value != "delete" || version >= 3 && (got[0].Documentation == nil || *got[0].Documentation == "") {
			t.Errorf("version %d: %+v", version, got)
		}
	}
}

// A secret is nowhere: not in an answer, not in the log.
func TestSecretsAreNotShown(t *testing.T) {
	r := newAdminRig(t, "ssl.keystore.password", "s3cret", "unknown.setting", "s3cret")
	c := r.dial()
	req := describe(brokerResource, "1")
	req.IncludeSynonyms = true
	for _, e := range ask[*kmsg.DescribeConfigsResponse](c, req, 4).Resources[0].Configs {
		shown := message(e.Value)
		for _, s := range e.ConfigSynonyms {
			shown += message(s.Value)
		}
		if strings.Contains(shown, "s3cret") {
			t.Errorf("%s is shown", e.Name)
		}
	}
	if got := r.alter(c, incremental(brokerResource, "1", change("ssl.keystore.password", "=s3cret"))); !strings.HasPrefix(got, "42") {
		t.Errorf("a password was taken: %s", got)
	}
	if strings.Contains(r.log.String(), "s3cret") {
		t.Errorf("the log tells it: %s", r.log.String())
	}
}

func TestLoggers(t *testing.T) {
	var out bytes.Buffer
	root := logrus.New()
	root.SetOutput(&out)
	root.SetFormatter(&logrus.TextFormatter{DisableTimestamp: true})
	l := NewLoggers(root)
	controller, replica := l.Named("controller"), l.Named("replica")
	step := func(name, step string) {
		t.Helper()
		if err := l.change([]configChange{change(name, step)}, false); err != nil {
			t.Fatal(err)
		}
	}
	controller.Debug("nobody hears this")
	step("controller", "=DEBUG")
	controller.Debug("heard")
	replica.Debug("nor this")
	step("root", "=ERROR")
	replica.Info("nor that")
	controller.Info("still heard")
	step("controller", "-")
	controller.Info("and no more")
	root.Error("root heard")
	if err := l.change([]configChange{change("replica", "=TRACE"), change("nobody", "=TRACE")}, false); err == nil {
		t.Error("a logger that does not exist has a level")
	}
	if err := l.change([]configChange{change("replica", "=TRACE")}, true); err != nil {
		t.Error(err)
	}
	if got := fmt.Sprint(l.Levels()); got != "map[controller:ERROR replica:ERROR root:ERROR]" {
		t.Errorf("levels %s", got)
	}
	want := "level=debug msg=heard logger=controller\nlevel=info msg=\"still heard\" logger=controller\nlevel=error msg=\"root heard\"\n"
	if out.String() != want {
		t.Errorf("log:\n%swant:\n%s", out.String(), want)
	}
	if l.Named("controller").(*logrus.Entry).Logger != controller.(*logrus.Entry).Logger {
		t.Error("one name, two loggers")
	}
}

// The loggers write to one place, each with a lock of its own: run with -race.
func TestLoggersShareTheirOutput(t *testing.T) {
	var out bytes.Buffer
	root := logrus.New()
	root.SetOutput(&out)
	l := NewLoggers(root)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			log := l.Named(fmt.Sprint(i))
			for range 50 {
				log.Info("line")
			}
		})
	}
	wg.Wait()
	if n := strings.Count(out.String(), "msg=line"); n != 200 {
		t.Errorf("%d lines, want 200", n)
	}
}

func TestLoggersAreDescribed(t *testing.T) {
	r := newAdminRig(t)
	r.api.Loggers.Named("controller")
	got := ask[*kmsg.DescribeConfigsResponse](r.dial(), describe(loggerResource, "1"), 4).Resources[0].Configs
	names := []string{}
	for _, e := range got {
		names = append(names, e.Name+"="+*e.Value)
		if e.Source != kmsg.ConfigSourceDynamicBrokerLoggerConfig || e.ReadOnly || *e.Documentation != "" {
			t.Errorf("%+v", e)
		}
	}
	if !slices.Equal(names, []string{"controller=INFO", "root=INFO"}) {
		t.Errorf("%v", names)
	}
}

func TestDescribeClusterOfUnknownEndpoints(t *testing.T) {
	r := newAdminRig(t)
	c := r.dial()
	req := kmsg.NewPtrDescribeClusterRequest()
	req.EndpointType = 3
	if got := ask[*kmsg.DescribeClusterResponse](c, req, 1); got.ErrorCode != codeUnsupportedEndpointType || message(got.ErrorMessage) != "Unsupported endpoint type 3" || got.ControllerID != -1 {
		t.Errorf("%+v", got)
	}
	req.EndpointType, req.IncludeClusterAuthorizedOperations = 1, true
	for version := range int16(2) {
		if got := ask[*kmsg.DescribeClusterResponse](c, req, version); got.ErrorCode != 0 || got.ClusterAuthorizedOperations != 8096 || len(got.Brokers) != 1 {
			t.Errorf("version %d: %+v", version, got)
		}
	}
}

func TestDescribeLogDirs(t *testing.T) {
	r := newAdminRig(t)
	for version := range int16(5) {
		got := ask[*kmsg.DescribeLogDirsResponse](r.dial(), kmsg.NewPtrDescribeLogDirsRequest(), version)
		if len(got.Dirs) != 2 || got.Dirs[0].ErrorCode != 0 || got.Dirs[1].ErrorCode != codeKafkaStorageError {
			t.Fatalf("version %d: %+v", version, got)
		}
		if d := got.Dirs[0]; version >= 4 && (d.UsableBytes <= 0 || d.TotalBytes < d.UsableBytes) {
			t.Errorf("version %d: %+v", version, d)
		}
		if d := got.Dirs[1].Dir; !strings.HasPrefix(d, "/") {
			t.Errorf("%s is not absolute", d)
		}
	}
}

func TestWhatTheControllerAnswers(t *testing.T) {
	r := newAdminRig(t)
	c := r.dial()
	ask[*kmsg.UpdateFeaturesResponse](c, kmsg.NewPtrUpdateFeaturesRequest(), 1)
	ask[*kmsg.ListPartitionReassignmentsResponse](c, kmsg.NewPtrListPartitionReassignmentsRequest(), 0)
	ask[*kmsg.AlterPartitionAssignmentsResponse](c, kmsg.NewPtrAlterPartitionAssignmentsRequest(), 0)
	req := kmsg.NewPtrElectLeadersRequest()
	topic := kmsg.NewElectLeadersRequestTopic()
	topic.Topic, topic.Partitions = "e", []int32{0, 1}
	req.Topics, req.TimeoutMillis = append(req.Topics, topic), 1000
	if got := ask[*kmsg.ElectLeadersResponse](c, req, 2); got.ErrorCode != 0 || len(got.Topics) != 1 || len(got.Topics[0].Partitions) != 2 {
		t.Errorf("%+v", got)
	}
	if !slices.Equal(r.controller.broadcast, []string{"e"}) {
		t.Errorf("waited for the broadcast of %v", r.controller.broadcast)
	}
	req.ElectionType = 7
	if got := ask[*kmsg.ElectLeadersResponse](c, req, 2); got.ErrorCode != codeUnknownServerError || got.Topics[0].Partitions[1].ErrorCode != codeUnknownServerError {
		t.Errorf("an election of kind 7: %+v", got)
	}
}

// Asked for all partitions, Kafka tells only of those where there was something to elect.
func TestElectLeadersOfAllPartitions(t *testing.T) {
	r := newAdminRig(t)
	c := r.dial()
	r.mustCreate(c, topicRequest("one", 1, 1), topicRequest("two", 2, 1))
	got := ask[*kmsg.ElectLeadersResponse](c, kmsg.NewPtrElectLeadersRequest(), 2)
	if len(got.Topics) != 1 || got.Topics[0].Topic != "two" || len(got.Topics[0].Partitions) != 1 || got.Topics[0].Partitions[0].Partition != 1 {
		t.Errorf("%+v", got)
	}
}

// What does nothing is said when it is set, and not again with every later change beside it.
func TestASettingThatDoesNothingIsWarnedOfOnce(t *testing.T) {
	r := newAdminRig(t)
	c := r.dial()
	r.mustCreate(c, topicRequest("w", 1, 1))
	r.alter(c, incremental(topicResource, "w", change("local.retention.ms", "=5")))
	r.alter(c, incremental(topicResource, "w", change("retention.ms", "=5")))
	r.alter(c, incremental(topicResource, "w", change("local.retention.ms", "-")))
	if n := strings.Count(r.log.String(), "w: topic configuration local.retention.ms: it does nothing"); n != 1 {
		t.Errorf("warned %d times: %s", n, r.log.String())
	}
}
