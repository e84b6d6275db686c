package api

import "github.com/twmb/franz-go/pkg/kmsg"

// initProducerID gives a producer its id: an idempotent one any that nobody else has, a transactional one that of its
// transactional id, with a higher epoch.
func (a *API) initProducerID(c *call, req *kmsg.InitProducerIDRequest) {
	a.Transactions.InitProducerID(req, replyWith[*kmsg.InitProducerIDResponse](c))
}
