package integration

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/integration/apache"
	"ottla/server"
	"ottla/server/config"
	"ottla/zkcoord/zkserver"
)

// TestConformance sends the recorded requests to Ottla and compares its answers with those of Apache Kafka,
// field by field.
func TestConformance(t *testing.T) { conform(t, startRecorded(t), true) }

// startRecorded starts a broker like the recorded one, in a cluster where nothing has happened yet, and
// returns its address.
func startRecorded(t *testing.T) string {
	t.Helper()
	log := logrus.New()
	log.SetOutput(t.Output())
	zookeeper, err := zkserver.Start(zkserver.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = zookeeper.Close() })
	properties := map[string]string{
		// The recording makes a topic for a second broker that never comes: nobody could be handed its leadership.
		"controlled.shutdown.enable": "false",
		"broker.id":                  "1", "listeners": "PLAINTEXT://127.0.0.1:0", "log.dirs": t.TempDir(), "zookeeper.connect": zookeeper.Addr(),
	}
	maps.Copy(properties, recordedSettings)
	settings, err := config.Parse(properties, log)
	if err != nil {
		t.Fatal(err)
	}
	broker := server.New(settings, server.WithLogger(log))
	if err := broker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Close() })
	return broker.Addr("PLAINTEXT")
}

// TestKafkaConformsToItself sends them to Apache Kafka, which must answer as it did: so that what the test
// calls volatile is, and what it calls a difference is none of its own making.
func TestKafkaConformsToItself(t *testing.T) {
	zookeeper := apache.StartZooKeeper(t)
	conform(t, apache.StartBroker(t, apache.BrokerOptions{ID: 1, ZooKeeper: zookeeper.Addr, Properties: recordedSettings}).Addr, false)
}

// conform replays the recording against a broker. Ottla is allowed what the lists declare.
func conform(t *testing.T, address string, ottla bool) {
	r := &replay{t: t, wire: wire{address: address, conns: map[int]net.Conn{}}, aliases: newAliases(), ottla: ottla}
	defer r.wire.close()
	asked, skipped := 0, map[string]int{}
	for _, p := range readProbes(t) {
		if reason, ok := r.leftOut(&p); ok {
			skipped[reason]++
			continue
		}
		asked++
		t.Run(p.id(), func(t *testing.T) { r.probe(t, &p) })
	}
	t.Logf("%d probes asked", asked)
	for reason, n := range skipped {
		t.Logf("%d not asked: %s", n, reason)
	}
}

// replay is the recording on its way to one broker.
type replay struct {
	t *testing.T
	wire
	*aliases
	ottla bool
}

// leftOut tells whether a probe is not sent, and why.
func (r *replay) leftOut(p *probe) (reason string, out bool) {
	if len(p.Calls) == 0 && rawProbes[p.id()] == nil {
		return "the recording has a remark only", true
	}
	if !r.ottla {
		return "", false
	}
	for _, name := range append(apisOf(p), p.Section, p.id()) {
		if reason, ok := notAsked[name]; ok {
			return reason, true
		}
	}
	return "", false
}

// TestTheListsAreCurrent holds the lists to what Ottla advertises: what it has learned to serve must be asked.
func TestTheListsAreCurrent(t *testing.T) {
	address := startRecorded(t)
	req := kmsg.NewPtrApiVersionsRequest()
	frame := kmsg.NewRequestFormatter().AppendRequest(nil, req, 1)[4:]
	w := wire{address: address, conns: map[int]net.Conn{}}
	defer w.close()
	answer, err := w.exchange(1, frame, true)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := decodeAnswer(req, answer)
	if err != nil {
		t.Fatal(err)
	}
	served := map[int16]kmsg.ApiVersionsResponseApiKey{}
	for _, k := range resp.(*kmsg.ApiVersionsResponse).ApiKeys {
		served[k.ApiKey] = k
	}
	probes := readProbes(t)
	known := map[string]bool{}
	for _, p := range probes {
		known[p.Section], known[p.id()] = true, true
		for _, c := range p.Calls {
			versioned := fmt.Sprintf("%s v%d", c.API, c.Version)
			known[c.API], known[versioned] = true, true
			frame, err := c.frame()
			if err != nil || len(frame) < 2 {
				continue
			}
			k, ok := served[int16(binary.BigEndian.Uint16(frame))]
			if ok && notAsked[c.API] != "" || ok && notAsked[versioned] != "" && k.MinVersion <= c.Version && c.Version <= k.MaxVersion {
				t.Errorf("%s is served, but not asked", versioned)
			}
		}
	}
	for name := range notAsked {
		if !known[name] {
			t.Errorf("notAsked names %q, which is not in the recording", name)
		}
	}
	for name := range deliberate {
		if !known[name] {
			t.Errorf("deliberate names %q, which is not in the recording", name)
		}
	}
	for name := range rawProbes {
		if !known[name] {
			t.Errorf("rawProbes names %q, which is not in the recording", name)
		}
	}
}

// apisOf names what a probe calls, as METADATA and METADATA v12.
func apisOf(p *probe) (names []string) {
	for _, c := range p.Calls {
		names = append(names, c.API, fmt.Sprintf("%s v%d", c.API, c.Version))
	}
	return names
}

func (r *replay) probe(t *testing.T, p *probe) {
	if raw := rawProbes[p.id()]; raw != nil {
		raw(t, r.address)
		return
	}
	var differences []string
	calls := p.Calls
	if tooEarly[p.id()] {
		calls = calls[1:]
	}
	for i := range calls {
		differences = append(differences, r.call(t, p, &calls[i])...)
	}
	declared, ok := deliberate[p.id()]
	if !ok || !r.ottla {
		for _, d := range differences {
			t.Error(d)
		}
		return
	}
	if len(differences) == 0 {
		t.Errorf("no longer differs, though it is declared to: %s", declared.reason)
	}
	for _, d := range differences {
		if !declared.covers(d) {
			t.Error(d)
		}
	}
}

// settling is how long an answer that tells of something still under way may take to become the recorded one.
const settling = 5 * time.Second

func (r *replay) call(t *testing.T, p *probe, c *call) []string {
	t.Helper()
	if c.Request == "" {
		return nil // the recording has the answer only, in words
	}
	frame, req := r.request(t, p, c)
	if c.Answer == "" && !c.closes() {
		if _, err := r.exchange(c.Connection, frame, false); err != nil {
			t.Fatalf("%s: %v", c.API, err)
		}
		return nil
	}
	until := time.Now().Add(settling)
	for {
		answer, err := r.exchange(c.Connection, frame, true)
		differences := r.judge(t, p, c, req, answer, err)
		if len(differences) == 0 || !settles[c.API] && !settles[p.id()] && !retriable(differences) || time.Now().After(until) || errors.Is(err, io.EOF) {
			return differences
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// retriable reports whether the broker is only not ready yet: COORDINATOR_LOAD_IN_PROGRESS and
// CONCURRENT_TRANSACTIONS.
func retriable(differences []string) bool {
	return slices.ContainsFunc(differences, func(d string) bool {
		return strings.Contains(d, "ErrorCode: 14,") || strings.Contains(d, "ErrorCode: 51,")
	})
}

// request is the recorded frame, with our names for what the brokers made up and, where the broker looks at
// its clock, times like those that were recorded.
func (r *replay) request(t *testing.T, p *probe, c *call) ([]byte, kmsg.Request) {
	t.Helper()
	frame, err := c.frame()
	if err != nil {
		t.Fatal(err)
	}
	req, correlation, client, err := decodeRequest(frame)
	if err != nil {
		t.Fatalf("%s: %v", c.API, err)
	}
	changed := r.rename(reflect.ValueOf(req), "")
	if ahead, ok := clocks[p.id()]; ok {
		changed = true
		for _, topic := range req.(*kmsg.ProduceRequest).Topics {
			for _, partition := range topic.Partitions {
				moveTo(partition.Records, time.Now().Add(ahead))
			}
		}
	}
	if changed {
		frame = kmsg.NewRequestFormatter(kmsg.FormatterClientID(client)).AppendRequest(nil, req, correlation)[4:]
	}
	return frame, req
}

// moveTo makes a batch's first record be of a certain time; the others keep their distance from it.
func moveTo(records []byte, first time.Time) {
	const crc, attributes, baseTimestamp, maxTimestamp = 17, 21, 27, 35
	by := first.UnixMilli() - int64(binary.BigEndian.Uint64(records[baseTimestamp:]))
	for _, at := range []int{baseTimestamp, maxTimestamp} {
		binary.BigEndian.PutUint64(records[at:], binary.BigEndian.Uint64(records[at:])+uint64(by))
	}
	binary.BigEndian.PutUint32(records[crc:], crc32.Checksum(records[attributes:], crc32.MakeTable(crc32.Castagnoli)))
}

func (r *replay) judge(t *testing.T, p *probe, c *call, req kmsg.Request, answer []byte, err error) []string {
	t.Helper()
	switch {
	case errors.Is(err, io.EOF):
		if c.closes() {
			return nil
		}
		return []string{c.API + ": the connection is closed, Kafka answered"}
	case err != nil:
		return []string{fmt.Sprintf("%s: %v", c.API, err)}
	case c.closes():
		return []string{fmt.Sprintf("%s: answered %x, Kafka closed the connection", c.API, answer)}
	}
	recorded := unhex(t, c.Answer)
	if !bytes.Equal(recorded[:4], answer[:4]) {
		return []string{fmt.Sprintf("%s: correlation id %d", c.API, binary.BigEndian.Uint32(answer))}
	}
	want, err := decodeAnswer(req, recorded)
	if err != nil {
		t.Fatalf("%s: the recorded answer: %v", c.API, err)
	}
	got, err := decodeAnswer(req, answer)
	if err != nil {
		return []string{fmt.Sprintf("%s: %v in %x", c.API, err, answer)}
	}
	return slices.DeleteFunc(r.compare(c.API, tree(reflect.ValueOf(want)), tree(reflect.ValueOf(got))), func(d string) bool {
		return slices.ContainsFunc(underWay[p.id()], func(passing string) bool { return strings.HasPrefix(d, passing) })
	})
}
