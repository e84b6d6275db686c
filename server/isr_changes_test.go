package server

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"reflect"
	"slices"
	"testing"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/peer"
	"ottla/zkcoord/cluster"
)

// Partitions ask again every 50 ms while there is no controller, each time with a warning: a fail-over filled
// the log.
func TestAnAbsentControllerIsReportedOnce(t *testing.T) {
	log, lines := logtest.NewNullLogger()
	nobody := func() (to cluster.Endpoint, ok bool) { return to, false }
	c := startISRChanges(1, func() int64 { return 1 }, nil, nobody, func(bool) int16 { return 3 }, log)
	defer c.Close()
	for range 3 {
		answered := make(chan int16)
		c.AlterPartition(cluster.TopicPartition{Topic: "orders"}, cluster.TopicID{1}, cluster.LeaderAndISR{},
			func(_ cluster.LeaderAndISR, code int16) { answered <- code })
		if code := <-answered; code != kerr.UnknownServerError.Code {
			t.Errorf("answered %d", code)
		}
	}
	var said []string
	for _, line := range lines.AllEntries() {
		if line.Level <= logrus.WarnLevel {
			said = append(said, line.Message)
		}
	}
	if want := []string{"AlterPartition for 1 partitions: no controller is known; asking again until it is answered"}; !slices.Equal(said, want) {
		t.Errorf("logged %q", said)
	}
}

// During a roll the controller may be of an older release than the protocol's newest: 2.7 to 3.1 know version 0 of
// AlterPartition, 3.2 version 1, which name topics by their names, 3.3 version 2. The setting alone would have sent it what it
// cannot read, and no ISR would have grown or shrunk until the controller moved.
func TestAnOlderControllerIsAskedInItsVersion(t *testing.T) {
	for _, newest := range []int16{0, 1, 2, 3, 4} {
		controller := &oldController{t: t, newest: newest, id: cluster.TopicID{1}}
		peers := peer.New(peer.Options{Dial: controller.dial})
		there := func() (cluster.Endpoint, bool) { return cluster.Endpoint{Host: "there", Port: 9092}, true }
		log, _ := logtest.NewNullLogger()
		c := startISRChanges(1, func() int64 { return 7 }, peers, there, func(bool) int16 { return 3 }, log)

		type answer struct {
			state cluster.LeaderAndISR
			code  int16
		}
		answers := make(chan answer, 1)
		want := cluster.LeaderAndISR{Leader: 1, LeaderEpoch: 5, ISR: []cluster.BrokerID{1, 2}, PartitionEpoch: 8}
		c.AlterPartition(cluster.TopicPartition{Topic: "orders", Partition: 3}, controller.id, want,
			func(state cluster.LeaderAndISR, code int16) { answers <- answer{state, code} })
		want.PartitionEpoch++
		if got := <-answers; got.code != 0 || !reflect.DeepEqual(got.state, want) {
			t.Errorf("a controller that knows version %d: %+v, want %+v", newest, got, want)
		}
		c.Close()
		peers.Close()
	}
}

// oldController is a controller of some release, which grants what it is asked for orders-3 of leader epoch 5.
type oldController struct {
	t      *testing.T
	newest int16 // version of AlterPartition
	id     cluster.TopicID
}

func (o *oldController) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go o.serve(theirs)
	return ours, nil
}

func (o *oldController) serve(conn net.Conn) {
	defer conn.Close()
	for {
		size := make([]byte, 4)
		if _, err := io.ReadFull(conn, size); err != nil {
			return
		}
		frame := make([]byte, binary.BigEndian.Uint32(size))
		if _, err := io.ReadFull(conn, frame); err != nil {
			return
		}
		version, body := int16(binary.BigEndian.Uint16(frame[2:])), kbin.AppendInt32(nil, int32(binary.BigEndian.Uint32(frame[4:])))
		if key := binary.BigEndian.Uint16(frame); key == 18 {
			known := kmsg.ApiVersionsResponse{Version: version, ApiKeys: []kmsg.ApiVersionsResponseApiKey{{ApiKey: 56, MaxVersion: o.newest}}}
			body = known.AppendTo(body)
		} else {
			const emptyClientAndTags = 3
			body = o.grant(version, frame[8+emptyClientAndTags:]).AppendTo(append(body, 0))
		}
		if _, err := conn.Write(append(kbin.AppendInt32(nil, int32(len(body))), body...)); err != nil {
			return
		}
	}
}

func (o *oldController) grant(version int16, body []byte) *kmsg.AlterPartitionResponse {
	resp := &kmsg.AlterPartitionResponse{Version: version}
	req := kmsg.AlterPartitionRequest{Version: version}
	if version != min(o.newest, 3) {
		o.t.Errorf("a controller that knows version %d is asked in %d", o.newest, version)
	}
	if err := req.ReadFrom(body); err != nil || len(req.Topics) != 1 || len(req.Topics[0].Partitions) != 1 {
		o.t.Errorf("version %d: %+v, %v", version, req, err)
		return resp
	}
	topic, p := req.Topics[0], req.Topics[0].Partitions[0]
	if byName := version < 2; byName != (topic.Topic == "orders") || byName == (topic.TopicID == [16]byte(o.id)) {
		o.t.Errorf("version %d names the topic %q, %x", version, topic.Topic, topic.TopicID)
	}
	isr := p.NewISR
	for _, m := range p.NewEpochISR {
		isr = append(isr, m.BrokerID)
	}
	resp.Topics = []kmsg.AlterPartitionResponseTopic{{Topic: topic.Topic, TopidID: topic.TopicID, Partitions: []kmsg.AlterPartitionResponseTopicPartition{
		{Partition: p.Partition, LeaderID: 1, LeaderEpoch: p.LeaderEpoch, ISR: isr, PartitionEpoch: p.PartitionEpoch + 1}}}}
	return resp
}
