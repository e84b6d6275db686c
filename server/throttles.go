package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"ottla/server/quota"
)

// throttles are the quotas of replication: what this broker sends as a leader, and what it copies as a follower.
type throttles struct{ leader, follower *quota.Replication }

func (b *Broker) newThrottles() throttles {
	c := b.live.Static()
	t := throttles{
		leader:   quota.NewReplication(b.id, int(c.ReplicationQuotaSamples), c.ReplicationQuotaWindow),
		follower: quota.NewReplication(b.id, int(c.ReplicationQuotaSamples), c.ReplicationQuotaWindow),
	}
	for name, q := range map[string]*quota.Replication{"leaderreplication": t.leader, "followerreplication": t.follower} {
		b.metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "kafka_server_" + name + "_byte_rate", Help: "Bytes of throttled replicas a second.",
		}, q.Rate))
	}
	return t
}

// boundBy takes the rates that are in force.
func (t throttles) boundBy(b *Broker) {
	c := b.live.Current()
	t.leader.SetBound(c.LeaderThrottledRate)
	t.follower.SetBound(c.FollowerThrottledRate)
	b.logs.SetMoveRate(float64(max(c.MoveRate, 1))) // with 0 it all but stands still
}

// topic takes which replicas of a topic are throttled.
func (t throttles) topic(b *Broker, topic string) {
	s := b.topics.of(topic)
	t.leader.SetTopic(topic, s.LeaderThrottledReplicas)
	t.follower.SetTopic(topic, s.FollowerThrottledReplicas)
}

// forget drops a topic that is gone.
func (t throttles) forget(topic string) {
	t.leader.SetTopic(topic, nil)
	t.follower.SetTopic(topic, nil)
}
