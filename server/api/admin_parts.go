package api

import (
	"context"
	"errors"
	"time"

	"ottla/logdir"
	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// AdminParts are what the handlers of topics and settings need besides the other Options.
type AdminParts struct {
	ZooKeeper ZooKeeper
	// Topics makes topics, for clients and on first use.
	Topics *TopicCreator
	// Loggers have levels that may be changed while the broker runs.
	Loggers *Loggers
	LogDirs LogDirs
}

// ZooKeeper is where topics and settings are written: zkcoord's Client. Any broker may write them.
type ZooKeeper interface {
	Topics(ctx context.Context) ([]string, error)
	Topic(ctx context.Context, topic string) (zkcoord.TopicAssignment, error)
	CreateTopic(ctx context.Context, topic string, replicas [][]cluster.BrokerID, config map[string]string, id cluster.TopicID) error
	AddPartitions(ctx context.Context, topic string, a zkcoord.TopicAssignment) error
	RequestDeletion(ctx context.Context, topic string) error
	Deletions(ctx context.Context) ([]string, error)
	EntityConfig(ctx context.Context, kind zkcoord.ConfigKind, name string) (map[string]string, error)
	TopicConfigs(ctx context.Context, topics []string) (map[string]map[string]string, error)
	SetEntityConfig(ctx context.Context, kind zkcoord.ConfigKind, name string, config map[string]string) error
}

// LogDirs are the log directories of this broker: logdir's Manager.
type LogDirs interface {
	Logs() []*logdir.Log
	Moves() []*logdir.Move
	LiveDirs() []string
	OfflineDirs() []string
}

// patience bounds what a request waits for ZooKeeper: it is out of reach for as long as an outage takes,
// and a connection has one request in work at a time. A client that waits longer gets longer.
const patience = 30 * time.Second

// adminContext is for a request's work in ZooKeeper.
func (c *call) adminContext(timeout time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.ctx, max(timeout, patience))
}

// millis is a request's time-out. Negative ones have passed.
func millis(ms int32) time.Duration { return max(0, time.Duration(ms)*time.Millisecond) }

// adminCode is code for errors that come out of ZooKeeper's work.
func adminCode(err error) int16 {
	switch {
	case err == nil:
		return codeNone
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return codeRequestTimedOut
	case errors.Is(err, zkcoord.ErrInvalidTopic):
		return codeInvalidTopicException
	case errors.Is(err, zkcoord.ErrInvalidPartitions):
		return codeInvalidPartitions
	case errors.Is(err, zkcoord.ErrInvalidReplicationFactor):
		return codeInvalidReplicationFactor
	}
	return code(err)
}

// explain is the code and the text for an error's answer. An error that nobody expected has no text for
// the client, so it is told here.
func (a *API) explain(deed string, err error) (code int16, message *string) {
	code, message = adminCode(err), adminMessage(err)
	if code == codeUnknownServerError {
		a.Log.Errorf("%s: %v", deed, err)
	}
	return code, message
}

// adminMessage is the text beside the code: Kafka sends none with UNKNOWN_SERVER_ERROR, whose cause is
// for the log, and none where time ran out.
func adminMessage(err error) *string {
	if err == nil {
		return nil
	}
	switch c := adminCode(err); c {
	case codeUnknownServerError, codeRequestTimedOut, codeNotController:
		return nil
	default:
		s := err.Error()
		return &s
	}
}
