package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/replica"
)

// leaderAndISR obeys the controller: it tells which partitions this broker leads and which it follows.
// Whoever leads a partition of __consumer_offsets coordinates its groups, and loads them now; so it is with
// __transaction_state and transactions.
func (a *API) leaderAndISR(c *call, req *kmsg.LeaderAndISRRequest) {
	c.reply(a.Replicas.LeaderAndISR(req, func(leads, follows []replica.Leadership) {
		for _, l := range leads {
			switch l.Topic {
			case offsetsTopic:
				a.Groups.Elect(l.Partition, l.LeaderEpoch)
			case transactionsTopic:
				a.Transactions.Elect(l.Partition, l.LeaderEpoch)
			}
		}
		for _, f := range follows {
			switch f.Topic {
			case offsetsTopic:
				a.Groups.Resign(f.Partition, &f.LeaderEpoch)
			case transactionsTopic:
				a.Transactions.Resign(f.Partition, &f.LeaderEpoch)
			}
		}
	}))
}
