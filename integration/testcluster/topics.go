package testcluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// groupsTopic keeps the offsets of consumer groups.
const groupsTopic = "__consumer_offsets"

// retryPause lies between two attempts at what a cluster in change refuses.
const retryPause = 5 * time.Millisecond

// CreateTopic makes a topic and returns when every broker knows the leaders of its partitions, so that no
// client has to wait or to try again. settings, as retention.ms, may be nil.
func (c *Cluster) CreateTopic(name string, partitions, replicas int, settings map[string]string) {
	c.t.Helper()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, int32(partitions), int16(replicas)
	for key, value := range settings {
		topic.Configs = append(topic.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: key, Value: &value})
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(6)
	req.Topics, req.TimeoutMillis = append(req.Topics, topic), int32(startPatience.Milliseconds())
	err := c.insist(replicas, c.Controller, req, func(resp kmsg.Response) error {
		made := resp.(*kmsg.CreateTopicsResponse).Topics[0]
		if err := kerr.ErrorForCode(made.ErrorCode); err != nil {
			if made.ErrorMessage != nil {
				return fmt.Errorf("%w (%s)", err, *made.ErrorMessage)
			}
			return err
		}
		return nil
	})
	if err != nil {
		c.t.Fatalf("testcluster: create topic %s: %v", name, err)
	}
	c.awaitTopic(name, partitions)
}

// makeGroupsTopic asks for a group's coordinator, as the first consumer would, whom the making would delay.
func (c *Cluster) makeGroupsTopic() {
	c.t.Helper()
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.SetVersion(3)
	req.CoordinatorKey = "testcluster"
	err := c.insist(0, c.Controller, req, func(resp kmsg.Response) error {
		return kerr.ErrorForCode(resp.(*kmsg.FindCoordinatorResponse).ErrorCode)
	})
	if err != nil {
		c.t.Fatalf("testcluster: make %s: %v", groupsTopic, err)
	}
	partitions, _ := strconv.Atoi(c.brokers[0].settings["offsets.topic.num.partitions"]) // 1 at least, or the broker had not started
	c.awaitTopic(groupsTopic, max(partitions, 1))
}

// passes tells whether another attempt may mend an error. Too few brokers for the replicas are enough once
// those that run are known again.
func (c *Cluster) passes(err error, replicas int) bool {
	if errors.Is(err, kerr.InvalidReplicationFactor) {
		return replicas > 0 && replicas <= len(c.reachable())
	}
	_, known := errors.AsType[*kerr.Error](err)
	return !known || kerr.IsRetriable(err)
}

// insist asks a broker until it does not answer with an error that another attempt may mend.
func (c *Cluster) insist(replicas int, whom func() *Broker, req kmsg.Request, verdict func(kmsg.Response) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), startPatience)
	defer cancel()
	for {
		err := errors.New("there is no controller")
		if b := whom(); b != nil {
			var resp kmsg.Response
			if resp, err = ask(ctx, b.Addr(), req); err == nil {
				err = verdict(resp)
			}
			if err == nil || !c.passes(err, replicas) {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(retryPause):
		}
	}
}

// ask sends one request as a client and returns the answer.
func ask(ctx context.Context, address string, req kmsg.Request) (kmsg.Response, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	if _, err := conn.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("testcluster")).AppendRequest(nil, req, 1)); err != nil {
		return nil, err
	}
	answer, err := readFrame(conn)
	if err != nil {
		return nil, err
	}
	// The correlation id, and in newer versions tags: an empty list, one byte.
	head := 4
	if req.IsFlexible() {
		head++
	}
	if len(answer) < head || binary.BigEndian.Uint32(answer) != 1 {
		return nil, fmt.Errorf("%s: no answer to the request", address)
	}
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	return resp, resp.ReadFrom(answer[head:])
}
