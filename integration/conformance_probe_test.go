package integration

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// testdata/probes.jsonl is a recording: requests as they were sent to Apache Kafka 3.9.1 in ZooKeeper mode,
// one after another, with its answers. A probe is one thing that was to be learned; its calls are the
// requests that it took.

type probe struct {
	Section string
	Name    string `json:"probe"`
	Calls   []call
	About   string
}

// id names a probe. Two probes of one name in one section do not occur.
func (p *probe) id() string { return p.Section + ": " + p.Name }

type call struct {
	Connection int
	API        string
	Version    int16
	Request    string          `json:"request_hex"` // header and body, without the length; or, in brackets, that it is too long
	Fields     json.RawMessage `json:"request"`     // as Kafka prints them
	Answer     string          `json:"answer_hex"`  // likewise; "" for none
	Decoded    any             `json:"answer"`      // nil for no answer, "connection closed", or the answer as Kafka prints it
}

func (c *call) closes() bool { return c.Decoded == "connection closed" }

func readProbes(t *testing.T) []probe {
	t.Helper()
	file, err := os.Open("testdata/probes.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var probes []probe
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var p probe
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		if p.About == "" {
			probes = append(probes, p)
		}
	}
	if err := lines.Err(); err != nil || len(probes) == 0 {
		t.Fatalf("%d probes, %v", len(probes), err)
	}
	return probes
}

// recordedSettings are those of the recorded broker, as far as they are not its address and ZooKeeper.
var recordedSettings = map[string]string{
	"num.partitions": "2", "offsets.topic.replication.factor": "1", "offsets.topic.num.partitions": "1",
	"transaction.state.log.replication.factor": "1", "transaction.state.log.min.isr": "1", "transaction.state.log.num.partitions": "1",
	"group.initial.rebalance.delay.ms": "0", "log.retention.ms": "-1", "log.roll.hours": "876000",
}

// frame is the request as it was sent.
func (c *call) frame() ([]byte, error) {
	if !strings.HasPrefix(c.Request, "(") {
		return hex.DecodeString(c.Request)
	}
	var req kmsg.Request
	switch c.API {
	case "PRODUCE":
		var fields struct {
			Acks      int16
			TimeoutMs int32
			TopicData []struct {
				Name          string
				PartitionData []struct {
					Index   int32
					Records []byte
				}
			}
		}
		if err := json.Unmarshal(c.Fields, &fields); err != nil {
			return nil, err
		}
		r := &kmsg.ProduceRequest{Acks: fields.Acks, TimeoutMillis: fields.TimeoutMs}
		for _, t := range fields.TopicData {
			topic := kmsg.ProduceRequestTopic{Topic: t.Name}
			for _, p := range t.PartitionData {
				topic.Partitions = append(topic.Partitions, kmsg.ProduceRequestTopicPartition{Partition: p.Index, Records: p.Records})
			}
			r.Topics = append(r.Topics, topic)
		}
		req = r
	case "OFFSET_COMMIT":
		var fields struct {
			GroupID                   string
			GenerationIDOrMemberEpoch int32
			MemberID                  string
			Topics                    []struct {
				Name       string
				Partitions []struct {
					PartitionIndex       int32
					CommittedOffset      int64
					CommittedLeaderEpoch int32
					CommittedMetadata    *string
				}
			}
		}
		if err := json.Unmarshal(c.Fields, &fields); err != nil {
			return nil, err
		}
		r := &kmsg.OffsetCommitRequest{Group: fields.GroupID, Generation: fields.GenerationIDOrMemberEpoch, MemberID: fields.MemberID}
		for _, t := range fields.Topics {
			topic := kmsg.OffsetCommitRequestTopic{Topic: t.Name}
			for _, p := range t.Partitions {
				topic.Partitions = append(topic.Partitions, kmsg.OffsetCommitRequestTopicPartition{Partition: p.PartitionIndex,
					Offset: p.CommittedOffset, LeaderEpoch: p.CommittedLeaderEpoch, Metadata: p.CommittedMetadata})
			}
			r.Topics = append(r.Topics, topic)
		}
		req = r
	default:
		return nil, fmt.Errorf("the recording has no bytes of a %s", c.API)
	}
	req.SetVersion(c.Version)
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("probe")).AppendRequest(nil, req, 1)[4:], nil
}

// decodeRequest reads a recorded frame.
func decodeRequest(frame []byte) (req kmsg.Request, correlation int32, clientID string, err error) {
	if len(frame) < 10 {
		return nil, 0, "", errors.New("a frame without a header")
	}
	req = kmsg.RequestForKey(int16(binary.BigEndian.Uint16(frame)))
	if req == nil {
		return nil, 0, "", errors.New("an unknown API key")
	}
	req.SetVersion(int16(binary.BigEndian.Uint16(frame[2:])))
	correlation = int32(binary.BigEndian.Uint32(frame[4:]))
	body := frame[10:]
	if n := int16(binary.BigEndian.Uint16(frame[8:])); n > 0 {
		clientID, body = string(body[:n]), body[n:]
	}
	if req.IsFlexible() {
		body = body[1:]
	}
	return req, correlation, clientID, req.ReadFrom(body)
}

// decodeAnswer reads a frame that answers req.
func decodeAnswer(req kmsg.Request, frame []byte) (kmsg.Response, error) {
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	body := frame[4:]
	if resp.IsFlexible() && req.Key() != 18 {
		body = body[1:]
	}
	return resp, resp.ReadFrom(body)
}

// wire sends frames to one broker, on as many connections as the recording has.
type wire struct {
	address string
	conns   map[int]net.Conn
}

func (w *wire) close() {
	for _, c := range w.conns {
		_ = c.Close()
	}
}

// exchange sends a frame and reads the answer, io.EOF if the broker closes the connection, nothing if none
// is expected.
func (w *wire) exchange(connection int, frame []byte, answered bool) ([]byte, error) {
	c := w.conns[connection]
	if c == nil {
		var err error
		if c, err = net.Dial("tcp", w.address); err != nil {
			return nil, err
		}
		w.conns[connection] = c
	}
	b, err := exchange(c, binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame, answered)
	if errors.Is(err, io.EOF) {
		// What the recording sends next on this connection shall have one.
		_ = c.Close()
		delete(w.conns, connection)
	}
	return b, err
}

func exchange(c net.Conn, size, frame []byte, answered bool) ([]byte, error) {
	if _, err := c.Write(append(size, frame...)); err != nil {
		return nil, io.EOF // it was closed before
	}
	if !answered {
		return nil, nil
	}
	if err := c.SetReadDeadline(time.Now().Add(15 * time.Second)); err != nil {
		return nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return nil, closedOr(err)
	}
	b := make([]byte, binary.BigEndian.Uint32(head[:]))
	_, err := io.ReadFull(c, b)
	return b, closedOr(err)
}

// closedOr makes one error of the many ways in which a connection ends.
func closedOr(err error) error {
	var timeout net.Error
	if err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		return err
	}
	return io.EOF
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(fmt.Errorf("%.40s: %w", s, err))
	}
	return b
}
