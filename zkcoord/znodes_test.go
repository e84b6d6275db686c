package zkcoord

import (
	"reflect"
	"strings"
	"testing"

	"ottla/zkcoord/cluster"
)

func ids(n ...cluster.BrokerID) []cluster.BrokerID { return n }

// id is a topic id from Apache Kafka.
func topicID(t *testing.T, text string) cluster.TopicID {
	t.Helper()
	id, err := cluster.ParseTopicID(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// What Apache Kafka 3.9.1 wrote, read from ZooKeeper's transaction log.
const (
	kafkaBroker       = `{"features":{},"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT"},"endpoints":["PLAINTEXT://127.0.0.1:9192"],"rack":"rack-a","jmx_port":9995,"port":9192,"host":"127.0.0.1","version":5,"timestamp":"1700000000000"}`
	kafkaTwoListeners = `{"features":{},"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT","SASL_PLAINTEXT":"SASL_PLAINTEXT"},"endpoints":["PLAINTEXT://127.0.0.1:9193","SASL_PLAINTEXT://127.0.0.1:9197"],"jmx_port":9996,"port":9193,"host":"127.0.0.1","version":5,"timestamp":"1700000000000"}`
	kafkaBroker26     = `{"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT"},"endpoints":["PLAINTEXT://127.0.0.1:9196"],"jmx_port":-1,"port":9196,"host":"127.0.0.1","version":4,"timestamp":"1700000000000"}`
	kafkaTopic        = `{"partitions":{"0":[1,2,3],"1":[2,3,1]},"topic_id":"eR3QloE-RyigdNYlVGNJpw","adding_replicas":{},"removing_replicas":{},"version":3}`
	kafkaTopic26      = `{"partitions":{"0":[1,2]},"adding_replicas":{},"removing_replicas":{},"version":3}`
	kafkaReassigning  = `{"partitions":{"0":[2,3,1]},"topic_id":"eR3QloE-RyigdNYlVGNJpw","adding_replicas":{"0":[3]},"removing_replicas":{"0":[1]},"version":3}`
	kafkaState        = `{"controller_epoch":1,"leader":1,"version":1,"leader_epoch":0,"isr":[1,2,3]}`
	kafkaUnclean      = `{"controller_epoch":1,"leader":3,"version":1,"leader_recovery_state":1,"leader_epoch":3,"isr":[3]}`
	kafkaClusterID    = `{"version":"1","id":"YJO7B2oyTE-bxtqzoV0Zog"}`
	kafkaController   = `{"version":2,"brokerid":1,"timestamp":"1700000000000","kraftControllerEpoch":-1}`
	kafkaFeature      = `{"features":{},"version":2,"status":1}`
	kafkaProducerIDs  = `{"version":1,"broker":3,"block_start":"0","block_end":"999"}`
	kafkaISRChange    = `{"version":1,"partitions":[{"topic":"i1","partition":0}]}`
	kafkaLogDirEvent  = `{"version":1,"broker":3,"event":1}`
	kafkaReassign     = `{"version":1,"partitions":[{"topic":"r1","partition":0,"replicas":[1,2]}]}`
	kafkaChange       = `{"version":2,"entity_path":"brokers/1"}`
)

func TestZnodesEqualKafkas(t *testing.T) {
	plain := func(listener string, port int32) cluster.Endpoint {
		return cluster.Endpoint{Listener: listener, Protocol: listener, Host: "127.0.0.1", Port: port}
	}
	broker := BrokerInfo{
		Broker:  cluster.Broker{ID: 1, Endpoints: []cluster.Endpoint{plain("PLAINTEXT", 9192)}, Rack: "rack-a"},
		JMXPort: 9995, Timestamp: 1700000000000,
	}
	two := BrokerInfo{
		Broker: cluster.Broker{ID: 2, Endpoints: []cluster.Endpoint{
			plain("PLAINTEXT", 9193), plain("SASL_PLAINTEXT", 9197),
		}},
		JMXPort: 9996, Timestamp: 1700000000000,
	}
	old := BrokerInfo{
		Broker:  cluster.Broker{ID: 1, Endpoints: []cluster.Endpoint{plain("PLAINTEXT", 9196)}},
		JMXPort: -1, Timestamp: 1700000000000, WithoutFeatures: true,
	}
	topic := TopicAssignment{ID: topicID(t, "eR3QloE-RyigdNYlVGNJpw"), Partitions: map[int32]ReplicaAssignment{
		0: {Replicas: ids(1, 2, 3)}, 1: {Replicas: ids(2, 3, 1)},
	}}
	reassigning := TopicAssignment{ID: topic.ID, Partitions: map[int32]ReplicaAssignment{
		0: {Replicas: ids(2, 3, 1), Adding: ids(3), Removing: ids(1)},
	}}
	state := cluster.LeaderAndISR{Leader: 1, ISR: ids(1, 2, 3), ControllerEpoch: 1}
	unclean := cluster.LeaderAndISR{Leader: 3, LeaderEpoch: 3, ISR: ids(3), Recovery: cluster.LeaderRecovering, ControllerEpoch: 1}
	for name, tc := range map[string]struct {
		got  []byte
		want string
	}{
		"broker":                   {encodeBroker(broker), kafkaBroker},
		"broker, before 2.7":       {encodeBroker(old), kafkaBroker26},
		"broker, two listeners":    {encodeBroker(two), kafkaTwoListeners},
		"topic":                    {encodeTopic(topic), kafkaTopic},
		"topic being moved":        {encodeTopic(reassigning), kafkaReassigning},
		"topic without id":         {encodeTopic(TopicAssignment{Partitions: map[int32]ReplicaAssignment{0: {Replicas: ids(1, 2)}}}), kafkaTopic26},
		"state":                    {encodeState(state), kafkaState},
		"state, unclean":           {encodeState(unclean), kafkaUnclean},
		"state without ISR":        {encodeState(cluster.LeaderAndISR{Leader: -1}), `{"controller_epoch":0,"leader":-1,"version":1,"leader_epoch":0,"isr":[]}`},
		"cluster id":               {encodeClusterID("YJO7B2oyTE-bxtqzoV0Zog"), kafkaClusterID},
		"controller":               {encodeController(1, 1700000000000), kafkaController},
		"controller epoch":         {encodeNumber(1), "1"},
		"feature":                  {encodeFeature(Feature{Version: 2, Enabled: true}), kafkaFeature},
		"feature, before 2.7":      {encodeFeature(Feature{Version: 1}), `{"features":{},"version":1,"status":0}`},
		"producer ids":             {encodeProducerIDs(ProducerIDs{3, 0, 999}), kafkaProducerIDs},
		"ISR change":               {encodePartitions([]cluster.TopicPartition{{Topic: "i1"}}), kafkaISRChange},
		"log dir event":            {encodeLogDirEvent(3), kafkaLogDirEvent},
		"reassignment":             {encodeReassignment(map[cluster.TopicPartition][]cluster.BrokerID{{Topic: "r1"}: ids(1, 2)}), kafkaReassign},
		"no settings":              {encodeConfig(nil), `{"version":1,"config":{}}`},
		"one setting":              {encodeConfig(map[string]string{"retention.ms": "3600000"}), `{"version":1,"config":{"retention.ms":"3600000"}}`},
		"config change":            {encodeConfigChange("brokers/1"), kafkaChange},
		"config change of default": {encodeConfigChange("brokers/<default>"), `{"version":2,"entity_path":"brokers/<default>"}`},
		"__consumer_offsets": {
			encodeConfig(map[string]string{"segment.bytes": "104857600", "cleanup.policy": "compact", "compression.type": "producer"}),
			`{"version":1,"config":{"compression.type":"producer","cleanup.policy":"compact","segment.bytes":"104857600"}}`,
		},
		"__transaction_state": {
			encodeConfig(map[string]string{"segment.bytes": "104857600", "cleanup.policy": "compact", "compression.type": "uncompressed", "min.insync.replicas": "2", "unclean.leader.election.enable": "false"}),
			`{"version":1,"config":{"compression.type":"uncompressed","cleanup.policy":"compact","min.insync.replicas":"2","segment.bytes":"104857600","unclean.leader.election.enable":"false"}}`,
		},
		"throttled replicas": {
			encodeConfig(map[string]string{"follower.replication.throttled.replicas": "0:3", "leader.replication.throttled.replicas": "0:1,0:2"}),
			`{"version":1,"config":{"leader.replication.throttled.replicas":"0:1,0:2","follower.replication.throttled.replicas":"0:3"}}`,
		},
		"throttled rate": {
			encodeConfig(map[string]string{"background.threads": "11", "leader.replication.throttled.rate": "1"}),
			`{"version":1,"config":{"leader.replication.throttled.rate":"1","background.threads":"11"}}`,
		},
		"quota": {
			encodeConfig(map[string]string{"consumer_byte_rate": "2097152", "producer_byte_rate": "1048576"}),
			`{"version":1,"config":{"producer_byte_rate":"1048576","consumer_byte_rate":"2097152"}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if string(tc.got) != tc.want {
				t.Errorf("\n got %s\nwant %s", tc.got, tc.want)
			}
		})
	}
}

func TestKafkasZnodesAreUnderstood(t *testing.T) {
	b, err := decodeBroker(2, []byte(kafkaTwoListeners))
	want := []cluster.Endpoint{
		{Listener: "PLAINTEXT", Protocol: "PLAINTEXT", Host: "127.0.0.1", Port: 9193},
		{Listener: "SASL_PLAINTEXT", Protocol: "SASL_PLAINTEXT", Host: "127.0.0.1", Port: 9197},
	}
	if err != nil || !reflect.DeepEqual(b.Endpoints, want) || b.Rack != "" || b.JMXPort != 9996 || b.Timestamp != 1700000000000 {
		t.Errorf("broker: %+v, %v", b, err)
	}
	if b, err := decodeBroker(1, []byte(kafkaBroker)); err != nil || b.Rack != "rack-a" {
		t.Errorf("broker with a rack: %+v, %v", b, err)
	}
	if b, err := decodeBroker(1, []byte(kafkaBroker26)); err != nil || len(b.Endpoints) != 1 || b.Endpoints[0].Port != 9196 {
		t.Errorf("broker of 2.6: %+v, %v", b, err)
	}
	a, err := decodeTopic("t1", []byte(kafkaReassigning))
	if err != nil || a.ID != topicID(t, "eR3QloE-RyigdNYlVGNJpw") {
		t.Errorf("topic: %+v, %v", a, err)
	}
	p := a.Partitions[0]
	if !p.Reassigning() || !reflect.DeepEqual(p.Target(), ids(2, 3)) || !reflect.DeepEqual(p.Origin(), ids(2, 1)) {
		t.Errorf("partition being moved: %+v, target %v, origin %v", p, p.Target(), p.Origin())
	}
	s, err := decodeState(cluster.TopicPartition{Topic: "t1"}, []byte(kafkaUnclean), 7)
	if err != nil || !reflect.DeepEqual(s, cluster.LeaderAndISR{
		Leader: 3, LeaderEpoch: 3, ISR: ids(3), Recovery: cluster.LeaderRecovering, PartitionEpoch: 7, ControllerEpoch: 1,
	}) {
		t.Errorf("state: %+v, %v", s, err)
	}
	if id, err := decodeController([]byte(kafkaController)); id != 1 || err != nil {
		t.Errorf("controller: %v, %v", id, err)
	}
	if path, err := decodeConfigChange("", []byte(kafkaChange)); path != "brokers/1" || err != nil {
		t.Errorf("config change: %v, %v", path, err)
	}
}

func TestEntityNames(t *testing.T) {
	for name, want := range map[string]string{
		"alice b": "alice%20b", "c 1": "c%201", "*": "%2A", "a~b": "a~b", "a+b": "a%2Bb", "a/b": "a%2Fb", "é": "%C3%A9", "a.b-c_d": "a.b-c_d",
	} {
		if got := EntityName(name); got != want {
			t.Errorf("EntityName(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestTopicNames(t *testing.T) {
	long := strings.Repeat("x", 250)
	for name, want := range map[string]string{
		"":            "Topic name is invalid: the empty string is not allowed",
		".":           "Topic name is invalid: '.' is not allowed",
		"..":          "Topic name is invalid: '..' is not allowed",
		"a/b":         "Topic name is invalid: 'a/b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
		"é":           "Topic name is invalid: 'é' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
		long:          "Topic name is invalid: the length of '" + long + "' is longer than the max allowed length 249",
		long[1:]:      "",
		"ok.one_2-3X": "",
	} {
		text := ""
		if err := CheckTopicName(name); err != nil {
			text = err.Error()
		}
		if text != want {
			t.Errorf("CheckTopicName(%q) = %q, want %q", name, text, want)
		}
	}
	err := CheckTopicCollision("ok_one", []string{"other", "ok.one"})
	if err == nil || err.Error() != "Topic 'ok_one' collides with existing topics: ok.one" {
		t.Error(err)
	}
	if err := CheckTopicCollision("ok_one", []string{"ok_one", "ok-one"}); err != nil {
		t.Error(err)
	}
}
