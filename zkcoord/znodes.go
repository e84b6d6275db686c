package zkcoord

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"ottla/zkcoord/cluster"
)

// ErrMalformed says that a znode's data is not what Kafka would have written there.
var ErrMalformed = errors.New("malformed znode")

// The znodes, in the order in which an empty ZooKeeper gets them. Each function below the list says who
// writes the node and who watches it.
const (
	consumersPath       = "/consumers"
	brokersPath         = "/brokers"
	brokerIDsPath       = "/brokers/ids"
	topicsPath          = "/brokers/topics"
	configPath          = "/config"
	configChangesPath   = "/config/changes"
	adminPath           = "/admin"
	deleteTopicsPath    = "/admin/delete_topics"
	brokerSequencePath  = "/brokers/seqid"
	isrChangesPath      = "/isr_change_notification"
	producerIDsPath     = "/latest_producer_id_block"
	logDirEventsPath    = "/log_dir_event_notification"
	clusterPath         = "/cluster"
	clusterIDPath       = "/cluster/id"
	controllerPath      = "/controller"
	controllerEpochPath = "/controller_epoch"
	featurePath         = "/feature"
	reassignPath        = "/admin/reassign_partitions"
	preferredPath       = "/admin/preferred_replica_election"
	tokensPath          = "/delegation_token"
	twinsPath           = "/ottla/brokers"

	isrChangePrefix    = "isr_change_"
	logDirEventPrefix  = "log_dir_event_"
	configChangePrefix = "config_change_"
)

// startPaths are created by every broker that starts, in this order, with null data.
func startPaths() []string {
	return []string{
		consumersPath, brokersPath, brokerIDsPath, topicsPath, configPath, configChangesPath, adminPath, deleteTopicsPath,
		brokerSequencePath, isrChangesPath, producerIDsPath, logDirEventsPath,
		"/config/topics", "/config/clients", "/config/users", "/config/brokers", "/config/ips",
		tokensPath, "/delegation_token/token_changes", "/delegation_token/tokens",
		"/ottla", twinsPath,
	}
}

// brokerPath is a live broker's ephemeral node: written by the broker, watched by the controller.
func brokerPath(id cluster.BrokerID) string { return brokerIDsPath + "/" + id.String() }

// twinPath marks the broker as one of Ottla's, see design in doc.go.
func twinPath(id cluster.BrokerID) string { return twinsPath + "/" + id.String() }

// topicPath holds a topic's assignment: written by whoever creates or grows the topic, later by the
// controller; watched by the controller.
func topicPath(topic string) string { return topicsPath + "/" + topic }

func partitionsPath(topic string) string { return topicPath(topic) + "/partitions" }

func partitionPath(tp cluster.TopicPartition) string {
	return partitionsPath(tp.Topic) + "/" + strconv.Itoa(int(tp.Partition))
}

// statePath is who leads and who is in sync: written by the controller (and, in clusters older than
// 2.7, by the leader).
func statePath(tp cluster.TopicPartition) string { return partitionPath(tp) + "/state" }

// deleteTopicPath exists while the topic waits for its deletion.
func deleteTopicPath(topic string) string { return deleteTopicsPath + "/" + topic }

// consumerOffsetPath is where OffsetCommit v0 keeps an offset.
func consumerOffsetPath(group string, tp cluster.TopicPartition) string {
	return fmt.Sprintf("%s/%s/offsets/%s/%d", consumersPath, group, tp.Topic, tp.Partition)
}

// encode is JSON as Jackson writes it: no spaces, and <, > and & as they are.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("zkcoord: a znode of our own types does not encode: %v", err))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func decode(path string, data []byte, v any) error {
	if err := json.Unmarshal(data, v); err != nil {
		return malformed(path, err.Error())
	}
	return nil
}

func malformed(path, reason string) error {
	return fmt.Errorf("%s: %w: %s", path, ErrMalformed, reason)
}

// BrokerInfo is what a broker writes about itself.
type BrokerInfo struct {
	cluster.Broker
	// JMXPort is -1 where there is none.
	JMXPort int32
	// Timestamp is when it registered, in milliseconds since 1970.
	Timestamp int64
	// WithoutFeatures is for brokers that speak a protocol older than 2.7-IV0: their node is of version 4, which has none.
	WithoutFeatures bool
}

type brokerJSON struct {
	Features  *json.RawMessage `json:"features,omitempty"`
	Protocols orderedStrings   `json:"listener_security_protocol_map,omitempty"`
	Endpoints []string         `json:"endpoints,omitempty"`
	Rack      *string          `json:"rack,omitempty"`
	JMXPort   int32            `json:"jmx_port"`
	Port      int32            `json:"port"`
	Host      *string          `json:"host"`
	Version   int32            `json:"version"`
	Timestamp json.RawMessage  `json:"timestamp"`
}

// encodeBroker writes version 5, or 4. Host and port repeat the first PLAINTEXT endpoint, for readers older
// than 0.9; without one they are null and -1.
func encodeBroker(b BrokerInfo) []byte {
	j := brokerJSON{
		Endpoints: []string{}, JMXPort: b.JMXPort, Port: -1, Version: 4,
		Timestamp: encode(strconv.FormatInt(b.Timestamp, 10)),
	}
	if !b.WithoutFeatures {
		none := json.RawMessage("{}")
		j.Features, j.Version = &none, 5
	}
	for _, e := range b.Endpoints {
		j.Protocols = append(j.Protocols, [2]string{e.Listener, e.Protocol})
		j.Endpoints = append(j.Endpoints, e.Listener+"://"+e.Address())
		if j.Host == nil && e.Protocol == "PLAINTEXT" {
			j.Host, j.Port = &e.Host, e.Port
		}
	}
	if b.Rack != "" {
		j.Rack = &b.Rack
	}
	return encode(j)
}

// decodeBroker reads versions 1 to 5. The broker's epoch is not in the data: it is the node's czxid.
func decodeBroker(id cluster.BrokerID, data []byte) (BrokerInfo, error) {
	path := brokerPath(id)
	var j brokerJSON
	if err := decode(path, data, &j); err != nil {
		return BrokerInfo{}, err
	}
	b := BrokerInfo{Broker: cluster.Broker{ID: id, Epoch: -1}, JMXPort: j.JMXPort, WithoutFeatures: j.Version < 5}
	if j.Rack != nil {
		b.Rack = *j.Rack
	}
	if n, err := strconv.ParseInt(strings.Trim(string(j.Timestamp), `"`), 10, 64); err == nil {
		b.Timestamp = n
	}
	if j.Version < 1 || j.Version > 5 {
		return BrokerInfo{}, malformed(path, fmt.Sprintf("version %d, want 1 to 5", j.Version))
	}
	if j.Version == 1 {
		if j.Host == nil {
			return BrokerInfo{}, malformed(path, "no host")
		}
		e, err := parseEndpoint("PLAINTEXT://" + net.JoinHostPort(*j.Host, strconv.Itoa(int(j.Port))))
		if err != nil {
			return BrokerInfo{}, malformed(path, err.Error())
		}
		b.Endpoints = []cluster.Endpoint{e}
		return b, nil
	}
	for _, text := range j.Endpoints {
		e, err := parseEndpoint(text)
		if err != nil {
			return BrokerInfo{}, malformed(path, err.Error())
		}
		if protocol, ok := j.Protocols.get(e.Listener); ok {
			e.Protocol = protocol
		}
		b.Endpoints = append(b.Endpoints, e)
	}
	return b, nil
}

// parseEndpoint reads LISTENER://host:port. Its protocol is the listener's name until the map tells better.
func parseEndpoint(text string) (cluster.Endpoint, error) {
	listener, address, ok := strings.Cut(text, "://")
	if !ok {
		return cluster.Endpoint{}, fmt.Errorf("endpoint %q: want LISTENER://host:port", text)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return cluster.Endpoint{}, fmt.Errorf("endpoint %q: %w", text, err)
	}
	n, err := strconv.ParseInt(port, 10, 32)
	if err != nil || n < 0 || n > 65535 {
		return cluster.Endpoint{}, fmt.Errorf("endpoint %q: no port", text)
	}
	return cluster.Endpoint{Listener: listener, Protocol: listener, Host: host, Port: int32(n)}, nil
}

// TopicAssignment is a topic's replicas, as /brokers/topics/T has them.
type TopicAssignment struct {
	// ID is zero for topics made by clusters older than 2.8; the controller gives them one.
	ID         cluster.TopicID
	Partitions map[int32]ReplicaAssignment
	// Version is the znode's, for a conditional write.
	Version int32
}

// ReplicaAssignment is one partition's replicas, the preferred leader first. While a reassignment is
// under way, Adding are the ones that come and Removing the ones that go; both stand in Replicas, too.
type ReplicaAssignment struct {
	Replicas []cluster.BrokerID
	Adding   []cluster.BrokerID
	Removing []cluster.BrokerID
}

// Reassigning reports whether a reassignment is under way.
func (r ReplicaAssignment) Reassigning() bool { return len(r.Adding) > 0 || len(r.Removing) > 0 }

// Target is the replicas that stay when the reassignment is done.
func (r ReplicaAssignment) Target() []cluster.BrokerID {
	return cluster.Without(r.Replicas, r.Removing)
}

// Origin is the replicas that were there before the reassignment began.
func (r ReplicaAssignment) Origin() []cluster.BrokerID { return cluster.Without(r.Replicas, r.Adding) }

type topicJSON struct {
	Partitions orderedReplicas `json:"partitions"`
	TopicID    string          `json:"topic_id,omitempty"`
	Adding     orderedReplicas `json:"adding_replicas"`
	Removing   orderedReplicas `json:"removing_replicas"`
	Version    int32           `json:"version"`
}

// encodeTopic writes version 3.
func encodeTopic(a TopicAssignment) []byte {
	j := topicJSON{
		Partitions: make(orderedReplicas, len(a.Partitions)),
		Adding:     orderedReplicas{}, Removing: orderedReplicas{}, Version: 3,
	}
	if !a.ID.IsZero() {
		j.TopicID = a.ID.String()
	}
	for p, r := range a.Partitions {
		j.Partitions[p] = r.Replicas
		if len(r.Adding) > 0 {
			j.Adding[p] = r.Adding
		}
		if len(r.Removing) > 0 {
			j.Removing[p] = r.Removing
		}
	}
	return encode(j)
}

// decodeTopic reads versions 1 to 3: 1 has neither id nor reassignment, 2 no id.
func decodeTopic(topic string, data []byte) (TopicAssignment, error) {
	path := topicPath(topic)
	var j topicJSON
	if err := decode(path, data, &j); err != nil {
		return TopicAssignment{}, err
	}
	a := TopicAssignment{Partitions: make(map[int32]ReplicaAssignment, len(j.Partitions))}
	if j.TopicID != "" {
		id, err := cluster.ParseTopicID(j.TopicID)
		if err != nil {
			return TopicAssignment{}, malformed(path, err.Error())
		}
		a.ID = id
	}
	for p, replicas := range j.Partitions {
		a.Partitions[p] = ReplicaAssignment{Replicas: replicas, Adding: j.Adding[p], Removing: j.Removing[p]}
	}
	return a, nil
}

type stateJSON struct {
	ControllerEpoch int32              `json:"controller_epoch"`
	Leader          cluster.BrokerID   `json:"leader"`
	Version         int32              `json:"version"`
	Recovery        int8               `json:"leader_recovery_state,omitempty"`
	LeaderEpoch     int32              `json:"leader_epoch"`
	ISR             []cluster.BrokerID `json:"isr"`
}

// encodeState leaves out the partition epoch, which is the node's version.
func encodeState(s cluster.LeaderAndISR) []byte {
	isr := s.ISR
	if isr == nil {
		isr = []cluster.BrokerID{}
	}
	return encode(stateJSON{
		ControllerEpoch: s.ControllerEpoch, Leader: s.Leader, Version: 1,
		Recovery: int8(s.Recovery), LeaderEpoch: s.LeaderEpoch, ISR: isr,
	})
}

// decodeState reads a state; partitionEpoch is the version of the node it came from.
func decodeState(tp cluster.TopicPartition, data []byte, partitionEpoch int32) (cluster.LeaderAndISR, error) {
	path := statePath(tp)
	var j struct {
		stateJSON
		Leader      *cluster.BrokerID `json:"leader"`
		LeaderEpoch *int32            `json:"leader_epoch"`
	}
	if err := decode(path, data, &j); err != nil {
		return cluster.LeaderAndISR{}, err
	}
	if j.Leader == nil || j.LeaderEpoch == nil || j.ISR == nil {
		return cluster.LeaderAndISR{}, malformed(path, "want leader, leader_epoch and isr")
	}
	if *j.LeaderEpoch < 0 {
		return cluster.LeaderAndISR{}, malformed(path, "negative leader_epoch")
	}
	if r := cluster.LeaderRecovery(j.Recovery); r != cluster.LeaderRecovered && r != cluster.LeaderRecovering {
		return cluster.LeaderAndISR{}, malformed(path, fmt.Sprintf("leader_recovery_state %d", r))
	}
	return cluster.LeaderAndISR{
		Leader: *j.Leader, LeaderEpoch: *j.LeaderEpoch, ISR: j.ISR, Recovery: cluster.LeaderRecovery(j.Recovery),
		PartitionEpoch: partitionEpoch, ControllerEpoch: j.ControllerEpoch,
	}, nil
}

type clusterIDJSON struct {
	Version string `json:"version"`
	ID      string `json:"id"`
}

func encodeClusterID(id string) []byte { return encode(clusterIDJSON{Version: "1", ID: id}) }

func decodeClusterID(data []byte) (string, error) {
	var j clusterIDJSON
	if err := decode(clusterIDPath, data, &j); err != nil {
		return "", err
	}
	if j.ID == "" {
		return "", malformed(clusterIDPath, "no id")
	}
	return j.ID, nil
}

type controllerJSON struct {
	Version    int32             `json:"version"`
	BrokerID   *cluster.BrokerID `json:"brokerid"`
	Timestamp  string            `json:"timestamp"`
	KRaftEpoch int32             `json:"kraftControllerEpoch"`
}

// encodeController is the claim of the broker that won the election at now, milliseconds since 1970.
func encodeController(id cluster.BrokerID, now int64) []byte {
	return encode(controllerJSON{Version: 2, BrokerID: &id, Timestamp: strconv.FormatInt(now, 10), KRaftEpoch: -1})
}

func decodeController(data []byte) (cluster.BrokerID, error) {
	var j struct {
		BrokerID *cluster.BrokerID `json:"brokerid"`
	}
	if err := decode(controllerPath, data, &j); err != nil {
		return cluster.NoBroker, err
	}
	if j.BrokerID == nil {
		return cluster.NoBroker, malformed(controllerPath, "no brokerid")
	}
	return *j.BrokerID, nil
}

// Epochs are decimal text, not JSON.
func encodeNumber(n int64) []byte { return strconv.AppendInt(nil, n, 10) }

func decodeNumber(path string, data []byte, bits int) (int64, error) {
	n, err := strconv.ParseInt(string(data), 10, bits)
	if err != nil {
		return 0, malformed(path, err.Error())
	}
	return n, nil
}

// ProducerIDs is a block of producer ids: First to Last, both usable, given to Broker.
type ProducerIDs struct {
	Broker      cluster.BrokerID
	First, Last int64
}

type producerIDsJSON struct {
	Version int32            `json:"version"`
	Broker  cluster.BrokerID `json:"broker"`
	Start   string           `json:"block_start"`
	End     string           `json:"block_end"`
}

func encodeProducerIDs(b ProducerIDs) []byte {
	return encode(producerIDsJSON{1, b.Broker, strconv.FormatInt(b.First, 10), strconv.FormatInt(b.Last, 10)})
}

func decodeProducerIDs(data []byte) (ProducerIDs, error) {
	var j producerIDsJSON
	if err := decode(producerIDsPath, data, &j); err != nil {
		return ProducerIDs{}, err
	}
	first, err1 := strconv.ParseInt(j.Start, 10, 64)
	last, err2 := strconv.ParseInt(j.End, 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return ProducerIDs{}, malformed(producerIDsPath, err.Error())
	}
	if first < 0 || last < first {
		return ProducerIDs{}, malformed(producerIDsPath, fmt.Sprintf("block %d to %d", first, last))
	}
	return ProducerIDs{Broker: j.Broker, First: first, Last: last}, nil
}

type partitionJSON struct {
	Topic     string             `json:"topic"`
	Partition int32              `json:"partition"`
	Replicas  []cluster.BrokerID `json:"replicas,omitempty"`
}

type partitionListJSON struct {
	Version    int32           `json:"version"`
	Partitions []partitionJSON `json:"partitions"`
}

// encodePartitions is the data of an ISR change and of a preferred election.
func encodePartitions(tps []cluster.TopicPartition) []byte {
	j := partitionListJSON{Version: 1, Partitions: []partitionJSON{}}
	for _, tp := range tps {
		j.Partitions = append(j.Partitions, partitionJSON{Topic: tp.Topic, Partition: tp.Partition})
	}
	return encode(j)
}

func decodePartitions(path string, data []byte) ([]cluster.TopicPartition, error) {
	var j partitionListJSON
	if err := decode(path, data, &j); err != nil {
		return nil, err
	}
	var tps []cluster.TopicPartition
	for _, p := range j.Partitions {
		tps = append(tps, cluster.TopicPartition{Topic: p.Topic, Partition: p.Partition})
	}
	return tps, nil
}

func encodeReassignment(target map[cluster.TopicPartition][]cluster.BrokerID) []byte {
	j := partitionListJSON{Version: 1, Partitions: []partitionJSON{}}
	for _, tp := range sortedPartitions(target) {
		j.Partitions = append(j.Partitions, partitionJSON{Topic: tp.Topic, Partition: tp.Partition, Replicas: target[tp]})
	}
	return encode(j)
}

func decodeReassignment(data []byte) (map[cluster.TopicPartition][]cluster.BrokerID, error) {
	var j partitionListJSON
	if err := decode(reassignPath, data, &j); err != nil {
		return nil, err
	}
	target := make(map[cluster.TopicPartition][]cluster.BrokerID, len(j.Partitions))
	for _, p := range j.Partitions {
		target[cluster.TopicPartition{Topic: p.Topic, Partition: p.Partition}] = p.Replicas
	}
	return target, nil
}

type logDirEventJSON struct {
	Version int32             `json:"version"`
	Broker  *cluster.BrokerID `json:"broker"`
	Event   int32             `json:"event"`
}

// encodeLogDirEvent says that a log directory of the broker failed (event 1, the only one there is).
func encodeLogDirEvent(id cluster.BrokerID) []byte {
	return encode(logDirEventJSON{Version: 1, Broker: &id, Event: 1})
}

func decodeLogDirEvent(path string, data []byte) (cluster.BrokerID, error) {
	var j logDirEventJSON
	if err := decode(path, data, &j); err != nil {
		return cluster.NoBroker, err
	}
	if j.Broker == nil {
		return cluster.NoBroker, malformed(path, "no broker")
	}
	return *j.Broker, nil
}

type configJSON struct {
	Version int32          `json:"version"`
	Config  orderedStrings `json:"config"`
}

func encodeConfig(config map[string]string) []byte {
	return encode(configJSON{Version: 1, Config: javaOrder(config)})
}

// decodeConfig reads an entity's settings. A node without data has none: /config/users/U is empty where
// only /config/users/U/clients has settings.
func decodeConfig(path string, data []byte) (map[string]string, error) {
	config := make(map[string]string)
	if len(data) == 0 {
		return config, nil
	}
	var j configJSON
	if err := decode(path, data, &j); err != nil {
		return nil, err
	}
	if j.Version != 1 {
		return nil, malformed(path, fmt.Sprintf("version %d, want 1", j.Version))
	}
	for _, kv := range j.Config {
		config[kv[0]] = kv[1]
	}
	return config, nil
}

type configChangeJSON struct {
	Version    int32  `json:"version"`
	EntityPath string `json:"entity_path,omitempty"`
	// Version 1, which brokers older than 0.10.1 wrote.
	EntityType string `json:"entity_type,omitempty"`
	EntityName string `json:"entity_name,omitempty"`
}

func encodeConfigChange(entityPath string) []byte {
	return encode(configChangeJSON{Version: 2, EntityPath: entityPath})
}

func decodeConfigChange(path string, data []byte) (entityPath string, err error) {
	var j configChangeJSON
	if err := decode(path, data, &j); err != nil {
		return "", err
	}
	switch {
	case j.Version == 2 && strings.Contains(j.EntityPath, "/"):
		return j.EntityPath, nil
	case j.Version == 1 && (j.EntityType == "topics" || j.EntityType == "clients") && j.EntityName != "":
		return j.EntityType + "/" + j.EntityName, nil
	}
	return "", malformed(path, fmt.Sprintf("version %d without its entity", j.Version))
}

type twinJSON struct {
	Version int32 `json:"version"`
	Epoch   int64 `json:"epoch"`
}

// encodeTwin ties the twin to one life of the broker: its epoch.
func encodeTwin(epoch int64) []byte { return encode(twinJSON{Version: 1, Epoch: epoch}) }

func decodeTwin(path string, data []byte) (epoch int64, err error) {
	var j twinJSON
	if err := decode(path, data, &j); err != nil {
		return 0, err
	}
	return j.Epoch, nil
}
