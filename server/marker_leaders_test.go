package server

import (
	"context"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/metadata"
	"ottla/zkcoord"
	"ottla/zkcoord/cluster"
)

// knownTopics are topics in ZooKeeper; true ones are about to be deleted.
type knownTopics struct {
	topics map[string]bool
	fails  error
}

func (k knownTopics) Topic(_ context.Context, topic string) (zkcoord.TopicAssignment, error) {
	_, ok := k.topics[topic]
	switch {
	case k.fails != nil:
		return zkcoord.TopicAssignment{}, k.fails
	case !ok:
		return zkcoord.TopicAssignment{}, zkcoord.ErrNoNode
	}
	return zkcoord.TopicAssignment{}, nil
}

func (k knownTopics) Deletions(context.Context) ([]string, error) {
	var all []string
	for topic, deleted := range k.topics {
		if deleted {
			all = append(all, topic)
		}
	}
	return all, k.fails
}

// A coordinator that is elected by a new controller finds a decision in its log before the controller has told it of any
// topic. Its markers have to wait: taken for those of a deleted topic, they would never be written.
func TestMarkersWaitForTheMetadataOfTheirTopics(t *testing.T) {
	for name, tc := range map[string]struct {
		topics knownTopics
		exists bool
	}{
		"a topic that the controller has not named yet": {knownTopics{topics: map[string]bool{"orders": false}}, true},
		"a deleted topic":               {knownTopics{}, false},
		"a topic that is being deleted": {knownTopics{topics: map[string]bool{"orders": true}}, false},
		"ZooKeeper cannot be asked":     {knownTopics{fails: errors.New("no connection")}, true},
	} {
		t.Run(name, func(t *testing.T) {
			cache := metadata.New()
			update := kmsg.NewPtrUpdateMetadataRequest()
			update.Version, update.ControllerID, update.ControllerEpoch = 8, 1, 2
			update.LiveBrokers = append(update.LiveBrokers, kmsg.UpdateMetadataRequestLiveBroker{ID: 1})
			cache.Update(update)
			l := &markerLeaders{metadata: cache, topics: tc.topics}
			leader, exists := l.Leader(cluster.TopicPartition{Topic: "orders", Partition: 3})
			if leader != cluster.NoBroker || exists != tc.exists {
				t.Errorf("leader %v, exists %v; want none, %v", leader, exists, tc.exists)
			}
		})
	}
}
