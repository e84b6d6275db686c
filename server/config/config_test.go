package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
)

// minimal is the least that a broker starts with.
func minimal(more ...string) map[string]string {
	m := map[string]string{"zookeeper.connect": "zk:2181"}
	for i := 0; i+1 < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return m
}

func mustParse(t *testing.T, properties map[string]string) (*Config, *test.Hook) {
	t.Helper()
	log, hook := test.NewNullLogger()
	c, err := Parse(properties, log)
	if err != nil {
		t.Fatal(err)
	}
	return c, hook
}

func TestDefaults(t *testing.T) {
	c, hook := mustParse(t, minimal())
	if c.BrokerID != -1 || c.NumPartitions != 1 || c.OffsetsTopicPartitions != 50 || !c.AutoCreateTopics {
		t.Errorf("defaults: %+v", c)
	}
	if c.ZooKeeperSessionTimeout != 18*time.Second || c.ZooKeeperConnectionTimeout != 18*time.Second {
		t.Errorf("the connection timeout is %v, want the session's %v", c.ZooKeeperConnectionTimeout, c.ZooKeeperSessionTimeout)
	}
	if len(c.Listeners) != 1 || c.Listeners[0].String() != "PLAINTEXT://:9092" || c.InterBrokerListener != "PLAINTEXT" {
		t.Errorf("listeners %v, between brokers %s", c.Listeners, c.InterBrokerListener)
	}
	if c.OffsetsRetention != 7*24*time.Hour || c.LeaderImbalanceCheckInterval != 5*time.Minute || c.Topic(nil).FlushAge != Forever {
		t.Errorf("durations: %v, %v, %v", c.OffsetsRetention, c.LeaderImbalanceCheckInterval, c.Topic(nil).FlushAge)
	}
	if len(c.LogDirs) != 1 || c.LogDirs[0] != "/tmp/kafka-logs" || c.EmbeddedZooKeeperDataDir != "/tmp/zookeeper" {
		t.Errorf("log dirs %v, ZooKeeper's data in %s", c.LogDirs, c.EmbeddedZooKeeperDataDir)
	}
	if n := len(hook.AllEntries()); n != 0 {
		t.Errorf("%d warnings: %v", n, hook.LastEntry().Message)
	}
}

func TestWhatEndsTheStart(t *testing.T) {
	for name, tc := range map[string]struct {
		properties map[string]string
		want       string
	}{
		"no ZooKeeper":                        {map[string]string{}, "zookeeper.connect"},
		"a selector nobody has":               {minimal("replica.selector.class", "com.example.Nearest"), "replica.selector.class: String must be one of: org.apache.kafka.common.replica.RackAwareReplicaSelector"},
		"an empty ZooKeeper":                  {minimal("zookeeper.connect", " "), "zookeeper.connect"},
		"no number":                           {minimal("num.partitions", "two"), "Invalid value two for configuration num.partitions: Not a number of type INT"},
		"a number with a tail":                {minimal("num.partitions", "2 # two"), "Not a number of type INT"},
		"too large a number":                  {minimal("num.partitions", "2147483648"), "Not a number of type INT"},
		"too small a number":                  {minimal("num.partitions", "0"), "Value must be at least 1"},
		"no boolean":                          {minimal("delete.topic.enable", "yes"), "Expected value to be either true or false"},
		"an unknown word":                     {minimal("compression.type", "zip"), "String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer"},
		"an authorizer":                       {minimal("authorizer.class.name", "kafka.security.authorizer.AclAuthorizer"), "authorizer.class.name=kafka"},
		"a topic policy":                      {minimal("create.topic.policy.class.name", "x.Y"), "create.topic.policy.class.name=x.Y"},
		"guarded znodes":                      {minimal("zookeeper.set.acl", "true"), "zookeeper.set.acl=true"},
		"tiered storage":                      {minimal("remote.log.storage.system.enable", "true"), "remote.log.storage.system.enable=true"},
		"KRaft":                               {minimal("process.roles", "broker"), "process.roles=broker"},
		"a migration":                         {minimal("zookeeper.metadata.migration.enable", "true"), "zookeeper.metadata.migration.enable=true"},
		"a token secret, which is not shown":  {minimal("delegation.token.secret.key", "s3cret"), "delegation.token.secret.key=[hidden]"},
		"TLS":                                 {minimal("listeners", "SSL://:9093"), "only PLAINTEXT is served"},
		"SASL under another name":             {minimal("listeners", "X://:9093", "listener.security.protocol.map", "X:SASL_PLAINTEXT"), "only PLAINTEXT is served"},
		"an older protocol":                   {minimal("inter.broker.protocol.version", "2.3"), "Ottla speaks 2.4 to 3.9"},
		"a protocol of the future":            {minimal("inter.broker.protocol.version", "4.0-IV0"), "Ottla speaks 2.4 to 3.9"},
		"no version":                          {minimal("inter.broker.protocol.version", "9"), "Version 9 is not a valid version"},
		"an id above the reserved ones":       {minimal("broker.id", "1001"), "broker.id=1001"},
		"an id below -1":                      {minimal("broker.id", "-2"), "broker.id=-2"},
		"no id and none made":                 {minimal("broker.id.generation.enable", "false"), "broker.id=-1"},
		"two ids":                             {minimal("broker.id", "1", "node.id", "2"), "You must set `node.id` to the same value as `broker.id`"},
		"a listener twice":                    {minimal("listeners", "PLAINTEXT://:1,PLAINTEXT://:2"), "Each listener must have a different name"},
		"two listeners on a port":             {minimal("listeners", "PLAINTEXT://:1,X://:1", "listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,X:PLAINTEXT"), "Each listener must have a different port"},
		"a listener without protocol":         {minimal("listeners", "PLAINTEXT://:1,X://:2"), "No security protocol defined for listener X"},
		"garbage as listener":                 {minimal("listeners", "garbage"), "Unable to parse garbage to a broker endpoint"},
		"a port that is none":                 {minimal("listeners", "PLAINTEXT://h:99999"), "the port of PLAINTEXT://h:99999 must be from 0 to 65535"},
		"no listener":                         {minimal("listeners", ""), "There must be at least one listener"},
		"an address nobody can reach":         {minimal("listeners", "PLAINTEXT://0.0.0.0:9092"), "nonroutable meta-address 0.0.0.0"},
		"an advertised stranger":              {minimal("advertised.listeners", "X://h:1", "listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,X:PLAINTEXT"), "X is not among the listeners"},
		"a stranger between brokers":          {minimal("inter.broker.listener.name", "X"), "not found in listener.security.protocol.map"},
		"two ways to say it between brokers":  {minimal("inter.broker.listener.name", "PLAINTEXT", "security.inter.broker.protocol", "PLAINTEXT"), "Only one of"},
		"nobody advertised between brokers":   {minimal("listeners", "A://:1,B://:2", "listener.security.protocol.map", "A:PLAINTEXT,B:PLAINTEXT"), "The valid options based on currently configured listeners are A,B"},
		"the controller on a stranger":        {minimal("control.plane.listener.name", "X"), "Listener with name X defined in control.plane.listener.name not found"},
		"the controller on nobody's listener": {minimal("control.plane.listener.name", "SSL"), "control.plane.listener.name must be a listener name defined in advertised.listeners"},
		"the controller among the brokers":    {minimal("control.plane.listener.name", "plaintext"), "should have a different value from the inter broker listener name"},
		"no protocol":                         {minimal("listener.security.protocol.map", "A:B"), "Invalid security protocol `B`"},
		"no pair":                             {minimal("listener.security.protocol.map", "A"), "is no NAME:PROTOCOL"},
		"no directory":                        {minimal("log.dirs", " , "), "At least one log directory"},
		"a directory twice":                   {minimal("log.dirs", "a,b,./a"), "Duplicate log directory found: ./a"},
		"retention of nothing":                {minimal("log.retention.ms", "0"), "log.retention.ms=0"},
		"retention of no hours":               {minimal("log.retention.hours", "0"), "log.retention.hours=0"},
		"rolled at once":                      {minimal("log.roll.ms", "0"), "log.roll.ms=0"},
		"acks of offsets above the replicas":  {minimal("offsets.commit.required.acks", "4"), "offsets.commit.required.acks=4"},
		"no address for the web page":         {minimal("web.listener", "8080"), "Invalid value 8080 for configuration web.listener: Value must be host:port"},
		"an unknown codec":                    {minimal("offsets.topic.compression.codec", "9"), "offsets.topic.compression.codec=9"},
		"less memory than one request":        {minimal("queued.max.request.bytes", "5"), "must be larger or equal to socket.request.max.bytes"},
		"nobody may connect":                  {minimal("max.connections.per.ip", "0"), "max.connections.per.ip=0"},
		"no limit of an address":              {minimal("max.connections.per.ip.overrides", "a:1,b"), `"b" is no host:number`},
		"a follower that gives up too early":  {minimal("replica.fetch.wait.max.ms", "30001", "replica.lag.time.max.ms", "40000"), "replica.socket.timeout.ms=30000"},
		"a follower that is thrown out idle":  {minimal("replica.lag.time.max.ms", "100"), "replica.lag.time.max.ms=100"},
		"groups without the classic protocol": {minimal("group.coordinator.rebalance.protocols", "consumer"), "Disabling the 'classic' protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			log, _ := test.NewNullLogger()
			_, err := Parse(tc.properties, log)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %s", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error tells a secret: %v", err)
			}
		})
	}
}

func TestAllThatIsWrongIsToldAtOnce(t *testing.T) {
	log, _ := test.NewNullLogger()
	_, err := Parse(minimal("num.partitions", "x", "log.segment.bytes", "y"), log)
	if err == nil || !strings.Contains(err.Error(), "num.partitions") || !strings.Contains(err.Error(), "log.segment.bytes") {
		t.Errorf("error %v, want both", err)
	}
}

func TestWarnings(t *testing.T) {
	_, hook := mustParse(t, minimal(
		"num.partitons", "3", // a slip
		"Num.Partitions", "3", // names have case
		"num.io.threads", "8",
		"max.connection.creation.rate", "1",
		"log.cleanup.policy", "compact",
		"listener.name.external.ssl.client.auth", "required",
		"num.partitions", "3",
	))
	var got []string
	for _, e := range hook.AllEntries() {
		if e.Level != logrus.WarnLevel {
			t.Errorf("%v is no warning", e)
		}
		got = append(got, e.Message)
	}
	want := []string{
		"configuration Num.Partitions: unknown, it does nothing",
		"configuration listener.name.external.ssl.client.auth: not obeyed yet, ssl.client.auth has one value for all listeners (here it was set for external)",
		"configuration num.partitons: unknown, it does nothing",
		"configuration max.connection.creation.rate: known, but not obeyed yet",
		"configuration num.io.threads: it does nothing, since Ottla does not have what it tunes",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("warnings:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestLoadReadsAsJavaDoes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "server.properties")
	// Latin-1, a line that goes on, a colon for a separator, and something that looks like expansion.
	text := "# comment\n! comment too\nzookeeper.connect : zk:2181\nbroker.rack=K\xf6ln-${HOME}\nlog.dirs=/a,\\\n   /b\n" +
		"num.partitions=2\nnum.partitions=3\nbroker.id = 7 \n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	log, _ := test.NewNullLogger()
	c, err := Load(file, []string{"default.replication.factor=2", "broker.id=8", "offsets.topic.segment.bytes= 7 "}, log)
	if err != nil {
		t.Fatal(err)
	}
	if c.Rack != "Köln-${HOME}" || strings.Join(c.LogDirs, " ") != "/a /b" || c.NumPartitions != 3 {
		t.Errorf("rack %s, log dirs %v, partitions %d", c.Rack, c.LogDirs, c.NumPartitions)
	}
	if c.BrokerID != 8 || c.DefaultReplicationFactor != 2 || c.OffsetsTopicSegmentBytes != 7 {
		t.Errorf("overrides do not count: %d, %d, %d", c.BrokerID, c.DefaultReplicationFactor, c.OffsetsTopicSegmentBytes)
	}
	for _, bad := range []string{"", "num.partitions", "=3"} {
		if _, err := Load(file, []string{bad}, log); err == nil {
			t.Errorf("--override %q succeeds", bad)
		}
	}
	if _, err := Load(file+".missing", nil, log); err == nil {
		t.Error("a missing file is read")
	}
}

func TestNodeIDIsAnotherNameOfBrokerID(t *testing.T) {
	if c, _ := mustParse(t, minimal("node.id", "4")); c.BrokerID != 4 {
		t.Errorf("broker.id %d, want 4", c.BrokerID)
	}
}

func TestTopicDefaults(t *testing.T) {
	for name, tc := range map[string]struct {
		broker, topic map[string]string
		ok            func(Topic) bool
	}{
		"a week":                          {minimal(), nil, func(t Topic) bool { return t.RetentionAge == 7*24*time.Hour && t.SegmentAge == 7*24*time.Hour }},
		"hours":                           {minimal("log.retention.hours", "2"), nil, func(t Topic) bool { return t.RetentionAge == 2*time.Hour }},
		"minutes go before hours":         {minimal("log.retention.hours", "2", "log.retention.minutes", "3"), nil, func(t Topic) bool { return t.RetentionAge == 3*time.Minute }},
		"milliseconds go before minutes":  {minimal("log.retention.minutes", "3", "log.retention.ms", "4"), nil, func(t Topic) bool { return t.RetentionAge == 4*time.Millisecond }},
		"no retention in hours":           {minimal("log.retention.hours", "-1"), nil, func(t Topic) bool { return t.RetentionAge < 0 }},
		"the topic's own goes before all": {minimal("log.retention.ms", "4"), map[string]string{"retention.ms": "5"}, func(t Topic) bool { return t.RetentionAge == 5*time.Millisecond }},
		"one that cannot be read is not":  {minimal("log.retention.ms", "4"), map[string]string{"retention.ms": "x"}, func(t Topic) bool { return t.RetentionAge == 4*time.Millisecond }},
		"roll in hours":                   {minimal("log.roll.hours", "2"), nil, func(t Topic) bool { return t.SegmentAge == 2*time.Hour }},
		"jitter in hours":                 {minimal("log.roll.jitter.hours", "2"), nil, func(t Topic) bool { return t.SegmentJitter == 2*time.Hour }},
		"flush by the scheduler":          {minimal("log.flush.scheduler.interval.ms", "9"), nil, func(t Topic) bool { return t.FlushAge == 9*time.Millisecond }},
		"flush by its own interval":       {minimal("log.flush.scheduler.interval.ms", "9", "log.flush.interval.ms", "8"), nil, func(t Topic) bool { return t.FlushAge == 8*time.Millisecond }},
		"never flushed":                   {minimal(), nil, func(t Topic) bool { return t.FlushAge == Forever }},
		"both ways of cleaning":           {minimal(), map[string]string{"cleanup.policy": "delete, compact"}, func(t Topic) bool { return t.Compact && t.Delete }},
		"the older limit of timestamps": {minimal("log.message.timestamp.difference.max.ms", "5"), nil, func(t Topic) bool {
			return t.TimestampBeforeMax == 5*time.Millisecond && t.TimestampAfterMax == 5*time.Millisecond
		}},
		"the newer one goes before it": {minimal("log.message.timestamp.difference.max.ms", "5"), map[string]string{"message.timestamp.after.max.ms": "6"}, func(t Topic) bool {
			return t.TimestampBeforeMax == 5*time.Millisecond && t.TimestampAfterMax == 6*time.Millisecond
		}},
		"the topic's older limit":         {minimal(), map[string]string{"message.timestamp.difference.max.ms": "7"}, func(t Topic) bool { return t.TimestampBeforeMax == 7*time.Millisecond }},
		"sizes":                           {minimal("message.max.bytes", "10"), map[string]string{"segment.bytes": "14"}, func(t Topic) bool { return t.MaxMessageBytes == 10 && t.SegmentBytes == 14 }},
		"who may lead, and with how many": {minimal("min.insync.replicas", "2", "unclean.leader.election.enable", "true"), nil, func(t Topic) bool { return t.MinInsyncReplicas == 2 && t.UncleanLeaderElection }},
		"throttled replicas":              {minimal(), map[string]string{"leader.replication.throttled.replicas": "0:1, 1:2"}, func(t Topic) bool { return len(t.LeaderThrottledReplicas) == 2 }},
		"a broker's number with spaces":   {minimal("log.segment.bytes", " 99 "), nil, func(t Topic) bool { return t.SegmentBytes == 99 }},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := mustParse(t, tc.broker)
			if got := c.Topic(tc.topic); !tc.ok(got) {
				t.Errorf("%+v", got)
			}
		})
	}
}
